"""The demo: a tutorial, 2,000 e-mails, a killed worker, and the books balanced at the end."""
