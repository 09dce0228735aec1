"""HTTP out, in pg_net's words: requests and webhooks as clients ask for them. Who sends them is in sender/."""
