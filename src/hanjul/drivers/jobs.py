"""Jobs of schema hanjul as one more source of the loop."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any

from hanjul.drivers import job_calls
from hanjul.drivers.commits import parts, settled_s
from hanjul.drivers.postgres import PostgresDriver, answer_s, storable
from hanjul.model.delivery import Delivery
from hanjul.model.driver import Capabilities, Refusal, Settlement, Support
from hanjul.model.errors import BadInput, LeaseLost
from hanjul.model.job import TOLD, Job
from hanjul.model.outcome import Ack, Nack, Outcome, Reject, Release
from hanjul.postgres.alone import AloneConnection

_log = logging.getLogger("hanjul.jobs")

CAPABILITIES = Capabilities(
    delay=Support.NATIVE,
    release=Support.NATIVE,
    dead_letter=Support.NATIVE,
    transaction=Support.NATIVE,
    durable=Support.NATIVE,
    ordered=Support.NONE,
    topics=Support.NONE,
)


class JobSource:
    """What one consumer gets of the jobs of one or more queues.

    weights: queue -> how often, in proportion, it is asked first; the others are asked after it, so none waits idle.
    """

    capabilities = CAPABILITIES

    def __init__(self, driver: PostgresDriver, weights: Mapping[str, int], *, worker_id: str) -> None:
        self.queue = ", ".join(weights)
        self._driver, self._database, self._weights, self._worker_id = driver, driver.database, dict(weights), worker_id
        self._lease_s = 30.0

    async def open(self) -> None:
        """Raises SchemaMismatch, Unavailable."""
        self._loop = asyncio.get_running_loop()
        await self.fetch(0, 30.0)  # leases nothing, and fails as the first real one would
        await self._driver.wakeups.open()

    async def fetch(self, limit: int, lease_s: float) -> list[Delivery[Any]]:
        """Lease up to `limit` due jobs, most urgent first. Their lease is counted from before the question was sent."""
        self._lease_s = lease_s
        lease_until = time.monotonic() + lease_s

        def row(
            job_id: str, queue: str, kind: str, attempt: int, retry_count: int, max_retries: int, timeout_s: float | None,
            created_at: datetime, key: str | None, payload: str, metadata: str | None,
        ) -> Job[Any]:  # fmt: skip
            return Job(
                queue, job_id, kind=kind, attempt=retry_count + 1, fence=attempt, max_retries=max_retries, timeout_s=timeout_s,
                created_at=created_at, key=key, raw=payload, metadata=metadata, lease_until=lease_until, tell=self._tell,
            )  # fmt: skip

        call = job_calls.fetch(self._worker_id, self._in_turn(), limit, lease_s, row)
        jobs = await self._database.rows(call, timeout_s=answer_s(lease_s))
        if 0 < len(jobs) == limit:
            for queue in {job.queue for job in jobs}:
                self._driver.wakeups.busy(_called(queue))
        return [*jobs]

    def _in_turn(self) -> list[str]:
        """The queues, each before the rest as often as its weight says."""
        if len(self._weights) == 1:
            return list(self._weights)
        return sorted(self._weights, key=lambda queue: random.random() ** (1 / self._weights[queue]), reverse=True)  # noqa: S311

    async def wait(self) -> None:
        """Return when it may be worth to fetch again from one of the queues."""
        waits = [self._driver.wakeups.wait(queue, ask=job_calls.ready, called=_called(queue)) for queue in self._weights]
        waiting = {asyncio.ensure_future(wait) for wait in waits}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.wait(waiting)

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Refusal]:
        """Settle by kind of outcome, each kind in one commit; those that came too late.

        A result that PostgreSQL cannot store makes its job a failed one.
        """
        by_kind: dict[type[Outcome], list[Settlement]] = {}
        for settlement in settlements:
            by_kind.setdefault(type(settlement[1]), []).append(settlement)
        refusals: list[Refusal] = []
        for kind, some in by_kind.items():
            for part in parts(some, _weight):
                refusals += await (self._complete(part) if kind is Ack else self._settle(kind, part))
        return refusals

    async def _settle(self, kind: type[Outcome], some: list[Settlement]) -> list[Refusal]:
        timeout_s = settled_s(sum(map(_weight, some)))
        refused = await self._database.rows(_settling(kind, some), timeout_s=timeout_s)
        if kind is Nack or kind is Release:  # what waits again by this very attempt was given back: the answer was lost
            return [refusal for refusal in refused if refusal.held_by != refusal.delivery.fence]
        return refused

    async def _complete(self, some: list[Settlement]) -> list[Refusal]:
        """All in one commit; if a result cannot be stored, by halves, until its job is alone, and has failed."""
        try:
            return await self._settle(Ack, some)
        except BadInput as error:
            job, outcome = some[0]
            if len(some) == 1 and not (isinstance(outcome, Ack) and outcome.result is not None):
                raise
            why = f"{type(error).__name__}: the result cannot be stored: {error}"
        if len(some) > 1:
            middle = len(some) // 2
            return [*await self._complete(some[:middle]), *await self._complete(some[middle:])]
        _log.warning("job %s of queue %r, attempt %d failed: %s", job.id, job.queue, job.attempt, why, extra=job.log_fields)
        return await self._settle(Nack, [(job, Nack(why))])

    def renewer(self) -> "JobRenewer":
        """A renewer with a connection of its own."""
        return JobRenewer(self._database.url)

    def transaction(self, delivery: Delivery[Any]) -> AbstractAsyncContextManager[Any]:
        """A connection in a transaction that completes the job at its end; raises LeaseLost, and rolls back, if that is late."""
        return self._transaction(delivery)

    @asynccontextmanager
    async def _transaction(self, job: Any) -> AsyncIterator[Any]:
        async with self._driver.handlers.transaction() as conn:
            yield conn
            for refusal in await self._driver.handlers.rows(job_calls.complete([job], [None]), tx=conn):
                raise LeaseLost(job.queue, job.id, job.fence, refusal.held_by)

    async def close(self) -> None:
        """Nothing is held between calls."""

    def _tell(self, job: Job[Any], progress: float, note: str | None) -> Awaitable[None]:
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # a thread of a plain function
            asyncio.run_coroutine_threadsafe(self._record(job, progress, note), self._loop).result()
            return TOLD
        return self._record(job, progress, note)

    async def _record(self, job: Job[Any], progress: float, note: str | None) -> None:
        await self._database.rows(job_calls.heartbeat(job, self._lease_s, progress, note and storable(note)))


class DueJobs(JobSource):
    """The jobs that are due, to their end: for those who work them off, and then stop.

    handed_out: the ids, in their order.  dry: set when there was none left.
    """

    def __init__(self, driver: PostgresDriver, weights: Mapping[str, int], *, worker_id: str) -> None:
        super().__init__(driver, weights, worker_id=worker_id)
        self.handed_out: list[str] = []
        self.dry = asyncio.Event()

    async def fetch(self, limit: int, lease_s: float) -> list[Delivery[Any]]:
        """As of every source; noted."""
        jobs = await super().fetch(limit, lease_s)
        self.handed_out += [job.id for job in jobs]
        return jobs

    async def wait(self) -> None:
        """There was none: tell, and wait to be stopped."""
        self.dry.set()
        await asyncio.Event().wait()

    async def any_due(self) -> bool:
        """Whether there is one now, or a lease that has ended."""
        ready = await self._database.rows(job_calls.ready(list(self._weights)))
        return any(due_in_s <= 0 for _queue, due_in_s in ready)


class JobRenewer:
    """Renews leases of jobs over a connection of its own, so that nothing else can hold it up."""

    def __init__(self, url: str) -> None:
        self._connection = AloneConnection(url)

    def extend(self, deliveries: Sequence[Delivery[Any]], lease_s: float) -> Sequence[Refusal]:
        """End their leases lease_s from now; those that are lost, and those that somebody wants to be cancelled."""
        jobs: Any = deliveries  # a source of jobs is asked for jobs
        return self._connection.rows(job_calls.heartbeats(jobs, lease_s), answer_s(lease_s))

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


def _weight(settlement: Settlement) -> int:
    """How much its result takes, about."""
    return len(getattr(settlement[1], "result", None) or "")


def _settling(kind: type[Outcome], some: list[Settlement]) -> Any:
    jobs: Any = [job for job, _ in some]
    outcomes: list[Any] = [outcome for _, outcome in some]
    none = [None] * len(jobs)
    if kind is Nack:
        return job_calls.fail(jobs, [storable(o.reason) for o in outcomes], [o.delay_s for o in outcomes], none)
    if kind is Reject:
        return job_calls.fail(jobs, [storable(o.reason) for o in outcomes], none, [o.kind for o in outcomes])
    if kind is Release:
        reasons = [storable(outcome.reason) or None for outcome in outcomes]
        return job_calls.release(jobs, [outcome.delay_s for outcome in outcomes], reasons)
    return job_calls.complete(jobs, [outcome.result for outcome in outcomes])


def _called(queue: str) -> str:
    """The name by which those who enqueue wake its workers: no queue of messages can have it."""
    return f"job {queue.encode().hex()}"
