"""Waiting for one job: until it has ended, or to tell every change as server-sent events."""

from collections.abc import AsyncIterator
from contextlib import suppress
from time import monotonic
from uuid import UUID

from fastapi import Request

from hanjul.api.schemas import JobShown
from hanjul.api.service import Service
from hanjul.jobs.rows import JobRecord
from hanjul.model.errors import JobNotFound, Unavailable
from hanjul.pacing import pace

LAST_EVENT = "ended"
"""The id of a stream's last event: a browser that comes back with it need not come again."""


async def until_ended(service: Service, record: JobRecord, wait_s: float, request: Request) -> JobRecord:
    """The job when it has ended, or as it stands after wait_s, or when nobody waits for the answer any more."""
    with service.place():
        async for _ in pace(wait_s):
            record = await service.jobs.get(record.id)
            if record.ended or service.closing or await request.is_disconnected():
                break
    return record


async def stream(service: Service, job_id: UUID) -> AsyncIterator[str]:
    """The job as it stands and then at every change of its status or progress, until it has ended; heartbeats meanwhile."""
    shown: JobRecord | None = None
    with service.place(), suppress(JobNotFound):  # pruned meanwhile
        yield "retry: 2000\n\n"
        said_at = monotonic()
        async for _ in pace(None):
            if service.closing or (shown is not None and shown.ended):
                return
            record = shown
            with suppress(Unavailable):  # the client would come back at once: rather wait here
                record = await service.jobs.get(job_id)
            if record is not None and (shown is None or _look(record) != _look(shown)):
                yield _event(record, shown)
                shown, said_at = record, monotonic()
            elif monotonic() - said_at >= service.heartbeat_s:
                yield ": still there\n\n"
                said_at = monotonic()


def _event(record: JobRecord, before: JobRecord | None) -> str:
    name = "status" if before is None or _standing(record) != _standing(before) else "progress"
    event_id = LAST_EVENT if record.ended else f"{record.attempt}.{record.status}"
    return f"id: {event_id}\nevent: {name}\ndata: {JobShown.model_validate(record).json_text().decode()}\n\n"


def _standing(record: JobRecord) -> tuple[object, ...]:
    return (record.status, record.attempt, record.retry_count, record.run_at, record.cancel_requested_at)


def _look(record: JobRecord) -> tuple[object, ...]:
    return (*_standing(record), record.progress, record.progress_note)
