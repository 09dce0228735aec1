"""The port of every backend: a driver gives sources, a source gives one consumer its deliveries and settles them."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from hanjul.model.delivery import Delivery
from hanjul.model.outcome import Outcome

Settlement = tuple[Delivery[Any], Outcome]


class Support(Enum):
    """How a backend does a thing: by itself, by our means, or not at all."""

    NATIVE = "native"
    EMULATED = "emulated"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a driver can do; a declaration that asks for a NONE is refused when it is validated."""

    delay: Support
    release: Support
    dead_letter: Support
    transaction: Support
    durable: Support
    ordered: Support
    topics: Support


@dataclass(frozen=True, slots=True)
class Refusal:
    """A settlement that came too late: the message is held by a newer attempt, or (None) is gone.

    cancel: it did not come too late: somebody wants the handler to end, whose lease has been extended.
    unknown: nothing can be said of it now, because somebody keeps it locked; its lease is as it was.
    """

    delivery: Delivery[Any]
    held_by: int | None
    cancel: bool = False
    unknown: bool = False


class Renewer(Protocol):
    """Renews leases from a thread of its own, so it blocks and shares nothing with the event loop."""

    def extend(self, deliveries: Sequence[Delivery[Any]], lease_s: float) -> Sequence[Refusal]:
        """End their leases lease_s from now; those that are lost, or to be cancelled. Raises Unavailable if nothing is known."""

    def close(self) -> None:
        """Let go of what it holds."""


class Source(Protocol):
    """Where one consumer's deliveries come from. Used by one event loop."""

    queue: str
    capabilities: Capabilities

    async def open(self) -> None:
        """Get ready; raises QueueNotFound, Unavailable."""

    async def fetch(self, limit: int, lease_s: float) -> list[Delivery[Any]]:
        """Lease up to `limit` due messages, at once. Raises Unavailable."""

    async def wait(self) -> None:
        """Return when it may be worth to fetch again: a wake-up, a message that falls due, or a poll."""

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Refusal]:
        """Settle, each once, fenced; those that came too late. Repeating is safe. Raises Unavailable."""

    def renewer(self) -> Renewer:
        """A renewer for the leases of this source."""

    def transaction(self, delivery: Delivery[Any]) -> AbstractAsyncContextManager[Any]:
        """A transaction that commits the handler's writes and the ack together."""

    async def close(self) -> None:
        """Let go of what it holds; leases are left to expire."""
