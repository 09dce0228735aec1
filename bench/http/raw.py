"""What libcurl does when nobody asks for more: no database, no limits, no records; each answer is looked at and dropped."""

from collections import deque
from typing import Any

import pycurl

WAIT_S = 1.0


def get_all(url: str, count: int, at_once: int) -> None:
    """Ask for a URL so often; raises RuntimeError if an answer is not 200. Every option is set for every request."""
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
    curl.setopt(pycurl.URL, url)
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.HTTPHEADER, ["Accept: */*", "User-Agent: bench"])
    curl.setopt(pycurl.HEADERFUNCTION, curl.lines.append)
    curl.setopt(pycurl.WRITEFUNCTION, curl.body.append)
    curl.setopt(pycurl.TIMEOUT_MS, 5000)
    curl.setopt(pycurl.PROXY, "")
    return curl
