"""An HTTP server that does exactly what a test says, down to the byte, however wrong that is; and remembers what came in."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Seen:
    """A request as it came in. connection: its number, from 1.  gone: whether who sent it has hung up."""

    method: str
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    raw: bytes
    connection: int
    gone: Callable[[], bool] = field(default=lambda: False, repr=False)

    def all(self, name: str) -> list[str]:
        """The values of a header."""
        return [value for given, value in self.headers if given.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The one value of a header; None if there is none."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None


Writer = asyncio.StreamWriter
Reply = bytes | Callable[[Seen, Writer], Awaitable[None]]


@dataclass
class Server:
    """replies: by path, without its query; others are answered with OK. After what a function wrote it closes."""

    port: int = 0
    scheme: str = "http"
    replies: dict[str, Reply] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    running: int = 0
    most_running: int = 0
    open_writers: set[Writer] = field(default_factory=set)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def on(self, path: str, reply: Reply) -> str:
        """Answer so from now on; the path's URL."""
        self.replies[path] = reply
        return self.url(path)

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        self.connections += 1
        number = self.connections
        self.open_writers.add(writer)
        try:
            while (seen := await _read(reader, number)) is not None:
                self.seen.append(seen)
                self.running += 1
                self.most_running = max(self.most_running, self.running)
                try:
                    if not await self._reply(seen, writer):
                        return
                finally:
                    self.running -= 1
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            self.open_writers.discard(writer)
            writer.close()

    async def _reply(self, seen: Seen, writer: Writer) -> bool:
        reply = self.replies.get(seen.path.partition("?")[0], OK)
        if isinstance(reply, bytes):
            writer.write(reply)
            await writer.drain()
            return True
        await reply(seen, writer)
        return False


async def _read(reader: asyncio.StreamReader, number: int) -> Seen | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
        return None
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    length = int(next((value for name, value in headers if name.lower() == "content-length"), 0))
    body = await reader.readexactly(length)
    return Seen(method, path, headers, body, head + body, number, reader.at_eof)


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    """A server for as long as the block runs."""
    server = Server(scheme="https" if tls else "http")
    listening = await asyncio.start_server(server.serve, host, 0, ssl=tls, backlog=4096, limit=1 << 20)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for writer in list(server.open_writers):
            with suppress(Exception):
                writer.transport.abort()


def answer(
    status: int = 200, body: bytes = b"ok", headers: dict[str, str] | None = None, *, content_type: str | None = "text/plain"
) -> bytes:
    """A proper answer."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"Content-Type: {content_type}"] if content_type else []
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def redirect(location: str, status: int = 302) -> bytes:
    """A redirect, with a body that nobody wants."""
    return answer(status, b"moved", {"Location": location})


async def stall(seen: Seen, writer: Writer) -> None:
    """Say nothing until the other side has had enough."""
    with suppress(ConnectionError):
        while not (writer.transport.is_closing() or seen.gone()):
            await asyncio.sleep(0.02)


def then_close(data: bytes) -> Reply:
    """Write this, right or wrong, and close."""

    async def reply(_: Seen, writer: Writer) -> None:
        writer.write(data)
        with suppress(ConnectionError):
            await writer.drain()

    return reply


def then_stall(data: bytes) -> Reply:
    """Write this, and nothing more, but stay."""

    async def reply(seen: Seen, writer: Writer) -> None:
        writer.write(data)
        await stall(seen, writer)

    return reply


def endless(head: bytes, piece: bytes) -> Reply:
    """Write the head, then the same piece for ever."""

    async def reply(_: Seen, writer: Writer) -> None:
        writer.write(head)
        with suppress(ConnectionError):
            while not writer.transport.is_closing():
                writer.write(piece)
                await writer.drain()

    return reply


async def drip(_: Seen, writer: Writer) -> None:
    """One byte of the body at a time, each well within any limit for a single read."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    with suppress(ConnectionError):
        while not writer.transport.is_closing():
            writer.write(b".")
            await asyncio.sleep(0.05)
