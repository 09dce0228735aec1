"""Generated from client.py; do not edit. The job client: enqueue, look, wait, cancel, try again."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

from hanjul.jobs import calls, checks
from hanjul.jobs.declared import Declared, declared_as
from hanjul.jobs.request import Limits, Options, request_hash, written
from hanjul.jobs.rows import Cause, JobCount, JobRecord, Once, ProcessingJob, QueueStatus, Status, Unique, WorkerRecord
from hanjul.jobs.schedules_sync import SchedulesSync
from hanjul.model.database import DatabaseSync
from hanjul.model.errors import BadInput, JobFailed, JobNotFound
from hanjul.model.payload import converted
from hanjul.outbox import OutboxSync
from hanjul.pacing import pace_sync

ONE_LINE = "jobs"
"""JobsSync of all queues share a statement."""
CHUNK = 2000
"""JobsSync that enqueue_many writes with one statement; a transaction may hold many."""

T = TypeVar("T")


class HandleSync:
    """One job, as its enqueuer holds it."""

    def __init__(self, jobs: "JobsSync", job_id: UUID) -> None:
        self.id, self._jobs = job_id, jobs

    def get(self) -> JobRecord:
        """How it stands; raises JobNotFound."""
        return self._jobs.get(self.id)

    def result(self, *, timeout_s: float | None = None, into: Any = Any) -> Any:
        """What its handler returned, as soon as it is completed, as a value of type `into`.

        Raises JobFailed if it failed or was cancelled, TimeoutError after timeout_s, JobNotFound.
        """
        return self._jobs.result(self.id, timeout_s=timeout_s, into=into)

    def cancel(self) -> Status:
        """As JobsSync.cancel."""
        return self._jobs.cancel(self.id)

    def explain(self) -> Sequence[Cause]:
        """As JobsSync.explain."""
        return self._jobs.explain(self.id)

    def __repr__(self) -> str:
        return f"HandleSync({str(self.id)!r})"


class JobsSync:
    """Durable jobs on PostgreSQL. Every call returns when its own commit is durable.

    `tx=` takes an open connection of psycopg, asyncpg, SQLAlchemy or Django: the job is then there when the transaction
    there commits, and not before.  declared: the kinds that are known here, whose options are the defaults, and whose
    payloads are checked.  max_retries: of jobs whose kind does not say.
    Raises BadInput (nothing was changed), Unavailable (trying again may help).
    """

    def __init__(
        self,
        database: DatabaseSync,
        declared: Iterable[Declared] = (),
        *,
        max_retries: int = 3,
        max_payload_bytes: int = 16 << 20,
    ) -> None:
        self._database = database
        self._limits = Limits(max_retries, max_payload_bytes)
        self._outbox = OutboxSync(database, lambda _line, jobs: calls.enqueue_jobs(jobs))
        self._declared = {kind.name: kind for kind in declared}
        self.schedules = SchedulesSync(database, self._declared, self._limits)

    def open(self) -> None:
        """Connect to the database; `async with` does it too."""
        self._database.open()

    def close(self) -> None:
        """Finish what is being enqueued, and disconnect."""
        self.drain()
        self._database.close()

    def drain(self) -> None:
        """Wait until all that is being enqueued is committed or refused."""
        self._outbox.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def enqueue(
        self,
        kind: str | Callable[..., Any],
        payload: object = None,
        *,
        queue: str | None = None,
        run_at: datetime | None = None,
        delay: float | timedelta | None = None,
        priority: int | None = None,
        max_retries: int | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
        metadata: object = None,
        unique: Unique | None = None,
        once: Once | None = None,
        tx: object = None,
    ) -> HandleSync:
        """Enqueue one job: its kind, or the function that was declared with `@app.job`, and its payload.

        Those that are enqueued at the same time share a commit.

        queue: a line of its own (`default`).  run_at, delay: not before; one of them.  priority: smaller goes first (0).
        max_retries: how many failures are tried again (3).  timeout_s: how long an attempt may run.
        key: a reference of your own, to find it by.  metadata: JSON that travels along.
        unique: what no two jobs may have in common; then the handle may be that of the job that is there already.
        once: if this request has arrived before, the handle is that of its job. BadInput if its key had another request.
        What is not given is as the kind was declared. Raises BadInput, JobConflict (unique, on_conflict="raise").
        """
        options = Options(queue, run_at, delay, priority, max_retries, timeout_s, key, metadata, unique)
        if once is not None:
            checks.instance("once", once, Once)
        declared = declared_as(self._declared, kind)
        job = written(declared, payload, options, self._limits)
        if tx is None and not (once or unique or declared.unique):  # a conflict would be everybody's
            return HandleSync(self, self._outbox.send(ONE_LINE, job))
        call = calls.enqueue_jobs(f"[{job.decode()}]")
        if once is not None:
            call = calls.enqueue_job_once(once.key, request_hash(once, declared, payload, options), job.decode())
        [job_id] = self._database.rows(call, tx=tx)
        return HandleSync(self, job_id)

    def enqueue_many(
        self,
        kind: str | Callable[..., Any],
        payloads: Iterable[object],
        *,
        queue: str | None = None,
        run_at: datetime | None = None,
        delay: float | timedelta | None = None,
        priority: int | None = None,
        max_retries: int | None = None,
        timeout_s: float | None = None,
        metadata: object = None,
        unique: Unique | None = None,
        tx: object = None,
    ) -> Sequence[UUID]:
        """Enqueue a job for each payload, all or none; their ids, in their order.

        The options are those of `enqueue`, and for all the same; so there is no `key` and no `once`, which are one job's own.
        """
        if isinstance(payloads, str | bytes | dict) or not isinstance(payloads, Iterable):
            raise BadInput(f"payloads must be a list, not {payloads!r}")
        options = Options(queue, run_at, delay, priority, max_retries, timeout_s, None, metadata, unique)
        declared = declared_as(self._declared, kind)
        jobs = (written(declared, payload, options, self._limits) for payload in payloads)
        ids: list[UUID] = []
        with self._within(tx) as connection:
            while chunk := list(islice(jobs, CHUNK)):
                text = b"[" + b",".join(chunk) + b"]"
                ids += self._database.rows(calls.enqueue_jobs(text.decode()), tx=connection)
        return ids

    def get(self, job_id: UUID | str) -> JobRecord:
        """The job as it stands, waiting, running or ended; raises JobNotFound."""
        for record in self._database.rows(calls.find_job(_uuid(job_id))):
            return record
        raise JobNotFound(job_id)

    def list(
        self,
        status: Status,
        *,
        queue: str | None = None,
        kind: str | None = None,
        key: str | None = None,
        limit: int = 100,
        before: UUID | str | None = None,
    ) -> Sequence[JobRecord]:
        """JobsSync of a status, newest first; the next page comes from `before` the last job's id."""
        checks.one_of("status", status, Status)
        for what, text in (("queue", queue), ("kind", kind), ("key", key)):
            if text is not None:
                checks.text(what, text)
        since = None if before is None else _uuid(before)
        return self._database.rows(calls.list_jobs(status, queue, kind, key, limit, since))

    def counts(self) -> Sequence[JobCount]:
        """How many jobs there are now, by queue, kind and status. They are kept, not counted."""
        return self._database.rows(calls.job_counts())

    def queue_status(self) -> Sequence[QueueStatus]:
        """Every queue of jobs: how many have which status, how long the oldest has been waiting, whether it is paused."""
        return self._database.rows(calls.queue_status())

    def processing(
        self, *, queue: str | None = None, limit: int = 100, before: UUID | str | None = None
    ) -> Sequence[ProcessingJob]:
        """What runs now, by whom, since when, and what is left of the lease; newest first, pages as in `list`."""
        since = None if before is None else _uuid(before)
        return self._database.rows(calls.processing_jobs(queue, limit, since))

    def explain(self, job_id: UUID | str) -> Sequence[Cause]:
        """Why it does not run, or how it does, or how it ended: every cause, the decisive one first. Raises JobNotFound."""
        return self._database.rows(calls.explain_job(_uuid(job_id)))

    def workers(self) -> Sequence[WorkerRecord]:
        """The processes that work on jobs, newest first."""
        return self._database.rows(calls.workers())

    def result(self, job_id: UUID | str, *, timeout_s: float | None = None, into: Any = Any) -> Any:
        """As HandleSync.result."""
        if timeout_s is not None:
            checks.seconds("timeout_s", timeout_s)
        for _ in pace_sync(timeout_s):
            record = self.get(job_id)
            if record.status == "completed":
                return converted(record.result, into)
            if record.ended:
                raise JobFailed(record.id, record.kind, record.status, record.error_message)
        raise TimeoutError(f"job {job_id} had not ended after {timeout_s:g} s")

    def cancel(self, job_id: UUID | str, *, tx: object = None) -> Status:
        """Cancel it: what it is now: cancelled, or, while it runs, processing: then its worker is asked to end it.

        Raises JobNotFound, InvalidStatus if it has ended.
        """
        [status] = self._database.rows(calls.cancel_job(_uuid(job_id)), tx=tx)
        return status  # type: ignore[return-value]  # the function returns nothing else

    def retry(self, job_id: UUID | str, *, tx: object = None) -> None:
        """A failed or cancelled job is pending again, with all its retries. Raises JobNotFound, InvalidStatus for others."""
        self._database.rows(calls.retry_job(_uuid(job_id)), tx=tx)

    def pause(self, queue: str, *, reason: str | None = None) -> None:
        """Hand out no jobs of the queue until `resume`; those that run go on."""
        checks.name("queue", queue)
        if reason is not None:
            checks.text("reason", reason)
        self._database.rows(calls.pause_queue(queue, reason))

    def resume(self, queue: str) -> None:
        """Hand out its jobs again."""
        checks.name("queue", queue)
        self._database.rows(calls.resume_queue(queue))

    def rescue(self) -> int:
        """Take care of the jobs whose lease has ended, now; how many there were. Workers and their leader do it anyway."""
        [rescued] = self._database.rows(calls.rescue_stale_jobs())
        return rescued

    def prune(self, older_than: timedelta) -> int:
        """Forget jobs that ended before then, day by day; how many days were dropped. Raises BadInput."""
        if not isinstance(older_than, timedelta):
            raise BadInput(f"older_than must be a timedelta, not {older_than!r}")
        age, days = f"{older_than.total_seconds():f} seconds", 0
        while sum(self._database.rows(calls.prune(age))):  # a day a call, so that jobs end between two
            days += 1
        while sum(self._database.rows(calls.prune_unique_keys(age))) >= calls.PRUNED_AT_ONCE:
            pass
        return days

    @contextmanager
    def _within(self, tx: object) -> Iterator[object]:
        if tx is not None:
            yield tx
        else:
            with self._database.transaction() as connection:
                yield connection


def _uuid(job_id: UUID | str) -> UUID:
    try:
        return job_id if isinstance(job_id, UUID) else UUID(job_id)
    except (ValueError, AttributeError, TypeError):
        raise BadInput(f"a job's id is a UUID, not {job_id!r}") from None
