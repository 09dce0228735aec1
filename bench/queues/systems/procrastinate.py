"""procrastinate: its async worker."""

from typing import Any

import procrastinate

from bench.queues.systems.base import CONCURRENCY, CONNECTIONS, QUEUE, System, handled


class Procrastinate(System):
    settings = f"PsycopgConnector, pool of {CONNECTIONS}; async task, worker concurrency {CONCURRENCY}, notifications (default)"
    finished = """
        set session_replication_role = replica;  -- without its triggers, which would wake workers and note three events for each
        insert into procrastinate_jobs (queue_name, task_name, args, status, scheduled_at, attempts)
        select 'bench', 'handle', jsonb_build_object('t', 0, 'pad', repeat('x', 120)), 'succeeded', null, 1
        from generate_series(1, %s)"""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self._app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(conninfo=dsn, min_size=2, max_size=CONNECTIONS),
        )

        async def handle(t: int, pad: str) -> None:
            handled(t)

        self._handle = self._app.task(queue=QUEUE, name="handle")(handle)

    async def install(self) -> None:
        async with self._app.open_async():
            await self._app.schema_manager.apply_schema_async()

    async def open(self) -> None:
        await self._app.open_async()

    async def close(self) -> None:
        await self._app.close_async()

    async def send(self, body: dict[str, Any]) -> None:
        await self._handle.defer_async(**body)

    async def send_batch(self, bodies: list[dict[str, Any]]) -> None:
        await self._handle.batch_defer_async(*bodies)

    async def work(self) -> None:
        await self.open()
        await self._app.run_worker_async(queues=[QUEUE], concurrency=CONCURRENCY, install_signal_handlers=False)
