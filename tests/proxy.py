"""A TCP link to PostgreSQL that fails on demand, the way networks do.

    with Proxy(dsn) as link:
        queues = Queues(Database(link.dsn))   # the same database, through the link
        link.latency_s = 0.05                 # each way, for every packet
        link.blackhole()                      # bytes vanish both ways, new connections open and stay silent
        link.swallow_replies()                # the server hears and acts, its answers vanish
        link.reset()                          # RST: what is open breaks at once, new connections work
        link.refuse()                         # RST, and nobody listens: new connections are refused
        link.heal()                           # all is well again, for old connections too, but what vanished stays so

A black hole of this kind is the worst one: kernels still see an open connection, so no TCP timer ever ends it.
It runs in a thread of its own, so it serves blocking and asyncio tests alike.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

RST_ON_CLOSE = struct.pack("ii", 1, 0)


class Proxy:
    """One link to one server; `dsn` is the address of the same database by way of it."""

    def __init__(self, dsn: str) -> None:
        url = urlsplit(dsn)
        self._target = (str(url.hostname), url.port or 5432)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        login = url.netloc.rpartition("@")[0]
        self.dsn = url._replace(netloc=f"{login}@127.0.0.1:{self.port}").geturl()
        self.latency_s = 0.0
        self.connections = 0
        """How many were ever made."""
        self._silent = {"request": False, "reply": False}
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._server: asyncio.Server | None = None

    def blackhole(self) -> None:
        """From now on bytes vanish, both ways."""
        self._silent = {"request": True, "reply": True}

    def swallow_replies(self) -> None:
        """From now on the server's bytes vanish; it still hears."""
        self._silent = {"request": False, "reply": True}

    def reset(self) -> None:
        """Break what is open, by RST; new connections are served."""
        self._on_loop(self._reset())

    def refuse(self) -> None:
        """Break what is open, and listen no more."""
        self._on_loop(self._refuse())

    def heal(self) -> None:
        """A good link again."""
        self._silent = {"request": False, "reply": False}
        self._on_loop(self._listen())

    @property
    def open_connections(self) -> int:
        """How many are open right now."""
        return len(self._writers) // 2

    def __enter__(self) -> Self:
        self._thread.start()
        self._on_loop(self._listen())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._on_loop(self._refuse())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self) -> None:
        if self._server is None:
            if self._listening.fileno() < 0:
                self._listening = socket.create_server(("127.0.0.1", self.port))
            self._server = await asyncio.start_server(self._serve, sock=self._listening)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset()

    async def _reset(self) -> None:
        broken = set(self._writers)
        for writer in broken:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST_ON_CLOSE)
            writer.transport.abort()
        while self._writers & broken:
            await asyncio.sleep(0.001)

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(to_client)
        try:
            server, to_server = await asyncio.open_connection(*self._target)
        except OSError:
            self._writers.discard(to_client)
            to_client.transport.abort()
            return
        self._writers.add(to_server)
        ways = [
            asyncio.ensure_future(self._carry("request", client, to_server)),
            asyncio.ensure_future(self._carry("reply", server, to_client)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.wait(ways)
        for writer in (to_client, to_server):
            writer.close()
        self._writers -= {to_client, to_server}

    async def _carry(self, way: str, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                if self.latency_s:
                    await asyncio.sleep(self.latency_s)
                if not self._silent[way]:
                    target.write(data)
                    await target.drain()
