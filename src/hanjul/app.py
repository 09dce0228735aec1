"""The one place that builds things: settings in, running platform out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, Self, TypeVar

from hanjul.clients import address_async, configured
from hanjul.config import Settings
from hanjul.drivers.memory import MemoryDriver
from hanjul.drivers.postgres import PostgresDriver
from hanjul.model.backoff import Retry
from hanjul.model.errors import InvalidSettings
from hanjul.postgres import Database
from hanjul.queues import Queues
from hanjul.runtime.consumer import Consumer
from hanjul.runtime.handlers import Handler
from hanjul.runtime.spec import ConsumerSpec

LOOP_CONNECTIONS = 3
"""What the loop of all consumers holds at most: to fetch, to settle, and to look for what falls due."""

F = TypeVar("F", bound=Callable[..., Any])


class App:
    """Consumers, declared by decorators, and the client to send with.

    driver: `postgres`, or `memory` for queues that live and die with the process (tests, trials).
    """

    def __init__(
        self,
        database_url: str | None = None,
        *,
        driver: Literal["postgres", "memory"] = "postgres",
        config: Settings | None = None,
    ) -> None:
        if driver not in {"postgres", "memory"}:
            raise InvalidSettings(f"driver must be 'postgres' or 'memory', not {driver!r}")
        self._config, self._database_url = config, database_url
        self.specs: list[ConsumerSpec] = []
        self.consumers: list[Consumer] = []
        self.memory = MemoryDriver() if driver == "memory" else None
        self._queues: Queues | None = None
        self._stop: asyncio.Event | None = None
        self._running: asyncio.Task[None] | None = None
        self._drained = True

    @property
    def settings(self) -> Settings | None:
        """The settings that it runs with, its own address included; None on the memory driver, which needs no database."""
        return None if self.memory is not None else configured(self._database_url, self._config)

    @property
    def queues(self) -> Queues:
        """The queue client, while the app runs."""
        if self._queues is None:
            raise InvalidSettings("app.queues is there while the app runs, on the postgres driver; elsewhere: hanjul.connect()")
        return self._queues

    def consumer(
        self,
        queue: str,
        *,
        concurrency: int = 1,
        prefetch: int = 10,
        lease_s: float = 30.0,
        timeout_s: float | None = None,
        stop_timeout_s: float = 10.0,
        archive: bool = False,
        retry: Retry | None = None,
    ) -> Callable[[F], F]:
        """Declare a consumer: `@app.consumer("email_jobs", concurrency=20, prefetch=100)`. See ConsumerSpec.

        The function takes the body, as the type of its annotation, or a `Delivery`; async or not.
        """

        def declare(function: F) -> F:
            spec = ConsumerSpec(
                queue,
                Handler(function),
                concurrency=concurrency,
                prefetch=prefetch,
                lease_s=lease_s,
                timeout_s=timeout_s,
                stop_timeout_s=stop_timeout_s,
                archive=archive,
                retry=retry or Retry(),
            )
            self.specs.append(spec)
            return function

        return declare

    async def start(self) -> None:
        """Start every consumer; raises QueueNotFound, SchemaMismatch, Unavailable. `async with app` does it too."""
        if self._running is not None and not self._running.done():
            raise InvalidSettings("this app runs already")
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._running = asyncio.create_task(self._run(started, self._stop))
        try:
            await started
        except BaseException:  # also if nobody waits for the start any more: what was opened is closed
            await self.stop()
            raise

    async def stop(self) -> bool:
        """Stop: buffered messages go back, running handlers may finish; True if none had to be cut short."""
        if self._stop is not None and self._running is not None:
            self._stop.set()
            await self._running
        return self._drained

    def cut(self) -> None:
        """Stop at once: running handlers are cancelled, their messages released."""
        for consumer in self.consumers:
            consumer.cut()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.stop()

    async def _run(self, started: "asyncio.Future[None]", stop: asyncio.Event) -> None:
        """The whole life in one task, so that what is opened is closed in reverse order, whatever fails."""
        try:
            async with self._sources() as source:
                await self._consume(source, started, stop)
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)
        else:
            self._queues = None

    async def _consume(self, source: Callable[..., Any], started: "asyncio.Future[None]", stop: asyncio.Event) -> None:
        self.consumers = [Consumer(spec, source(spec.queue, archive=spec.archive)) for spec in self.specs]
        running: list[Consumer] = []
        try:
            for consumer in self.consumers:
                await consumer.start()
                running.append(consumer)
            if not started.done():
                started.set_result(None)
            await stop.wait()
        finally:
            self._drained = all(await asyncio.gather(*[consumer.stop() for consumer in running]))

    @asynccontextmanager
    async def _sources(self) -> AsyncIterator[Callable[..., Any]]:
        if self.memory is not None:
            for spec in self.specs:
                await self.memory.create(spec.queue)
            yield self.memory.source
            return
        config = configured(self._database_url, self._config)
        async with address_async(config) as found:
            handlers = Database(found, max_connections=config.max_connections)
            loop = Database(found, max_connections=LOOP_CONNECTIONS)
            async with Queues(handlers, max_message_bytes=config.max_message_bytes) as self._queues, loop:
                driver = PostgresDriver(loop, handlers, listen_url=(config.listen_url or found) if config.listen else None)
                try:
                    yield driver.source
                finally:
                    await driver.close()
