"""The one place that builds things: settings in, running platform out."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from hanjul.app_connected import Connected, connected
from hanjul.clients import configured
from hanjul.config import Settings
from hanjul.model.backoff import Retry
from hanjul.model.driver import Source
from hanjul.model.errors import InvalidSettings
from hanjul.queues import Queues
from hanjul.runtime.consumer import Consumer
from hanjul.runtime.handlers import Handler
from hanjul.runtime.queue import Queue
from hanjul.runtime.spec import ConsumerSpec

if TYPE_CHECKING:
    from hanjul.app_http import AppHttp
    from hanjul.app_jobs import AppJobs
    from hanjul.drivers.memory import MemoryDriver
    from hanjul.jobs.client import Jobs
    from hanjul.jobs.rows import JobRecord, Unique
    from hanjul.jobs.schedule import Missed
    from hanjul.net.client import Http

T = TypeVar("T")
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
        self.memory = _memory_driver() if driver == "memory" else None
        self._jobs: AppJobs | None = None
        self._http: AppHttp | None = None
        self._connected: Connected | None = None
        self._source: Callable[..., Source] | None = None
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
        return self._has("queues", "connect").queues

    @property
    def jobs(self) -> "Jobs":
        """The job client, while the app runs on postgres; it knows the kinds that the app declares."""
        return self._has("jobs", "connect_jobs").jobs(self._jobs.declared if self._jobs else [])

    @property
    def http(self) -> "Http":
        """The HTTP client, while the app runs on postgres: requests that leave when their transaction commits."""
        return self._has("http", "connect_http").http()

    def _has(self, client: str, elsewhere: str) -> Connected:
        if self._connected is None:
            raise InvalidSettings(
                f"app.{client} is there while the app runs, on the postgres driver; elsewhere: hanjul.{elsewhere}()"
            )
        return self._connected

    @property
    def idle(self) -> bool:
        """Whether it has nothing to run: neither consumers nor jobs are declared, and it sends no HTTP requests."""
        return not self.specs and self._jobs is None and self._http is None

    def send_http(self, *, if_possible: bool = False) -> None:
        """Send the HTTP requests of the database (schema net) while it runs, as `hanjul worker` and `hanjul up` do.

        if_possible: do without where the extension pg_net is in charge of them, or our role may not send.
        Raises InvalidSettings where pycurl is not installed, and on the memory driver.
        """
        if self.memory is not None:
            raise InvalidSettings("HTTP requests need the postgres driver: they are enqueued in SQL")
        if self._http is None:
            from hanjul.app_http import AppHttp  # only here: who sends nothing need not carry it

            self._http = AppHttp(if_possible=if_possible)

    def job(
        self,
        kind: str | None = None,
        *,
        queue: str = "default",
        priority: int = 0,
        max_retries: int | None = None,
        timeout_s: float | None = None,
        executor: Literal["here", "process"] = "here",
        retry: Retry | None = None,
        unique: "Unique | None" = None,
    ) -> Callable[[F], F]:
        """Declare a kind of job: `@app.job("transcribe", queue="stt", timeout_s=60)`; no kind: the function's name.

        The function takes the payload, as the type of its annotation, or a `Job`; async or not. What it returns, as JSON, is
        the job's result; if it raises, the job has failed, and is tried again while it has retries left, after the backoff
        of `retry`. queue, priority, max_retries, unique: of its jobs, unless their enqueuer says otherwise.
        timeout_s: how long an attempt may run.  executor: `process` runs it in a process of its own, which does not hold up
        others by its work for the CPU, and is killed when its time is up; the function must be importable by its name.
        """
        if callable(kind):
            raise InvalidSettings("@app.job needs parentheses: @app.job(), or @app.job('transcribe')")

        def declare(function: F) -> F:
            how = {"queue": queue, "priority": priority, "max_retries": max_retries, "timeout_s": timeout_s, "executor": executor}
            self._jobs_declared().declare(function, kind, retry=retry, unique=unique, **how)  # type: ignore[arg-type]  # by name
            return function

        return declare

    def job_workers(
        self,
        queues: Mapping[str, int] | Sequence[str] | str,
        *,
        concurrency: int = 10,
        prefetch: int | None = None,
        lease_s: float = 30.0,
        stop_timeout_s: float = 10.0,
    ) -> None:
        """Give queues of jobs workers of their own: `app.job_workers({"urgent": 3, "default": 1}, concurrency=20)`.

        queues: with weights: how often, in proportion, each is asked before the others. Queues of declared kinds that
        nobody gives workers share those that the settings ask for (HANJUL_JOB_CONCURRENCY).
        prefetch: jobs held at once, waiting and running (None: no more than run). The rest as of a consumer.
        """
        how = {"lease_s": lease_s, "stop_timeout_s": stop_timeout_s}
        prefetch = concurrency if prefetch is None else prefetch
        self._jobs_declared().crew(queues, concurrency=concurrency, prefetch=prefetch, **how)

    def cron(
        self,
        cron: str,
        *,
        tz: str = "UTC",
        missed: "Missed" = "once",
        max_missed: int = 100,
        name: str | None = None,
        payload: object = None,
    ) -> Callable[[F], F]:
        """Enqueue a job of this kind by the clock: `@app.cron("*/5 * * * *", tz="Asia/Seoul")` above `@app.job(...)`.

        cron: five fields, six with seconds first, or @hourly and its like.  tz: the name of the time zone whose clock it is.
        missed: of ticks that no worker was there for: `skip` them, enqueue one job (`once`), or `all`, at most the newest
        max_missed.  name: of the schedule; None: the job's kind.  payload: of its jobs.
        """

        if callable(cron):
            raise InvalidSettings('@app.cron needs its times: @app.cron("*/5 * * * *")')

        def declare(function: F) -> F:
            self.schedule(cron, function, payload, tz=tz, missed=missed, max_missed=max_missed, name=name)
            return function

        return declare

    def schedule(
        self,
        cron: str,
        kind: str | Callable[..., Any],
        payload: object = None,
        *,
        name: str | None = None,
        **how: Any,
    ) -> None:
        """The same for a job that is declared elsewhere: `app.schedule("@daily", "report", {"of": "all"}, name="reports")`.

        how: what else `jobs.schedules.set` takes. The schedule is written down when the app starts. One that is declared no
        longer stays, until `jobs.schedules.remove(name)`.
        """
        self._jobs_declared().schedule(cron, kind, name, payload=payload, **{"tz": "UTC", **how})

    def _jobs_declared(self) -> "AppJobs":
        if self.memory is not None:
            raise InvalidSettings("jobs need the postgres driver: their status outlives the process")
        if self._jobs is None:
            from hanjul.app_jobs import AppJobs  # only here: who has no jobs need not carry them

            self._jobs = AppJobs()
        return self._jobs

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
        ordered: bool = False,
        topics: str | Sequence[str] = (),
        retry: Retry | None = None,
    ) -> Callable[[F], F]:
        """Declare a consumer: `@app.consumer("email_jobs", concurrency=20, prefetch=100)`. See ConsumerSpec.

        The function takes the body, as the type of its annotation, or a `Delivery`; async or not.
        """

        if callable(queue):
            raise InvalidSettings('@app.consumer needs a queue: @app.consumer("email_jobs")')

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
                ordered=ordered,
                topics=(topics,) if isinstance(topics, str) else tuple(topics),
                retry=retry or Retry(),
            )
            self.specs.append(spec)
            return function

        return declare

    @overload
    def queue(self, name: str) -> Queue[Any]: ...
    @overload
    def queue(self, name: str, *, into: type[T]) -> Queue[T]: ...
    def queue(self, name: str, *, into: Any = Any) -> Queue[Any]:
        """A queue whose messages are taken in a loop of one's own, with bodies of type `into`."""
        return Queue(self.source, name, into)

    async def source(self, queue: str, **how: Any) -> Source:
        """Where the app's driver gets the deliveries of a queue; raises InvalidSettings while the app does not run."""
        if self._source is None:
            raise InvalidSettings("queues can be consumed while the app runs: async with app: ...")
        if self.memory is not None:
            await self.memory.create(queue)
        return self._source(queue, **how)

    async def start(self) -> None:
        """Start every consumer; raises QueueNotFound, SchemaMismatch, Unavailable. `async with app` does it too."""
        if self._source is not None or (self._running is not None and not self._running.done()):
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

    async def work_off(self) -> "Sequence[JobRecord]":
        """Run the jobs that are due, and what those enqueue, one at a time; the jobs that ran, as they stand then.

        Of the queues that the app works on, without starting it: for tests, and for programs that a clock starts. Consumers
        and schedules rest. Raises InvalidSettings while the app runs, and if it declares no jobs.
        """
        if self._running is not None and not self._running.done():
            raise InvalidSettings("this app runs: its workers take the jobs")
        if self._jobs is None:
            raise InvalidSettings("this app declares no jobs; decorate a function with @app.job()")
        try:
            async with self._sources():
                has = self._has("jobs", "connect_jobs")
                return await self._jobs.work_off(has.driver, has.settings, self.jobs)
        finally:
            self._forget()

    @asynccontextmanager
    async def clients(self) -> AsyncIterator[Self]:
        """Its clients alone, for a process that sends and enqueues, as an API does, and leaves the work to others.

        `async with app.clients(): await app.jobs.enqueue(transcribe, recording)`. Raises InvalidSettings while the app runs.
        """
        if self._source is not None:
            raise InvalidSettings("this app runs: app.queues, app.jobs and app.http are there")
        try:
            async with self._sources() as self._source:
                yield self
        finally:
            self._forget()

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
            async with self._sources() as self._source, self._upkeep():
                await self._consume(self._source, started, stop)
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)
        finally:
            self._forget()

    def _forget(self) -> None:
        self._connected = self._source = None

    async def _consume(self, source: Callable[..., Any], started: "asyncio.Future[None]", stop: asyncio.Event) -> None:
        self.consumers = [
            Consumer(spec, source(spec.queue, archive=spec.archive, ordered=spec.ordered, topics=spec.topics))
            for spec in self.specs
        ]
        if self._jobs is not None and (has := self._connected) is not None:
            self.consumers += self._jobs.consumers(has.driver, has.settings)
        if self._http is not None:
            self.consumers += self._http.consumers
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
    async def _upkeep(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if (has := self._connected) is not None:
                if self._jobs is not None:
                    await stack.enter_async_context(self._jobs.upkeep(has.driver, has.settings, self.jobs))
                if self._http is not None:
                    await stack.enter_async_context(self._http.sending(has.driver, has.settings))
            yield

    @asynccontextmanager
    async def _sources(self) -> AsyncIterator[Callable[..., Any]]:
        if self.memory is not None:
            for spec in self.specs:
                await self.memory.create(spec.queue)
            yield self.memory.source
            return
        config = configured(self._database_url, self._config)
        async with connected(config, upkeep=bool(self._jobs or self._http)) as self._connected:
            yield self._connected.driver.source


def _memory_driver() -> "MemoryDriver":
    from hanjul.drivers.memory import MemoryDriver  # only here: a worker with a database need not carry it

    return MemoryDriver()
