"""The pgmq clients with upstream's SQL and the loop of its manual: read 100, handle, delete the batch."""

import asyncio
from typing import Any

import psycopg
from pgmq import AsyncPGMQueue, PGMQueue
from pgmq.install import get_embedded_install_sql

from bench.queues.systems.base import CONNECTIONS, QUEUE, System, handled

READ = {"vt": 30, "qty": 100, "max_poll_seconds": 5, "poll_interval_ms": 100}
LOOP = "loop read_with_poll(qty=100, poll every 100 ms) -> handle -> delete_batch; no retries, no fence"


class Async(System):
    settings = f"AsyncPGMQueue (asyncpg), pool of {CONNECTIONS} (default); {LOOP}"

    async def install(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            conn.execute(get_embedded_install_sql().encode())
            conn.execute("select pgmq.create(%s)", [QUEUE])

    async def open(self) -> None:
        self._queue = AsyncPGMQueue(conn_string=self.dsn, init_extension=False)
        await self._queue.init()

    async def close(self) -> None:
        await self._queue.close()

    async def send(self, body: dict[str, Any]) -> None:
        await self._queue.send(QUEUE, body)

    async def send_batch(self, bodies: list[dict[str, Any]]) -> None:
        await self._queue.send_batch(QUEUE, bodies)

    async def work(self) -> None:
        await self.open()
        while True:
            if messages := await self._queue.read_with_poll(QUEUE, **READ):
                for message in messages:
                    handled(message.message["t"])
                await self._queue.delete_batch(QUEUE, [message.msg_id for message in messages])


class Sync(Async):
    settings = f"PGMQueue (psycopg), pool of {CONNECTIONS} (default); {LOOP}"
    concurrent = False

    async def open(self) -> None:
        self._queue = PGMQueue(conn_string=self.dsn, init_extension=False)

    async def close(self) -> None:
        await asyncio.to_thread(self._queue.close)

    async def send(self, body: dict[str, Any]) -> None:
        self._queue.send(QUEUE, body)

    async def send_batch(self, bodies: list[dict[str, Any]]) -> None:
        self._queue.send_batch(QUEUE, bodies)

    async def work(self) -> None:
        await self.open()
        while True:
            if messages := self._queue.read_with_poll(QUEUE, **READ):
                for message in messages:
                    handled(message.message["t"])
                self._queue.delete_batch(QUEUE, [message.msg_id for message in messages])
