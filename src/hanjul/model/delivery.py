"""A message leased to one consumer: what a handler is given, and what the consumer loop keeps books on."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Generic, TypeVar

from hanjul.model.errors import AlreadySettled
from hanjul.model.outcome import Ack, Nack, Outcome, Reject, Release
from hanjul.model.payload import decoded, headers_of

T = TypeVar("T")


class Delivery(Generic[T]):
    """One delivery of one message.

    id: the message's id in its queue; of a job, its UUID as text.
    attempt: 1 for the first delivery; given back ones do not count.
    fence: the number that settles this delivery and no other.  raw: the body as JSON text.
    lease_until: on the monotonic clock of this process, until when nobody else gets the message.
    """

    __slots__ = (
        "_headers", "_into", "_settle", "_settled", "_transaction",
        "attempt", "enqueued_at", "fence", "id", "lease_until", "queue", "raw",
    )  # fmt: skip

    def __init__(
        self,
        queue: str,
        id: Any,  # noqa: A002  (the field's word)
        *,
        attempt: int,
        fence: int,
        enqueued_at: datetime,
        raw: str | None,
        headers: str | None,
        lease_until: float,
    ) -> None:
        self.queue, self.id, self.attempt, self.fence = queue, id, attempt, fence
        self.enqueued_at, self.raw, self.lease_until = enqueued_at, raw, lease_until
        self._headers = headers
        self._into: Any = Any
        self._settled = False
        self._settle: Callable[[Delivery[Any], Outcome], Awaitable[None]] | None = None
        self._transaction: Callable[[Delivery[Any]], AbstractAsyncContextManager[Any]] | None = None

    @property
    def body(self) -> T:
        """The body, as the type that the handler asks for; raises InvalidMessage if it does not fit."""
        return decoded(self.raw, self._into)  # type: ignore[no-any-return]  # decoded as T by annotation

    @property
    def headers(self) -> dict[str, Any]:
        """The headers; empty if there are none."""
        return headers_of(self._headers) or {}

    @property
    def settled(self) -> bool:
        """Whether its end has been decided."""
        return self._settled

    @property
    def log_fields(self) -> dict[str, Any]:
        """What a log record about it should carry: `log.info("sent", extra=delivery.log_fields)`."""
        return {"queue": self.queue, "msg_id": self.id, "attempt": self.attempt}

    async def ack(self) -> None:
        """Done; returns when that is durable. Raises LeaseLost if the message has passed on, AlreadySettled."""
        await self._end(Ack())

    async def nack(self, reason: str = "", *, delay_s: float | None = None) -> None:
        """Failed: again after delay_s, or after the consumer's backoff. Raises as `ack`."""
        await self._end(Nack(reason, delay_s=delay_s))

    async def release(self, *, delay_s: float = 0.0) -> None:
        """Given back, the attempt is not charged. Raises as `ack`."""
        await self._end(Release(delay_s=delay_s))

    async def reject(self, reason: str = "") -> None:
        """To the dead letters now. Raises as `ack`."""
        await self._end(Reject(reason))

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """A psycopg connection in a transaction that commits the handler's writes and the ack together, or neither.

        Raises LeaseLost at its end, and commits nothing, if the message has passed on. AlreadySettled, as `ack`.
        """
        if self._settled:
            raise AlreadySettled(f"message {self.id} of queue {self.queue!r} is already settled")
        if self._transaction is None:
            raise AlreadySettled("this delivery belongs to no consumer that could settle it in a transaction")
        return self._transaction(self)

    def attach(
        self,
        into: Any,
        settle: "Callable[[Delivery[Any], Outcome], Awaitable[None]]",
        transaction: "Callable[[Delivery[Any]], AbstractAsyncContextManager[Any]]",
    ) -> None:
        """Tell the delivery which type its body has and who settles it; the consumer does so before the handler runs."""
        self._into, self._settle, self._transaction = into, settle, transaction

    def read_as(self, into: Any) -> None:
        """Tell which type its body has."""
        self._into = into

    def take_settlement(self) -> bool:
        """Take the one right to settle; False if it has been taken."""
        taken, self._settled = self._settled, True
        return not taken

    def give_settlement_back(self) -> None:
        """After a settlement that was rolled back."""
        self._settled = False

    async def _end(self, outcome: Outcome) -> None:
        if self._settle is None or not self.take_settlement():
            raise AlreadySettled(f"message {self.id} of queue {self.queue!r} is already settled")
        await self._settle(self, outcome)
