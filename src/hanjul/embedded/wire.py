"""Just enough of PostgreSQL's protocol to ask "is it up, and is it ours?" without a client library.

Source: "Frontend/Backend Protocol" in the PostgreSQL manual. Loopback only, password only, no result rows.
"""

import socket
import struct
from types import TracebackType
from typing import Self

from .scram import MECHANISM, Exchange

HOST = "127.0.0.1"
USER = "postgres"
TIMEOUT_S = 5.0
LARGEST_MESSAGE = 1 << 20
STARTING_UP = "57P03"


class Refused(Exception):
    """The server's answer to a login or a statement, with its SQLSTATE in `code`."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{text} ({code})")
        self.code = code


class Connection:
    """A session with the server on `port`. Raises OSError if none answers, Refused if it says no."""

    def __init__(self, port: int, password: str, database: str) -> None:
        self.parameters: dict[str, str] = {}
        self._socket = _connect(port)
        try:
            self._socket.sendall(_startup(database))
            self._log_in(Exchange(password))
        except BaseException:
            self._socket.close()
            raise

    def execute(self, statement: str) -> None:
        """Run one statement and drop its rows. The connection is of no more use after Refused."""
        self._send(b"Q", statement.encode() + b"\0")
        self._until_ready()

    def close(self) -> None:
        """Say goodbye and hang up."""
        with self._socket:
            self._send(b"X", b"")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _e: BaseException | None, _at: TracebackType | None) -> None:
        self.close()

    def _log_in(self, exchange: Exchange) -> None:
        self._expect(10)
        first = exchange.first
        self._send(b"p", MECHANISM + b"\0" + struct.pack("!i", len(first)) + first)
        self._send(b"p", exchange.final(self._expect(11)))
        if not exchange.verify(self._expect(12)):
            raise Refused("08P01", "the server does not know our password")
        self._expect(0)
        self._until_ready()

    def _expect(self, step: int) -> bytes:
        kind, body = _receive(self._socket)
        if kind != b"R" or struct.unpack("!i", body[:4])[0] != step:
            raise Refused("08P01", "the server does not ask for our kind of password")
        return body[4:]

    def _until_ready(self) -> None:
        while (answer := _receive(self._socket))[0] != b"Z":
            if answer[0] == b"S":
                name, value = answer[1].decode().split("\0")[:2]
                self.parameters[name] = value

    def _send(self, kind: bytes, body: bytes) -> None:
        self._socket.sendall(kind + struct.pack("!i", len(body) + 4) + body)


def is_ready(port: int) -> bool:
    """Whether a PostgreSQL on `port` takes connections now; needs no password."""
    try:
        with _connect(port) as sock:
            sock.sendall(_startup(USER))
            return _receive(sock)[0] == b"R"
    except Refused as refusal:
        return refusal.code != STARTING_UP
    except OSError:
        return False


def _connect(port: int) -> socket.socket:
    return socket.create_connection((HOST, port), timeout=TIMEOUT_S)


def _startup(database: str) -> bytes:
    words = ("user", USER, "database", database, "application_name", "hanjul embedded", "")
    body = struct.pack("!i", 196608) + b"\0".join(word.encode() for word in words) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def _receive(sock: socket.socket) -> tuple[bytes, bytes]:
    kind, length = struct.unpack("!ci", _exactly(sock, 5))
    if not 4 <= length <= LARGEST_MESSAGE:
        raise OSError("whoever answered does not speak PostgreSQL's protocol")
    body = _exactly(sock, length - 4)
    if kind == b"E":
        fields = {part[:1]: part[1:] for part in body.decode(errors="replace").split("\0")}
        raise Refused(fields.get("C", ""), fields.get("M", ""))
    return kind, body


def _exactly(sock: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        if not (part := sock.recv(size - len(data))):
            raise OSError("the server hung up")
        data += part
    return data
