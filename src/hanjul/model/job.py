"""A job leased to one worker: a delivery that has a kind, retries of its own, progress, and a result."""

from collections.abc import Awaitable, Callable, Generator
from datetime import datetime
from typing import Any, Generic, TypeVar

from hanjul.model.delivery import Delivery
from hanjul.model.errors import BadInput
from hanjul.model.payload import decoded

T = TypeVar("T")

Tell = Callable[["Job[Any]", float, str | None], Awaitable[None]]
"""Records the progress of a job, from any thread; raises LeaseLost."""


class Job(Delivery[T], Generic[T]):
    """One attempt at one job. `body`, or `payload`, is what it was enqueued with, of the type that the handler asks for.

    id: the job's id, a UUID as text.  attempt: 1 for the first; what was given back does not count.
    key: the caller's own reference.  max_retries: how many failures are tried again.
    timeout_s: how long the attempt may run; None: as its kind says.
    """

    __slots__ = ("__weakref__", "_tell", "key", "kind", "max_retries", "timeout_s")

    def __init__(
        self,
        queue: str,
        id: str,  # noqa: A002  (the field's word)
        *,
        kind: str,
        attempt: int,
        fence: int,
        max_retries: int,
        timeout_s: float | None,
        created_at: datetime,
        key: str | None,
        raw: str | None,
        metadata: str | None,
        lease_until: float,
        tell: Tell,
    ) -> None:
        super().__init__(
            queue, id, attempt=attempt, fence=fence, enqueued_at=created_at, raw=raw, headers=metadata, lease_until=lease_until
        )
        self.kind, self.key, self.max_retries, self.timeout_s = kind, key, max_retries, timeout_s
        self._tell = tell

    @property
    def payload(self) -> T:
        """The body, under the name that it has in the table; raises InvalidMessage if it does not fit."""
        return self.body

    @property
    def metadata(self) -> Any:
        """What was noted when the job was enqueued, or None."""
        return decoded(self._headers, Any)

    @property
    def log_fields(self) -> dict[str, Any]:
        """What a log record about it should carry: `log.info("sent", extra=job.log_fields)`."""
        return {"queue": self.queue, "job_id": self.id, "kind": self.kind, "attempt": self.attempt}

    @property
    def metadata_text(self) -> str | None:
        """The metadata as it is stored, JSON text."""
        return self._headers

    def progress(self, fraction: float, note: str | None = None) -> Awaitable[None]:
        """Tell whoever looks how far it is, from 0 to 1: `await job.progress(0.4, "page 3 of 8")`.

        From a plain function, which runs in a thread, it blocks and needs no await. Raises BadInput, LeaseLost.
        """
        if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 <= fraction <= 1:
            raise BadInput(f"progress must be a number from 0 to 1, not {fraction!r}")
        return self._tell(self, fraction, note)


class _Told:
    """What may be awaited, or left alone."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


TOLD: Awaitable[None] = _Told()
"""The answer of a `Tell` that has done its work already."""
