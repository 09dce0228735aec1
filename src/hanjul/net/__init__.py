"""HTTP out, in pg_net's words: requests enqueued in SQL, sent by a thread of libcurl."""
