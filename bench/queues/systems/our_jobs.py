"""hanjul's jobs, as docs/jobs.md says to use them."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import hanjul
from bench.queues.systems.base import CONCURRENCY, CONNECTIONS, QUEUE, System, handled

PREFETCH = 200


class OurJobs(System):
    settings = (
        f"@app.job, async handler, job_workers(concurrency={CONCURRENCY}, prefetch={PREFETCH}), default leases, retries, "
        f"fences and counts; connect_jobs(), {CONNECTIONS} connections at most (default)"
    )
    finished = """
        select hanjul.keep_days();
        insert into hanjul.job_history (id, queue, kind, priority, run_at, status, attempt, retry_count, max_retries, worker_id,
                                        created_at, started_at, completed_at, progress, payload)
        select hanjul._uuid7(now(), n), 'default', 'bench', 0, now(), 'completed', 1, 0, 3, 'worker', now(), now(), now(), 1,
               jsonb_build_object('t', 0, 'pad', repeat('x', 120))
        from generate_series(1, %s) n"""

    async def install(self) -> None:
        from hanjul.postgres.migrate import migrate  # here: a worker does without

        migrate(self.dsn)

    async def open(self) -> None:
        self._stack = AsyncExitStack()
        self._jobs = await self._stack.enter_async_context(hanjul.connect_jobs(self.dsn))

    async def close(self) -> None:
        await self._stack.aclose()

    async def send(self, body: dict[str, Any]) -> None:
        await self._jobs.enqueue(QUEUE, body)

    async def send_batch(self, bodies: list[dict[str, Any]]) -> None:
        await self._jobs.enqueue_many(QUEUE, bodies)

    async def work(self) -> None:
        app = hanjul.App(self.dsn)

        @app.job(QUEUE)
        async def handle(body: dict[str, Any]) -> None:
            handled(body["t"])

        app.job_workers("default", concurrency=CONCURRENCY, prefetch=PREFETCH)
        async with app:
            await asyncio.Event().wait()
