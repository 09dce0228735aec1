"""A port for the server, below the range from which systems take the ports of outgoing connections."""

import secrets
import socket

from .wire import HOST

LOWEST, HIGHEST = 15_432, 32_000


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` now."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as PostgreSQL does
        try:
            sock.bind((HOST, port))
        except OSError:
            return False
    return True


def choose(last: int | None) -> int:
    """The last port if it is free, so that a printed URL stays true; else another one."""
    if last and is_free(last):
        return last
    for _ in range(1000):
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        if is_free(port):
            return port
    raise OSError(f"no free port on {HOST} between {LOWEST} and {HIGHEST}")
