"""What comes in and what goes out, as OpenAPI shows it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat

from hanjul.jobs.rows import Status, Unique

MAX_DEPTH = 100
"""How deeply a payload may be nested: what is stored must be shown, too."""
_INT4 = 2**31


def _shallow(value: Any) -> Any:
    level, depth = [value], 0
    while level := [part for whole in level for part in _parts(whole)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    return value


def _parts(value: Any) -> Any:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


Name = Annotated[str, Field(min_length=1, max_length=200)]
Json = Annotated[Any, AfterValidator(_shallow)]


class Shown(BaseModel):
    """What goes out; read from our records by their fields."""

    model_config = ConfigDict(from_attributes=True)

    def answer(self, status: int = 200, headers: dict[str, str] | None = None) -> Response:
        """Itself as a response."""
        headers = {"Cache-Control": "no-store", **(headers or {})}
        return Response(self.json_text(), status, headers, "application/json")

    def json_text(self) -> bytes:
        """Its JSON. Not by pydantic, which refuses what is nested deeper than 255 levels; PostgreSQL stores it."""
        return msgspec.json.encode(self, enc_hook=dict)


class UniqueBody(BaseModel):
    """What makes the job one of a kind, as hanjul.Unique says it."""

    model_config = ConfigDict(extra="forbid")

    key: Annotated[str, Field(max_length=500)] | None = None
    fields: list[Name] = Field(default=[], max_length=20)
    payload: bool = False
    queue: bool = False
    for_s: Annotated[FiniteFloat, Field(gt=0, le=315_360_000)] | None = None
    over: list[Status] = Field(default=["pending", "processing"], min_length=1, max_length=5)

    def unique(self) -> Unique:
        """The same for the client."""
        return Unique(**self.model_dump())


class EnqueueBody(BaseModel):
    """A job to enqueue. What is not given is as the kind was declared."""

    model_config = ConfigDict(extra="forbid")

    kind: Name
    payload: Json = None
    queue: Name | None = None
    run_at: AwareDatetime | None = None
    delay_s: Annotated[FiniteFloat, Field(ge=0, le=315_360_000)] | None = None
    priority: Annotated[int, Field(ge=-_INT4, lt=_INT4)] | None = None
    max_retries: Annotated[int, Field(ge=0, le=1000)] | None = None
    timeout_s: Annotated[FiniteFloat, Field(gt=0, le=315_360_000)] | None = None
    key: Annotated[str, Field(max_length=1000)] | None = None
    metadata: Json = None
    unique: UniqueBody | None = None

    def options(self) -> dict[str, Any]:
        """All but kind and payload, as Jobs.enqueue takes it."""
        own = {field: getattr(self, field) for field in type(self).model_fields if field not in {"kind", "payload", "delay_s"}}
        return own | {"delay": self.delay_s, "unique": self.unique.unique() if self.unique else None}


class Enqueued(Shown):
    """The answer of 202: the job, and where to ask how it stands."""

    id: UUID
    status: Status
    status_url: str


class JobLine(Shown):
    """A job in a list: without what was given to it and what came of it, which may be long."""

    id: UUID
    status: Status
    kind: str
    queue: str
    priority: int
    attempt: int
    retry_count: int
    max_retries: int
    created_at: datetime
    run_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    worker_id: str | None
    leased_until: datetime | None
    progress: float | None
    progress_note: str | None
    error_message: str | None
    reason: str | None
    cancel_requested_at: datetime | None
    key: str | None


class JobShown(JobLine):
    """A job, and all that is known of it."""

    timeout_s: float | None
    payload: Any
    metadata: Any
    result: Any


class JobPage(Shown):
    """Jobs, newest first. next: where the next page is; null: this was the last."""

    jobs: list[JobLine]
    next: str | None


class CauseShown(Shown):
    """One reason why a job stands as it does. cause: a word for programs.  explanation: a sentence for people."""

    cause: str
    explanation: str
    since: datetime | None
    until: datetime | None


class Explanation(Shown):
    """Why a job stands as it does, the decisive cause first."""

    causes: list[CauseShown]


class ProcessingShown(Shown):
    """A job that runs: by whom, since when, and what is left of the lease (below 0: it has ended)."""

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


class ProcessingPage(Shown):
    """What runs, newest first. next: where the next page is; null: this was the last."""

    jobs: list[ProcessingShown]
    next: str | None


class QueueShown(Shown):
    """A queue now: how many jobs have which status, and how long the one that waits longest has been due (null: none is)."""

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


class QueueList(Shown):
    """Every queue of jobs."""

    queues: list[QueueShown]
