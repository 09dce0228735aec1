"""Programs that the Makefile runs, and what the tests fetch with them."""
