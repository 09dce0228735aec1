"""The queue client: pgmq's operations, in Python. client_sync.py is made from this file."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from hanjul.model.call import Call
from hanjul.model.database import Database
from hanjul.model.errors import SchemaMismatch
from hanjul.model.names import queue_name
from hanjul.model.payload import encoded
from hanjul.outbox import Outbox
from hanjul.queues import calls
from hanjul.queues.encoding import Encoding, listed
from hanjul.queues.rows import DeadLetter, Message, Metrics, NotifyThrottle, QueueInfo, QueueRecord
from hanjul.queues.topics import Topics

POLL_ANSWER_S = 10.0
"""How much longer than it may wait for messages a server may take to answer."""

T = TypeVar("T")


class Queues:
    """Message queues on PostgreSQL. Every call returns when its own commit is durable.

    `tx=` takes an open connection of psycopg, asyncpg, SQLAlchemy or Django: the call then runs inside the
    transaction there, and nothing is visible before its commit. `into=` is the type of the bodies that are read; one
    that does not fit raises InvalidMessage when it is looked at.
    Raises QueueNotFound, BadInput (nothing was changed), Unavailable (trying again may help).
    """

    def __init__(self, database: Database, *, max_message_bytes: int = 16 << 20) -> None:
        self._database = database
        self._outbox = Outbox(database, calls.send_many)
        self._encoding = Encoding(max_message_bytes)
        self.topics = Topics(database, self._encoding)

    async def open(self) -> None:
        """Connect to the database; `async with` does it too."""
        await self._database.open()

    async def close(self) -> None:
        """Finish what is being sent, and disconnect."""
        await self._outbox.close()
        await self._database.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def create(self, queue: str, *, unlogged: bool = False) -> None:
        """Make a queue, if there is none of this name. An unlogged one is faster; a crash of the server empties it."""
        await self._database.rows(calls.create(queue, unlogged=unlogged))

    async def create_partitioned(
        self, queue: str, *, partition_interval: str = "10000", retention_interval: str = "100000", premake: int = 4
    ) -> None:
        """Make a queue in partitions, by ids (an interval that is a number) or by time (`1 day`), each dropped whole later.

        retention_interval: how long, or for how many ids, finished messages stay in the archive.
        premake: how many partitions are made ahead.
        """
        await self._database.rows(calls.create_partitioned(queue, partition_interval, retention_interval, premake))

    async def convert_archive_partitioned(
        self, queue: str, *, partition_interval: str = "10000", retention_interval: str = "100000"
    ) -> None:
        """Put the archive of a queue into partitions; what it holds stays."""
        await self._database.rows(calls.convert_archive_partitioned(queue, partition_interval, retention_interval))

    async def create_fifo_index(self, queue: str) -> None:
        """Make the index of groups where it is missing: queues of hanjul have it, those of PGMQ need not."""
        await self._database.rows(calls.create_fifo_index(queue))

    async def drop(self, queue: str) -> bool:
        """Remove the queue, its messages and its archive; False if there was none."""
        [dropped] = await self._database.rows(calls.drop(queue))
        return dropped

    async def purge(self, queue: str) -> int:
        """Throw all messages away; how many they were. The archive stays."""
        [purged] = await self._database.rows(calls.purge(queue))
        return purged

    async def list(self) -> list[QueueRecord]:
        """All queues, by name."""
        return sorted(await self._database.rows(calls.list_queues()), key=lambda queue: queue.queue_name)

    async def metrics(self, queue: str) -> Metrics:
        """Counts and ages of a queue."""
        [metrics] = await self._database.rows(calls.metrics(queue))
        return metrics

    async def metrics_all(self) -> Sequence[Metrics]:
        """Counts and ages of every queue, by name."""
        return sorted(await self._database.rows(calls.metrics_all()), key=lambda queue: queue.queue_name)

    async def info(self, queue: str) -> QueueInfo:
        """Metrics, and how many messages are in flight, delayed and archived.

        Where PGMQ itself is in charge of its schema there is no such function: what its metrics do not tell is None.
        """
        try:
            [info] = await self._database.rows(calls.info(queue))
        except SchemaMismatch:
            return QueueInfo.of(await self.metrics(queue), await self.list())
        return info

    async def send(
        self,
        queue: str,
        message: object,
        *,
        headers: Mapping[str, Any] | None = None,
        delay: float | timedelta | datetime = 0,
        tx: object = None,
    ) -> int:
        """Send one message; its msg_id. Concurrent sends share a commit.

        delay: seconds, or the moment, until which nobody sees it.
        """
        name, body = queue_name(queue), self._encoding.body(message)
        head = None if headers is None else self._encoding.head(headers)
        if isinstance(delay, datetime):
            call = calls.send(name, body.decode(), _text(head), calls.moment("delay", delay))
            [msg_id] = await self._database.rows(call, tx=tx)
            return msg_id
        element = _element(body, head, calls.delay_s(delay))
        if tx is None:
            return await self._outbox.send(name, element)
        [msg_id] = await self._database.rows(calls.send_many(name, f"[{element.decode()}]"), tx=tx)
        return msg_id

    async def send_batch(
        self,
        queue: str,
        messages: Iterable[object],
        *,
        headers: Iterable[Mapping[str, Any] | None] | None = None,
        delay: float | timedelta | datetime = 0,
        tx: object = None,
    ) -> Sequence[int]:
        """Send messages in one commit, all or none; their msg_ids, in their order.

        headers: one for each message, None for a message without.  delay: as in `send`, for all.
        """
        bodies, heads = self._encoding.batch(messages, headers)
        if isinstance(delay, datetime):
            texts = [_text(head) for head in heads]
            call = calls.send_batch(queue, [body.decode() for body in bodies], texts, calls.moment("delay", delay))
            return await self._database.rows(call, tx=tx)
        wait_s = calls.delay_s(delay)
        elements = b",".join([_element(body, head, wait_s) for body, head in zip(bodies, heads, strict=True)])
        return await self._database.rows(calls.send_many(queue, f"[{elements.decode()}]"), tx=tx)

    @overload
    async def read(
        self,
        queue: str,
        *,
        vt: int = 30,
        qty: int = 1,
        conditional: object = None,
        max_poll_seconds: int = 0,
        poll_interval_ms: int = 100,
        tx: object = None,
    ) -> Sequence[Message[Any]]: ...
    @overload
    async def read(
        self,
        queue: str,
        *,
        into: type[T],
        vt: int = 30,
        qty: int = 1,
        conditional: object = None,
        max_poll_seconds: int = 0,
        poll_interval_ms: int = 100,
        tx: object = None,
    ) -> Sequence[Message[T]]: ...
    async def read(
        self,
        queue: str,
        *,
        into: Any = Any,
        vt: int = 30,
        qty: int = 1,
        conditional: object = None,
        max_poll_seconds: int = 0,
        poll_interval_ms: int = 100,
        tx: object = None,
    ) -> Sequence[Message[Any]]:
        """Lease up to `qty` visible messages for `vt` seconds, oldest first.

        conditional: only messages that contain this JSON, as `@>` does.
        max_poll_seconds: how long the server may wait for a first message, looking every poll_interval_ms; a connection
        is kept busy by it, and consumers do without.
        """
        wanted = None if conditional is None else encoded(conditional).decode()
        if not max_poll_seconds:
            return await self._database.rows(calls.read(queue, vt, qty, wanted, into), tx=tx)
        poll = calls.Poll(max_poll_seconds, poll_interval_ms)
        call = calls.read_with_poll(queue, vt, qty, wanted, into, poll)
        return await self._database.rows(call, tx=tx, timeout_s=max_poll_seconds + POLL_ANSWER_S)

    @overload
    async def read_grouped(
        self,
        queue: str,
        *,
        order: calls.GroupOrder = "groups",
        vt: int = 30,
        qty: int = 1,
        max_poll_seconds: int = 0,
        poll_interval_ms: int = 100,
        tx: object = None,
    ) -> Sequence[Message[Any]]: ...
    @overload
    async def read_grouped(
        self,
        queue: str,
        *,
        into: type[T],
        order: calls.GroupOrder = "groups",
        vt: int = 30,
        qty: int = 1,
        max_poll_seconds: int = 0,
        poll_interval_ms: int = 100,
        tx: object = None,
    ) -> Sequence[Message[T]]: ...
    async def read_grouped(
        self,
        queue: str,
        *,
        into: Any = Any,
        order: calls.GroupOrder = "groups",
        vt: int = 30,
        qty: int = 1,
        max_poll_seconds: int = 0,
        poll_interval_ms: int = 100,
        tx: object = None,
    ) -> Sequence[Message[Any]]:
        """Lease up to `qty` messages of groups (header x-pgmq-group) that nobody works on, each group in its order.

        order: "groups": all of the oldest group, then of the next; "round_robin": the first of each group, then the
        second of each; "heads": the first of each only.  max_poll_seconds: as in `read`.
        """
        if not max_poll_seconds:
            return await self._database.rows(calls.read_grouped(order, queue, vt, qty, into), tx=tx)
        poll = calls.Poll(max_poll_seconds, poll_interval_ms)
        call = calls.read_grouped_with_poll(order, queue, vt, qty, into, poll)
        return await self._database.rows(call, tx=tx, timeout_s=max_poll_seconds + POLL_ANSWER_S)

    @overload
    async def pop(self, queue: str, *, qty: int = 1, tx: object = None) -> Sequence[Message[Any]]: ...
    @overload
    async def pop(self, queue: str, *, into: type[T], qty: int = 1, tx: object = None) -> Sequence[Message[T]]: ...
    async def pop(self, queue: str, *, into: Any = Any, qty: int = 1, tx: object = None) -> Sequence[Message[Any]]:
        """Take up to `qty` visible messages out of the queue at once, oldest first: at most once, no lease."""
        return await self._database.rows(calls.pop(queue, qty, into), tx=tx)

    async def peek(self, queue: str, *, into: Any = Any, qty: int = 1) -> Sequence[Message[Any]]:
        """Look at the next visible messages and leave them as they are. PGMQ itself has no such function."""
        return await self._database.rows(calls.peek(queue, qty, into))

    async def delete(self, queue: str, msg_ids: int | Iterable[int], *, tx: object = None) -> Sequence[int]:
        """Forget messages, whoever holds them; the ids that were there."""
        return await self._database.rows(calls.delete(queue, _several(msg_ids)), tx=tx)

    async def archive(self, queue: str, msg_ids: int | Iterable[int], *, tx: object = None) -> Sequence[int]:
        """Move messages to the queue's archive, whoever holds them; the ids that were there."""
        return await self._database.rows(calls.archive(queue, _several(msg_ids)), tx=tx)

    async def set_vt(
        self, queue: str, msg_ids: int | Iterable[int], *, vt: int | datetime, into: Any = Any, tx: object = None
    ) -> Sequence[Message[Any]]:
        """Make messages visible `vt` seconds from now, or at a moment; those that were there, as they are now."""
        return await self._database.rows(calls.set_vt(queue, _several(msg_ids), vt, into), tx=tx)

    async def dead_letters(self, queue: str, *, into: Any = Any, qty: int = 100) -> Sequence[DeadLetter[Any]]:
        """The newest messages that left the queue unhandled."""
        return await self._database.rows(calls.dead_letters(queue, qty, into))

    async def redrive(self, queue: str, *, qty: int | None = None) -> Sequence[int]:
        """Put the oldest `qty` dead letters (None: all) back into their queue; their new ids."""
        return await self._database.rows(calls.redrive(queue, qty))

    async def prune_archive(self, queue: str, *, older_than: timedelta) -> int:
        """Throw away what was archived longer ago than that, in batches; how many messages it was."""
        return await self._until_through(calls.prune_archive(queue, older_than))

    async def prune_dead_letters(self, queue: str, *, older_than: timedelta) -> int:
        """Throw away what died longer ago than that, in batches; how many messages it was. The queue may be gone."""
        return await self._until_through(calls.prune_dead_letters(queue, older_than))

    async def enable_notify_insert(self, queue: str, *, throttle_interval_ms: int = 250) -> None:
        """Notify channel `pgmq.q_<queue>.INSERT` of new messages, at most once in throttle_interval_ms."""
        await self._database.rows(calls.enable_notify_insert(queue, throttle_interval_ms))

    async def update_notify_insert(self, queue: str, *, throttle_interval_ms: int) -> None:
        """Notify more often, or less; raises BadInput if the queue does not notify."""
        await self._database.rows(calls.update_notify_insert(queue, throttle_interval_ms))

    async def disable_notify_insert(self, queue: str) -> None:
        """Notify no more."""
        await self._database.rows(calls.disable_notify_insert(queue))

    async def list_notify_insert_throttles(self) -> Sequence[NotifyThrottle]:
        """The queues that notify, by name."""
        return await self._database.rows(calls.list_notify_insert_throttles())

    async def _until_through(self, call: Call[int]) -> int:
        total = 0
        while True:
            [count] = await self._database.rows(call)
            total += count
            if count < calls.PRUNED_AT_ONCE:
                return total


def _element(body: bytes, head: bytes | None, wait_s: float) -> bytes:
    """One message as hanjul.send_many takes it."""
    if head is None and not wait_s:  # as nearly all are
        return b"[%b]" % body
    return b"[%b,%b,%b]" % (body, head or b"null", encoded(wait_s))


def _text(json: bytes | None) -> str | None:
    return None if json is None else json.decode()


def _several(msg_ids: int | Iterable[int]) -> Sequence[int]:
    return [msg_ids] if isinstance(msg_ids, int) else listed("msg_ids", msg_ids)
