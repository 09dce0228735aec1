"""HTTP requests on the wire: one attempt at a time for each, by a thread of libcurl; nothing here knows a database."""
