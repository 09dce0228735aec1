"""Asynchronous HTTP: the whole way of requests, beside libcurl alone."""  # noqa: A005  (it is bench.http)
