"""pgqueuer on asyncpg."""

import json
from typing import Any

import asyncpg
from pgqueuer import PgQueuer as Manager
from pgqueuer.db import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from bench.queues.systems.base import CONNECTIONS, QUEUE, System, handled

BATCH = 100


class PgQueuer(System):
    settings = f"worker: one asyncpg connection, run(batch_size={BATCH}); producer: asyncpg pool of {CONNECTIONS}"
    finished = """
        insert into pgqueuer_log (job_id, status, priority, entrypoint)
        select n, 'successful', 0, 'bench' from generate_series(1, %s) n"""

    async def install(self) -> None:
        conn = await asyncpg.connect(self.dsn)
        await Queries(AsyncpgDriver(conn)).install()
        await conn.close()

    async def open(self) -> None:
        self._pool = await asyncpg.create_pool(self.dsn, min_size=1, max_size=CONNECTIONS)
        self._queries = Queries(AsyncpgPoolDriver(self._pool))

    async def close(self) -> None:
        await self._pool.close()

    async def send(self, body: dict[str, Any]) -> None:
        await self._queries.enqueue(QUEUE, json.dumps(body).encode(), 0)

    async def send_batch(self, bodies: list[dict[str, Any]]) -> None:
        payloads = [json.dumps(body).encode() for body in bodies]
        await self._queries.enqueue([QUEUE] * len(bodies), payloads, [0] * len(bodies))

    async def work(self) -> None:
        manager = Manager(AsyncpgDriver(await asyncpg.connect(self.dsn)))

        @manager.entrypoint(QUEUE)
        async def handle(job: Job) -> None:
            handled(json.loads(job.payload or b"{}")["t"])

        await manager.run(batch_size=BATCH)
