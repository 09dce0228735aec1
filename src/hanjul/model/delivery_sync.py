"""A delivery for programs without an event loop."""

from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from hanjul.model.delivery import Delivery

T = TypeVar("T")
R = TypeVar("R")


class Wait(Protocol):
    """Does the work where the delivery lives, and returns when it is done."""

    def __call__(self, work: Coroutine[Any, Any, R], /) -> R:
        """What the work returns; raises what it raises."""


class DeliverySync(Generic[T]):
    """A `Delivery` whose settlements wait until they are durable."""

    __slots__ = ("_delivery", "_wait")

    def __init__(self, delivery: Delivery[T], wait: Wait) -> None:
        self._delivery, self._wait = delivery, wait

    @property
    def queue(self) -> str:
        """The queue's name."""
        return self._delivery.queue

    @property
    def id(self) -> Any:
        """The message's id in its queue."""
        msg_id: int = self._delivery.id  # of a queue's message it is a number
        return msg_id

    @property
    def attempt(self) -> int:
        """1 for the first delivery; given back ones do not count."""
        return self._delivery.attempt

    @property
    def enqueued_at(self) -> datetime:
        """When the message was sent."""
        return self._delivery.enqueued_at

    @property
    def body(self) -> T:
        """The body, as the type that was asked for; raises InvalidMessage if it does not fit."""
        return self._delivery.body

    @property
    def headers(self) -> dict[str, Any]:
        """The headers; empty if there are none."""
        return self._delivery.headers

    @property
    def settled(self) -> bool:
        """Whether its end has been decided."""
        return self._delivery.settled

    @property
    def log_fields(self) -> dict[str, Any]:
        """What a log record about it should carry: `log.info("sent", extra=delivery.log_fields)`."""
        return self._delivery.log_fields

    def ack(self) -> None:
        """Done; returns when that is durable. Raises LeaseLost if the message has passed on, AlreadySettled."""
        self._wait(self._delivery.ack())

    def nack(self, reason: str = "", *, delay_s: float | None = None) -> None:
        """Failed: again after delay_s, or after the backoff. Raises as `ack`."""
        self._wait(self._delivery.nack(reason, delay_s=delay_s))

    def release(self, *, delay_s: float = 0.0) -> None:
        """Given back, the attempt is not charged. Raises as `ack`."""
        self._wait(self._delivery.release(delay_s=delay_s))

    def reject(self, reason: str = "") -> None:
        """To the dead letters now. Raises as `ack`."""
        self._wait(self._delivery.reject(reason))

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """A psycopg connection in a transaction that commits what is written there and the ack together, or neither.

        Raises LeaseLost at its end, and commits nothing, if the message has passed on. AlreadySettled, as `ack`.
        """
        transaction = self._delivery.transaction()
        conn = self._wait(_entered(transaction))
        try:
            yield conn
        except BaseException as error:
            if not self._wait(_exited(transaction, error)):
                raise
        else:
            self._wait(_exited(transaction, None))


async def _entered(manager: AbstractAsyncContextManager[R]) -> R:
    return await manager.__aenter__()


async def _exited(manager: AbstractAsyncContextManager[Any], error: BaseException | None) -> bool:
    return bool(await manager.__aexit__(type(error) if error else None, error, error.__traceback__ if error else None))
