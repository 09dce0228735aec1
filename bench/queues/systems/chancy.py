"""chancy with its asyncio executor."""

from typing import Any

import chancy

from bench.queues.systems.base import CONCURRENCY, CONNECTIONS, QUEUE, System, handled


@chancy.job(queue=QUEUE)
async def handle(*, t: int, pad: str) -> None:
    handled(t)


class Chancy(System):
    settings = (
        f"AsyncExecutor, concurrency {CONCURRENCY}, eager polling, notifications (default); pool of {CONNECTIONS} (default)"
    )
    finished = """
        insert into chancy_jobs (id, queue, func, kwargs, state, attempts, taken_by, created_at, started_at, completed_at)
        select gen_random_uuid(), 'bench', 'bench.queues.systems.chancy.handle',
               jsonb_build_object('t', 0, 'pad', repeat('x', 120)), 'succeeded', 1, 'worker', now(), now(), now()
        from generate_series(1, %s)"""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self._chancy = chancy.Chancy(dsn)

    async def install(self) -> None:
        async with self._chancy:
            await self._chancy.migrate()
            queue = chancy.Queue(name=QUEUE, concurrency=CONCURRENCY, eager_polling=True, executor=chancy.Chancy.Executor.Async)
            await self._chancy.declare(queue)

    async def open(self) -> None:
        await self._chancy.__aenter__()

    async def close(self) -> None:
        await self._chancy.__aexit__(None, None, None)

    async def send(self, body: dict[str, Any]) -> None:
        await self._chancy.push(handle.job.with_kwargs(**body))

    async def send_batch(self, bodies: list[dict[str, Any]]) -> None:
        async for _ in self._chancy.push_many([handle.job.with_kwargs(**body) for body in bodies]):
            pass

    async def work(self) -> None:
        await self.open()
        async with chancy.Worker(self._chancy) as worker:
            await worker.wait_for_shutdown()
