"""What the suite asks of a driver's author, and how its tests run a consumer."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from hanjul.model.driver import Source
from hanjul.runtime.consumer import Consumer
from hanjul.runtime.handlers import Handler
from hanjul.runtime.spec import ConsumerSpec

QUEUE = "conformance"


@dataclass(frozen=True, slots=True)
class Dead:
    """A dead letter, as the suite looks at it."""

    body: Any
    attempts: int
    reason: str
    error: str


class Harness(Protocol):
    """One empty place to keep queues, and the driver on it."""

    async def create(self, queue: str) -> None:
        """Make a queue, if there is none of this name."""

    async def send(self, queue: str, body: object, *, headers: dict[str, Any] | None = None, delay_s: float = 0.0) -> object:
        """Send one message."""

    async def drop(self, queue: str) -> None:
        """Drop a queue, its messages and its bindings with it."""

    async def bind(self, pattern: str, queue: str) -> None:
        """Let the queue get what is sent to routing keys that match."""

    async def send_topic(self, routing_key: str, body: object) -> Mapping[str, object]:
        """Send one message to every queue that is bound; those queues."""

    def source(self, queue: str, *, ordered: bool = False, topics: Sequence[str] = ()) -> Source:
        """A new source for one consumer.

        ordered: of each group (header x-pgmq-group) one message at a time, in order.
        topics: what its queue is bound to for as long as it is open, also after it was dropped and made anew.
        """

    async def size(self, queue: str) -> int:
        """Messages in the queue, in whatever state; not the dead letters."""

    async def dead_letters(self, queue: str) -> list[Dead]:
        """The dead letters of the queue."""

    async def redrive(self, queue: str) -> int:
        """Put all dead letters back; how many they were."""


@asynccontextmanager
async def consuming(source: Source, function: Any, **how: Any) -> AsyncIterator[Consumer]:
    """A consumer that runs while the block runs; `how` is the rest of its ConsumerSpec."""
    handler = function if isinstance(function, Handler) else Handler(function)
    consumer = Consumer(ConsumerSpec(source.queue, handler, **how), source)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop(timeout_s=0.5)


async def sent(harness: Harness, count: int) -> None:
    """The suite's queue, with the messages 0 ... count-1 in it."""
    await harness.create(QUEUE)
    for number in range(count):
        await harness.send(QUEUE, number)
