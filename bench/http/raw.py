"""What libcurl does when nobody asks for more: no database, no limits, no records; each answer is looked at and dropped."""

from collections import deque
from typing import Any

import pycurl

WAIT_S = 1.0


def get_all(url: str, count: int, at_once: int) -> None:
    """Ask for a URL so often; raises RuntimeError if an answer is not 200. The sender's options are set for every request."""
    multi, idle, left = pycurl.CurlMulti(), deque(pycurl.Curl() for _ in range(at_once)), count
    multi.setopt(pycurl.M_MAXCONNECTS, at_once)
    running = 0
    while left or running:
        while left and idle:
            multi.add_handle(_prepared(idle.pop(), url))
            left, running = left - 1, running + 1
        multi.perform()
        more = 1
        while more:
            more, good, bad = multi.info_read()
            if bad:
                raise RuntimeError(f"{bad[0][2]}")
            for curl in good:
                if curl.getinfo(pycurl.RESPONSE_CODE) != 200 or not curl.body:
                    raise RuntimeError(f"status {curl.getinfo(pycurl.RESPONSE_CODE)}")
                multi.remove_handle(curl)
                idle.append(curl)
                running -= 1
        if running and not (left and idle):
            multi.select(WAIT_S)


def _prepared(curl: Any, url: str) -> Any:
    curl.reset()
    curl.body, curl.lines = [], []
    for option, value in (
        (pycurl.URL, url),
        (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
        (pycurl.NOSIGNAL, 1),
        (pycurl.HTTPHEADER, ["User-Agent: bench", "Expect:"]),
        (pycurl.HEADERFUNCTION, curl.lines.append),
        (pycurl.WRITEFUNCTION, curl.body.append),
        (pycurl.TIMEOUT_MS, 5000),
        (pycurl.CONNECTTIMEOUT_MS, 5000),
        (pycurl.TCP_KEEPALIVE, 1),
        (pycurl.PROXY, ""),
        (pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1),
    ):
        curl.setopt(option, value)
    return curl
