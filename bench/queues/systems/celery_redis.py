"""Celery on Redis: not on PostgreSQL, and what it has taken may be lost in the second before the log is flushed."""

from typing import Any
from urllib.parse import urlsplit

from celery import Celery
from redis import Redis

from bench.harness import redis
from bench.queues.systems.base import QUEUE, System, handled

DATABASES = 16
PREFETCH = 1000


class CeleryRedis(System):
    settings = (
        "Redis with appendonly, flushed every second (its default); solo pool, which was faster than prefork and threads, "
        f"prefetch multiplier {PREFETCH}, acks early (its default), results ignored, no gossip, mingle or heartbeat; it has no "
        "coroutines and no batches"
    )
    concurrent = False
    batch = 100
    on_postgres = False

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        number = int(urlsplit(dsn).path.rpartition("_")[2]) % DATABASES
        self._url = f"{redis.url()}/{number}"
        self._app = Celery("bench", broker=self._url)
        self._app.conf.update(
            task_ignore_result=True,
            worker_prefetch_multiplier=PREFETCH,
            task_default_queue=QUEUE,
            broker_connection_retry_on_startup=True,
        )

        def handle(t: int, pad: str) -> None:
            handled(t)

        self._task = self._app.task(name="handle")(handle)

    async def install(self) -> None:
        with Redis.from_url(self._url) as connection:
            connection.flushdb()

    async def open(self) -> None:
        self._producer = self._app.amqp.producer_pool.acquire(block=True)

    async def close(self) -> None:
        self._producer.release()

    async def send(self, body: dict[str, Any]) -> None:
        self._task.apply_async(kwargs=body, producer=self._producer)

    async def send_batch(self, bodies: list[dict[str, Any]]) -> None:
        for body in bodies:
            await self.send(body)

    async def work(self) -> None:
        options = ["--pool=solo", "--without-gossip", "--without-mingle", "--without-heartbeat"]
        self._app.worker_main(["worker", "--loglevel=WARNING", *options])  # it has no event loop, and wants the main thread
