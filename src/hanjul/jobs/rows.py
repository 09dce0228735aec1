"""What is said of jobs: their records, their counts, their uniqueness."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from hanjul.jobs import checks
from hanjul.model.errors import BadInput

Status = Literal["pending", "processing", "completed", "failed", "cancelled"]
OnConflict = Literal["keep", "replace", "raise"]
ENDED = frozenset({"completed", "failed", "cancelled"})
"""The statuses of jobs in history."""


class JobRecord(msgspec.Struct, frozen=True):
    """A job as hanjul.job_queue shows it. `completed_at` is when it ended, however it did."""

    id: UUID
    status: Status
    payload: Any
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    worker_id: str | None
    retry_count: int
    max_retries: int
    error_message: str | None
    queue: str
    kind: str
    priority: int
    run_at: datetime
    attempt: int
    leased_until: datetime | None
    timeout_s: float | None
    progress: float | None
    progress_note: str | None
    result: Any
    cancel_requested_at: datetime | None
    key: str | None
    metadata: Any
    reason: Literal["max_attempts", "rejected", "decode_error"] | None

    @property
    def ended(self) -> bool:
        """Whether it is completed, failed or cancelled."""
        return self.status in ENDED


class JobCount(msgspec.Struct, frozen=True):
    """How many jobs of a queue and kind have a status now."""

    queue: str
    kind: str
    status: Status
    n: int


class QueueStatus(msgspec.Struct, frozen=True):
    """A queue of jobs now: how many have which status, and who paused it, when and why (None: nobody).

    oldest_waiting_s: how long the job that waits longest has been due; None: none is due.
    """

    queue: str
    pending: int
    processing: int
    completed: int
    failed: int
    cancelled: int
    oldest_waiting_s: float | None
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None


class ProcessingJob(msgspec.Struct, frozen=True):
    """A job that runs: by whom, since when, and how long its lease still holds (below 0: it has ended)."""

    id: UUID
    queue: str
    kind: str
    worker_id: str
    attempt: int
    started_at: datetime
    lease_left_s: float
    progress: float | None
    progress_note: str | None
    key: str | None
    cancel_requested_at: datetime | None


class Cause(msgspec.Struct, frozen=True):
    """One reason why a job stands as it does, as `jobs.explain` tells them, the decisive one first.

    cause: a word for programs: ended; running, cancelling, worker_gone, lease_ended; paused, not_due, given_back, retrying,
    no_worker, unknown_kind, busy, behind, next; unique.  explanation: a sentence for people.
    since, until: where that is known.
    """

    cause: str
    explanation: str
    since: datetime | None
    until: datetime | None


class WorkerRecord(msgspec.Struct, frozen=True):
    """A process that works on jobs.  kinds: what it can run; None: anything.  live: it was seen within the last minute."""

    id: str
    host: str
    pid: int
    queues: Sequence[str]
    kinds: Sequence[str] | None
    concurrency: int
    version: str | None
    started_at: datetime
    seen_at: datetime
    live: bool


class Once(msgspec.Struct, frozen=True):
    """A request that may arrive twice, and is to make one job: `Once("order-7")`; the second finds the job of the first.

    key: its own, of 1 to 255 characters; it holds while the job is kept, waiting, running or in history.
    request: what was asked; None: the kind, the payload and the options. To come with another under the same key is refused.
    """

    key: str
    request: str | None = None

    def __post_init__(self) -> None:
        checks.text("key of Once", self.key)
        if self.request is not None:
            checks.text("request of Once", self.request)


class Unique(msgspec.Struct, frozen=True):
    """What makes a job one of a kind: no other of the same kind that is alike in all that is named here.

    key: a text of one's own.  fields: fields of the payload.  payload: the whole payload.  queue: in the same queue.
    for_s: only among jobs younger than this.  over: among jobs of these statuses.
    on_conflict: keep the job that is there; replace its payload and options while it is pending; or raise JobConflict.
    Raises BadInput for values that cannot be.

    >>> Unique(fields=("session_id",)).of("transcribe", "default", {"session_id": 7})
    '["transcribe",null,null,null,7]'
    """

    key: str | None = None
    fields: Sequence[str] = ()
    payload: bool = False
    queue: bool = False
    for_s: float | None = None
    over: Sequence[Status] = ("pending", "processing")
    on_conflict: OnConflict = "keep"

    def __post_init__(self) -> None:
        if self.key is not None:
            checks.text("key of Unique", self.key)
        if self.for_s is not None:
            checks.duration("for_s of Unique", self.for_s)
        if isinstance(self.fields, str) or not isinstance(self.fields, Sequence):
            raise BadInput(f"fields of Unique must be names, as in ('session_id',), not {self.fields!r}")
        if isinstance(self.over, str) or not isinstance(self.over, Sequence) or not self.over:
            raise BadInput(f"over of Unique must be statuses, as in ('pending', 'processing'), not {self.over!r}")
        for status in self.over:
            checks.one_of("over of Unique", status, Status)
        checks.one_of("on_conflict", self.on_conflict, OnConflict)

    def of(self, kind: str, queue: str, payload: Any) -> str:
        """The unique key of such a job; payload: as plain JSON data. Raises BadInput for fields that it does not have."""
        parts: list[Any] = [kind, self.key, queue if self.queue else None, payload if self.payload else None]
        for field in self.fields:
            if not isinstance(payload, dict) or field not in payload:
                raise BadInput(f"a job that is unique by {field!r} needs a payload with that field, not {payload!r}")
            parts.append(payload[field])
        return msgspec.json.encode(parts, order="deterministic").decode()
