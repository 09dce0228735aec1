"""hanjul, as its README says to use it."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import hanjul
from bench.queues.systems.base import CONCURRENCY, CONNECTIONS, QUEUE, System, handled

PREFETCH = 500


class Ours(System):
    settings = (
        f"App with one consumer, async handler, concurrency {CONCURRENCY}, prefetch {PREFETCH}, default leases, retries and "
        f"fences; connect(), {CONNECTIONS} connections at most (default)"
    )

    async def install(self) -> None:
        from hanjul.postgres.migrate import migrate  # here: a worker does without

        migrate(self.dsn)
        async with hanjul.connect(self.dsn) as queues:
            await queues.create(QUEUE)

    async def open(self) -> None:
        self._stack = AsyncExitStack()
        self._queues = await self._stack.enter_async_context(hanjul.connect(self.dsn))

    async def close(self) -> None:
        await self._stack.aclose()

    async def send(self, body: dict[str, Any]) -> None:
        await self._queues.send(QUEUE, body)

    async def send_batch(self, bodies: list[dict[str, Any]]) -> None:
        await self._queues.send_batch(QUEUE, bodies)

    async def work(self) -> None:
        app = hanjul.App(self.dsn)

        @app.consumer(QUEUE, concurrency=CONCURRENCY, prefetch=PREFETCH)
        async def handle(body: dict[str, Any]) -> None:
            handled(body["t"])

        async with app:
            await asyncio.Event().wait()
