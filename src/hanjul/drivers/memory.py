"""The memory driver: queues that live and die with the process. An honest stand-in: leases, fences, delays, dead letters."""

import asyncio
import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hanjul.drivers.memory_topics import Topics
from hanjul.model.delivery import Delivery
from hanjul.model.driver import Capabilities, Refusal, Settlement, Support
from hanjul.model.errors import InvalidSettings, QueueNotFound
from hanjul.model.names import queue_name
from hanjul.model.outcome import Nack, Outcome, Reject, Release
from hanjul.model.payload import encoded, headers_of

CAPABILITIES = Capabilities(
    delay=Support.NATIVE,
    release=Support.NATIVE,
    dead_letter=Support.NATIVE,
    transaction=Support.NONE,
    durable=Support.NONE,
    ordered=Support.NATIVE,
    topics=Support.NATIVE,
)


@dataclass(slots=True)
class DeadMessage:
    """A message that left its queue unhandled."""

    id: int
    raw: str
    headers: str | None
    attempts: int
    reason: str
    error: str


@dataclass(slots=True)
class _Message:
    id: int
    raw: str
    headers: str | None
    due: float = 0.0
    enqueued_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    reads: int = 0
    released: int = 0
    settled: int = 0
    """The newest delivery that was nacked or released, so that none is twice."""

    @property
    def group(self) -> str:
        """What it is ordered with: its header x-pgmq-group, as text."""
        return str((headers_of(self.headers) or {}).get("x-pgmq-group", ""))

    def is_held_by(self, delivery: Delivery[Any]) -> bool:
        return self.reads == delivery.fence and self.settled < delivery.fence


class _Queue:
    """Messages by id, and a heap of (due, id) whose entries count only while they tell the message's own due time."""

    def __init__(self) -> None:
        self.messages: dict[int, _Message] = {}
        self.heap: list[tuple[float, int]] = []
        self.lines: dict[str, deque[int]] = {}
        self.dead: list[DeadMessage] = []
        self.changed: set[asyncio.Event] = set()

    def place(self, message: _Message, due: float) -> None:
        message.due = due
        if message.id not in self.messages:
            self.messages[message.id] = message
            self.lines.setdefault(message.group, deque()).append(message.id)
        heapq.heappush(self.heap, (due, message.id))

    def remove(self, message: _Message) -> None:
        del self.messages[message.id]
        line = self.lines[message.group]
        while line and line[0] not in self.messages:
            line.popleft()
        if not line:
            del self.lines[message.group]

    def is_first(self, message: _Message) -> bool:
        """Whether it is the oldest of its group."""
        return self.lines[message.group][0] == message.id

    def next_change(self, now: float) -> float | None:
        """When the next lease or delay ends."""
        return min((message.due for message in self.messages.values() if message.due > now), default=None)

    def next_due(self) -> float | None:
        while self.heap:
            due, id_ = self.heap[0]
            message = self.messages.get(id_)
            if message is not None and message.due == due:
                return due
            heapq.heappop(self.heap)
        return None


