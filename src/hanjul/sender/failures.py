"""Why there is no answer: libcurl's codes as the texts that pg_net's users know, and the kinds that a retry policy names."""

DNS, CONNECT, TLS, TIMEOUT, PROTOCOL, TOO_LARGE = "dns", "connect", "tls", "timeout", "protocol", "too_large"
REFUSED, INVALID = "refused", "invalid"
"""Kinds that no retry can mend: the guard's, and requests that could not be sent as they are."""

TIMED_OUT, TOO_MANY_REDIRECTS, COULD_NOT_CONNECT, HEAD_TOO_LARGE = 28, 47, 7, 100

_FAILURES: dict[int, tuple[str, str]] = {
    1: (PROTOCOL, "Unsupported protocol"),
    3: (INVALID, "URL using bad/illegal format or missing URL"),
    5: (DNS, "Couldn't resolve proxy name"),
    6: (DNS, "Couldn't resolve host name"),
    COULD_NOT_CONNECT: (CONNECT, "Couldn't connect to server"),
    8: (PROTOCOL, "Weird server reply"),
    16: (PROTOCOL, "Error in the HTTP2 framing layer"),
    18: (PROTOCOL, "Transferred a partial file"),
    27: (PROTOCOL, "Out of memory"),
    35: (TLS, "SSL connect error"),
    TOO_MANY_REDIRECTS: (PROTOCOL, "Number of redirects hit maximum amount"),
    52: (PROTOCOL, "Server returned nothing (no headers, no data)"),
    55: (PROTOCOL, "Failed sending data to the peer"),
    56: (PROTOCOL, "Failure when receiving data from the peer"),
    58: (TLS, "Problem with the local SSL certificate"),
    60: (TLS, "SSL peer certificate or SSH remote key was not OK"),
    61: (PROTOCOL, "Unrecognized or bad HTTP Content or Transfer-Encoding"),
    77: (TLS, "Problem with the SSL CA cert (path? access rights?)"),
    92: (PROTOCOL, "Stream error in the HTTP/2 framing layer"),
    97: (CONNECT, "proxy handshake error"),
    HEAD_TOO_LARGE: (TOO_LARGE, "too large: the head of the answer has more than 300 KB, or 5,000 lines"),
}


class Unsendable(Exception):
    """A request that cannot be sent as it is: bad input, or what the guard refuses. kind: REFUSED or INVALID."""

    def __init__(self, text: str, *, kind: str = INVALID) -> None:
        super().__init__(text)
        self.text, self.kind = text, kind


def failure(code: int, detail: str) -> tuple[str, str]:
    """The kind and the text of libcurl's code; of one that has none here, libcurl's own words, which are `detail`."""
    if detail.startswith("Too large response headers"):  # libcurl takes it for a failure to receive
        code = HEAD_TOO_LARGE
    return _FAILURES.get(code) or (PROTOCOL, detail or f"libcurl's error {code}")


def timeout_text(limit_ms: float, total_us: int, dns_us: int, handshake_us: int, request_us: int) -> str:
    """That time ran out, and how much of it each phase took, in microseconds.

    >>> timeout_text(1000, 1_000_700, 120, 1_000_580, 0)[:88]
    'Timeout of 1000 ms reached. Total time: 1000.700000 ms (DNS time: 0.120000 ms, TCP/SSL h'
    """
    return (
        f"Timeout of {limit_ms:.0f} ms reached. Total time: {total_us / 1000:.6f} ms "
        f"(DNS time: {dns_us / 1000:.6f} ms, TCP/SSL handshake time: {handshake_us / 1000:.6f} ms, "
        f"HTTP Request/Response time: {request_us / 1000:.6f} ms)"
    )
