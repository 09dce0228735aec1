"""A delivery for programs without an event loop."""

from collections.abc import Coroutine
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
    def id(self) -> int:
        """The message's id in its queue."""
        return self._delivery.id

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