class MemoryDriver:
    """All queues of one process, for one event loop; the lock is for the threads that renew leases."""

    kind = "memory"
    capabilities = CAPABILITIES

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}
        self.topics = Topics()
        self._ids = itertools.count(1)
        self._lock = threading.RLock()

    async def create(self, queue: str) -> None:
        """Make a queue, if there is none of this name."""
        if queue_name(queue) not in self._queues:
            self._queues[queue] = _Queue()
            self.topics.made(queue)

    async def drop(self, queue: str) -> bool:
        """Drop a queue with its messages, dead letters and bindings; False if there is none."""
        if (place := self._queues.pop(queue, None)) is None:
            return False
        self.topics.gone(queue)
        _wake(place)
        return True

    async def bind(self, pattern: str, queue: str) -> None:
        """Let the queue get what is sent to routing keys that match; raises QueueNotFound, BadInput."""
        self._queue(queue)
        self.topics.bind(pattern, queue)

    async def send_topic(
        self, routing_key: str, body: object, *, headers: dict[str, Any] | None = None, delay_s: float = 0.0
    ) -> dict[str, int]:
        """Send one message to every queue that is bound: queue -> its id there. Raises BadInput, InvalidMessage."""
        queues = self.topics.queues(routing_key)
        return {queue: await self.send(queue, body, headers=headers, delay_s=delay_s) for queue in queues}

    async def send(self, queue: str, body: object, *, headers: dict[str, Any] | None = None, delay_s: float = 0.0) -> int:
        """Send one message, due after delay_s; its id. Raises QueueNotFound, InvalidMessage."""
        raw = encoded(body).decode()
        message = _Message(next(self._ids), raw, None if headers is None else encoded(headers).decode())
        with self._lock:
            place = self._queue(queue)
            place.place(message, time.monotonic() + delay_s)
        _wake(place)
        return message.id

    async def dead_letters(self, queue: str) -> list[DeadMessage]:
        """What left the queue unhandled, oldest first."""
        return list(self._queue(queue).dead)

    async def redrive(self, queue: str) -> int:
        """Put all dead letters back; how many they were."""
        with self._lock:
            place = self._queue(queue)
            dead, place.dead = place.dead, []
            for message in dead:
                place.place(_Message(next(self._ids), message.raw, message.headers), time.monotonic())
        _wake(place)
        return len(dead)

    async def size(self, queue: str) -> int:
        """Messages in the queue, in whatever state."""
        return len(self._queue(queue).messages)

    def source(self, queue: str, *, archive: bool = False, ordered: bool = False, topics: Sequence[str] = ()) -> "MemorySource":
        """A source for one consumer, whose queue is bound to `topics`; raises InvalidSettings if an archive is asked for."""
        if archive:
            raise InvalidSettings(f"queue {queue!r} is in memory, which has no archive")
        return MemorySource(self, queue, ordered=ordered, topics=topics)

    def fetch(self, queue: str, limit: int, lease_s: float, *, ordered: bool = False) -> list[Delivery[Any]]:
        """Lease up to `limit` due messages, the one due longest first.  ordered: only the oldest of each group."""
        now = time.monotonic()
        deliveries: list[Delivery[Any]] = []
        with self._lock:
            place = self._queue(queue)
            blocked: list[tuple[float, int]] = []
            while len(deliveries) < limit and (due := place.next_due()) is not None and due <= now:
                entry = heapq.heappop(place.heap)
                message = place.messages[entry[1]]
                if ordered and not place.is_first(message):
                    blocked.append(entry)
                    continue
                message.reads += 1
                place.place(message, now + lease_s)
                deliveries.append(_delivery(queue, message))
            for entry in blocked:
                heapq.heappush(place.heap, entry)
        return deliveries

    def settle(self, settlements: Sequence[Settlement]) -> list[Refusal]:
        """Settle what is still held; the rest comes back, unless it was nacked or released before and is so again."""
        refused = []
        with self._lock:
            for delivery, outcome in settlements:
                place = self._queue(delivery.queue)
                message = place.messages.get(delivery.id)
                if message is not None and message.is_held_by(delivery):
                    _apply(place, message, outcome)
                    _wake(place)
                elif message is None or message.reads != delivery.fence or not isinstance(outcome, Nack | Release):
                    refused.append(Refusal(delivery, None if message is None else message.reads))
        return refused

    def extend(self, deliveries: Sequence[Delivery[Any]], lease_s: float) -> list[Refusal]:
        """End the leases that are still held lease_s from now; the rest comes back."""
        refused = []
        with self._lock:
            for delivery in deliveries:
                place = self._queue(delivery.queue)
                message = place.messages.get(delivery.id)
                if message is not None and message.is_held_by(delivery):
                    place.place(message, time.monotonic() + lease_s)
                else:
                    refused.append(Refusal(delivery, None if message is None else message.reads))
        return refused

    async def wait(self, queue: str, *, ordered: bool = False) -> None:
        """Return when something was sent or settled, or falls due.  ordered: what is due already may wait for its group."""
        place = self._queue(queue)
        changed = asyncio.Event()
        place.changed.add(changed)
        with self._lock:
            due = place.next_change(time.monotonic()) if ordered else place.next_due()
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - time.monotonic())):
                await changed.wait()
        except TimeoutError:
            return
        finally:
            place.changed.discard(changed)

    def _queue(self, queue: str) -> _Queue:
        try:
            return self._queues[queue]
        except KeyError:
            raise QueueNotFound(queue) from None


class MemorySource:
    """One consumer's view of a memory queue; it is its own renewer."""

    capabilities = CAPABILITIES

    def __init__(self, driver: MemoryDriver, queue: str, *, ordered: bool = False, topics: Sequence[str] = ()) -> None:
        self.queue, self._driver, self._ordered, self._topics = queue, driver, ordered, tuple(topics)

    async def open(self) -> None:
        """Raises QueueNotFound, BadInput (a topic's pattern)."""
        await self._driver.size(self.queue)
        self._driver.topics.keep(self, self.queue, self._topics)

    async def fetch(self, limit: int, lease_s: float) -> list[Delivery[Any]]:
        """Lease up to `limit` due messages, at once."""
        return self._driver.fetch(self.queue, limit, lease_s, ordered=self._ordered)

    async def wait(self) -> None:
        """Return when something was sent or settled, or falls due."""
        await self._driver.wait(self.queue, ordered=self._ordered)

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Refusal]:
        """Settle, each once, fenced; those that came too late."""
        return self._driver.settle(settlements)

    def renewer(self) -> "MemoryRenewer":
        """A renewer; it may be called from another thread."""
        return MemoryRenewer(self._driver)

    def transaction(self, delivery: Delivery[Any]) -> AbstractAsyncContextManager[Any]:
        """Refused: there is no database whose transaction could be shared."""
        raise InvalidSettings(f"queue {delivery.queue!r} is in memory, which has no transactions; settle without one")

    async def close(self) -> None:
        """Its queue stays bound."""
        self._driver.topics.let_go(self)


class MemoryRenewer:
    """Renews leases of a memory driver."""

    def __init__(self, driver: MemoryDriver) -> None:
        self._driver = driver

    def extend(self, deliveries: Sequence[Delivery[Any]], lease_s: float) -> Sequence[Refusal]:
        """End their leases lease_s from now; those that are lost."""
        return self._driver.extend(deliveries, lease_s)

    def close(self) -> None:
        """Nothing to let go of."""


def _delivery(queue: str, message: _Message) -> Delivery[Any]:
    return Delivery(
        queue,
        message.id,
        attempt=message.reads - message.released,
        fence=message.reads,
        enqueued_at=message.enqueued_at,
        raw=message.raw,
        headers=message.headers,
        lease_until=message.due,
    )


def _apply(place: _Queue, message: _Message, outcome: Outcome) -> None:
    now = time.monotonic()
    match outcome:
        case Nack():
            message.settled = message.reads
            place.place(message, now + (outcome.delay_s or 0.0))
        case Release():
            message.settled = message.reads
            message.released += 1
            place.place(message, now + outcome.delay_s)
        case Reject():
            attempts = message.reads - message.released
            dead = DeadMessage(message.id, message.raw, message.headers, attempts, outcome.kind, str(outcome.reason))
            place.dead.append(dead)
            place.remove(message)
        case _:
            place.remove(message)


def _wake(place: _Queue) -> None:
    for changed in place.changed:
        changed.set()
