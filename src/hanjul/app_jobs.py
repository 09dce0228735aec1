"""The jobs that an app declares, and the consumers that work on them. Only apps that have jobs carry it."""

import asyncio
import inspect
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from hanjul.config import Settings
from hanjul.drivers.jobs import DueJobs, JobSource
from hanjul.drivers.maintenance import Maintenance
from hanjul.drivers.postgres import PostgresDriver
from hanjul.drivers.presence import Presence, Worker
from hanjul.jobs import checks
from hanjul.jobs.client import Jobs
from hanjul.jobs.declared import Declared, declared_as
from hanjul.jobs.rows import JobRecord, Unique
from hanjul.jobs.schedule import Cron, Missed
from hanjul.jobs.schedules import Schedules
from hanjul.model.backoff import Retry
from hanjul.model.errors import BadInput, InvalidSettings
from hanjul.runtime.consumer import Consumer
from hanjul.runtime.handlers import Handler
from hanjul.runtime.kinds import JobsSpec, Kind, Kinds


@dataclass(frozen=True, slots=True)
class Crew:
    """Workers that share some queues: so many handlers at once, whichever queue the jobs come from.

    weights: queue -> how often, in proportion, it is asked before the others.
    """

    weights: Mapping[str, int]
    concurrency: int
    prefetch: int
    lease_s: float
    stop_timeout_s: float


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A schedule as an app declares it; `how`: the rest of what Schedules.set takes. No name: that of its kind."""

    name: str | None
    cron: str
    kind: str | Callable[..., Any]
    how: Mapping[str, Any]


class AppJobs:
    """What an app has declared of jobs."""

    def __init__(self) -> None:
        self.kinds = Kinds()
        self.declared: list[Declared] = []
        self.crews: list[Crew] = []
        self._chance = uuid4().hex[:6]
        self.scheduled: list[Scheduled] = []

    def declare(
        self,
        function: Callable[..., Any],
        kind: str | None,
        *,
        queue: str,
        priority: int,
        max_retries: int | None,
        timeout_s: float | None,
        executor: str,
        retry: Retry | None,
        unique: Unique | None,
    ) -> None:
        """One kind of job; raises InvalidSettings if there is one of this name, or the function cannot be called so.

        What no job can be is refused here, too: met in the loop, it would be in the way of all jobs.
        """
        name = getattr(function, "__name__", "") if kind is None else kind
        if not name or not isinstance(name, str):
            raise InvalidSettings(f"a job needs a kind, as in @app.job('transcribe'), not {kind!r}")
        handler = _handler(function, executor)
        try:
            declared = Declared(name, function, handler.into, queue, priority, max_retries, timeout_s, unique)
        except BadInput as error:
            raise InvalidSettings(f"job {name[: checks.MAX_NAME]!r}: {error}") from None
        self.kinds.add(Kind(name, queue, handler, timeout_s, Retry() if retry is None else retry))
        self.declared.append(declared)

    def crew(self, queues: Mapping[str, int] | Sequence[str] | str, **how: Any) -> None:
        """Workers for some queues; raises InvalidSettings for what cannot be, and queues that have workers already."""
        if not isinstance(queues, Iterable):
            raise InvalidSettings(f"job workers need the names of their queues, not {queues!r}")
        names = [queues] if isinstance(queues, str) else queues
        weights = dict(names) if isinstance(names, Mapping) else dict.fromkeys(names, 1)
        if not weights or not all(isinstance(weight, int) and weight > 0 for weight in weights.values()):
            raise InvalidSettings(f"job queues need weights that are whole numbers above 0, not {queues!r}")
        if taken := weights.keys() & {queue for crew in self.crews for queue in crew.weights}:
            raise InvalidSettings(f"queue {min(taken)!r} has job workers already")
        try:
            for queue in weights:
                checks.name("queue", queue)
        except BadInput as error:
            raise InvalidSettings(f"job workers: {error}") from None
        crew = Crew(weights, **how)
        self._spec(crew)  # refuses here what cannot be, not when the app starts
        self.crews.append(crew)

    def schedule(self, cron: str, kind: str | Callable[..., Any], name: str | None, **how: Any) -> None:
        """Jobs by the clock; raises InvalidSettings for what Schedules.set would refuse of its clock, or does not take."""
        try:
            inspect.signature(Schedules.set).bind(None, name, cron, kind, **how)
            Cron(cron, how["tz"])
            checks.one_of("missed", how.get("missed", "once"), Missed)
            checks.whole("max_missed", how.get("max_missed", 1), 1, 10_000)
        except (BadInput, TypeError) as error:
            raise InvalidSettings(f"schedule of {name or kind!r}: {error}") from None
        self.scheduled.append(Scheduled(name, cron, kind, how))

    @asynccontextmanager
    async def upkeep(self, driver: PostgresDriver, config: Settings, jobs: Jobs) -> AsyncIterator[None]:
        """Schedules as they are declared, and our part in looking after what belongs to no queue. Raises InvalidSettings."""
        for name, scheduled in self._schedules().items():
            try:
                await jobs.schedules.set(name, scheduled.cron, scheduled.kind, **scheduled.how)
            except BadInput as error:
                raise InvalidSettings(f"schedule {name!r}: {error}") from error
        maintenance = Maintenance(
            driver.database,
            f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:6]}",
            listening=lambda: driver.wakeups.listening,
            lease_s=min([crew.lease_s for crew in self.crews], default=config.job_lease_s),
            history_days=config.history_days,
        )
        maintenance.open()
        presence = self._presence(driver, config)
        try:
            yield
        finally:
            await asyncio.gather(maintenance.close(), *[one.close() for one in presence])

    def _schedules(self) -> dict[str, Scheduled]:
        """By name. Only when the app starts, because a job may be declared after its schedule."""
        found: dict[str, Scheduled] = {}
        known = {kind.name: kind for kind in self.declared}
        for scheduled in self.scheduled:
            name = scheduled.name or declared_as(known, scheduled.kind).name
            if name in found:
                raise InvalidSettings(
                    f"there are two schedules {name!r}: give each a name of its own, as in @app.cron(..., name='...')"
                )
            found[name] = scheduled
        return found

    def _presence(self, driver: PostgresDriver, config: Settings) -> list[Presence]:
        """Ours, opened; none if we work on no queue."""
        crews = self._manned(config)
        if not crews:
            return []
        queues = list(dict.fromkeys(queue for crew in crews for queue in crew.weights))
        kinds = [kind.name for kind in self.declared]
        worker = Worker(self._worker_id(config), queues, kinds, sum(crew.concurrency for crew in crews))
        presence = Presence(driver.database, worker, listening=lambda: driver.wakeups.listening)
        presence.open()
        return [presence]

    def consumers(self, driver: PostgresDriver, config: Settings) -> list[Consumer]:
        """One for each crew; and one for the queues of declared kinds that have no crew."""
        worker_id = self._worker_id(config)
        return [self._consumer(driver, crew, config, worker_id) for crew in self._manned(config)]

    async def work_off(self, driver: PostgresDriver, config: Settings, jobs: Jobs) -> list[JobRecord]:
        """Run what is due, one job at a time, until nothing is; the jobs that ran, as they stand then."""
        queues = dict.fromkeys([queue for crew in self._manned(config) for queue in crew.weights], 1)
        alone = Crew(queues, 1, 1, config.job_lease_s, stop_timeout_s=86_400)
        ran: dict[str, None] = {}
        while True:
            source = DueJobs(driver, queues, worker_id=self._worker_id(config))
            if not await source.any_due():
                return [await jobs.get(job_id) for job_id in ran]
            consumer = Consumer(self._limited(alone, config), source)
            await consumer.start()
            try:
                await source.dry.wait()
            finally:
                await consumer.stop()
            ran |= dict.fromkeys(source.handed_out)

    def _manned(self, config: Settings) -> list[Crew]:
        """The crews, and one that the settings ask for, for the queues of declared kinds that have none."""
        manned = {queue for crew in self.crews for queue in crew.weights}
        rest = [queue for queue in self.kinds.queues() if queue not in manned]
        concurrency = config.job_concurrency
        crews = [*self.crews, Crew(dict.fromkeys(rest, 1), concurrency, concurrency, config.job_lease_s, config.stop_timeout_s)]
        return [crew for crew in crews if crew.weights]

    def _worker_id(self, config: Settings) -> str:
        """Who we say that we are; of a process that was forked another than of its parent."""
        return config.worker_id or f"{socket.gethostname()}:{os.getpid()}:{self._chance}"

    def _consumer(self, driver: PostgresDriver, crew: Crew, config: Settings, worker_id: str) -> Consumer:
        return Consumer(self._limited(crew, config), JobSource(driver, crew.weights, worker_id=worker_id))

    def _limited(self, crew: Crew, config: Settings) -> JobsSpec:
        return replace(self._spec(crew), handler=self.kinds.limited(config.max_message_bytes))

    def _spec(self, crew: Crew) -> JobsSpec:
        return JobsSpec(
            queue="jobs",
            handler=self.kinds,
            concurrency=crew.concurrency,
            prefetch=crew.prefetch,
            lease_s=crew.lease_s,
            stop_timeout_s=crew.stop_timeout_s,
        )


def _handler(function: Callable[..., Any], executor: str) -> Handler:
    if executor == "process":
        from hanjul.runtime.processes import ProcessHandler  # only here: most have none

        return ProcessHandler(function)
    if executor != "here":
        raise InvalidSettings(f"executor must be 'here' (the event loop, or a thread) or 'process', not {executor!r}")
    return Handler(function)
