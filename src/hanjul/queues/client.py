"""The queue client: pgmq's operations, in Python. client_sync.py is made from this file."""

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from hanjul.model.database import Database
from hanjul.model.errors import InvalidMessage, MessageTooLarge
from hanjul.model.names import queue_name
from hanjul.model.payload import encoded
from hanjul.queues import calls
from hanjul.queues.outbox import Outbox
from hanjul.queues.rows import DeadLetter, Message, Metrics, QueueInfo, QueueRecord

T = TypeVar("T")


class Queues:
    """Message queues on PostgreSQL. Every call returns when its own commit is durable.

    `tx=` takes an open connection of psycopg, asyncpg, SQLAlchemy or Django: the call then runs inside the
    transaction there, and nothing is visible before its commit. `into=` is the type of the bodies that are read.
    Raises QueueNotFound, BadInput (nothing was changed), Unavailable (trying again may help).
    """

    def __init__(self, database: Database, *, max_message_bytes: int = 16 << 20) -> None:
        self._database = database
        self._outbox = Outbox(database)
        self._max_message_bytes = max_message_bytes

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
        return await self._database.rows(calls.list_queues())

    async def metrics(self, queue: str) -> Metrics:
        """Counts and ages of a queue."""
        [metrics] = await self._database.rows(calls.metrics(queue))
        return metrics

    async def metrics_all(self) -> Sequence[Metrics]:
        """Counts and ages of every queue."""
        return await self._database.rows(calls.metrics_all())

    async def info(self, queue: str) -> QueueInfo:
        """Metrics, and how many messages are in flight, delayed and archived."""
        [info] = await self._database.rows(calls.info(queue))
        return info

    async def send(
        self,
        queue: str,
        message: object,
        *,
        headers: dict[str, Any] | None = None,
        delay: float | datetime = 0,
        tx: object = None,
    ) -> int:
        """Send one message; its msg_id. Concurrent sends share a commit.

        delay: seconds, or the moment, until which nobody sees it.
        """
        name, body, head = queue_name(queue), self._body(message), None if headers is None else encoded(headers)
        if isinstance(delay, datetime):
            call = calls.send(name, _text(body), None if head is None else _text(head), delay)
            [msg_id] = await self._database.rows(call, tx=tx)
            return msg_id
        element = b"[%b,%b,%b]" % (body, head or b"null", encoded(calls.delay_s(delay)))
        if tx is None:
            return await self._outbox.send(name, element)
        [msg_id] = await self._database.rows(calls.send_many(name, f"[{_text(element)}]"), tx=tx)
        return msg_id

    async def send_batch(
        self,
        queue: str,
        messages: Sequence[object],
        *,
        headers: Sequence[dict[str, Any] | None] | None = None,
        delay: float | datetime = 0,
        tx: object = None,
    ) -> Sequence[int]:
        """Send messages in one commit, all or none; their msg_ids, in their order."""
        heads = None if headers is None else [b"null" if head is None else encoded(head) for head in headers]
        bodies = [self._body(message) for message in messages]
        if not bodies or (heads is not None and len(heads) != len(bodies)) or isinstance(delay, datetime):
            texts = None if heads is None else [None if head == b"null" else _text(head) for head in heads]
            when = delay if isinstance(delay, datetime) else int(calls.delay_s(delay))
            return await self._database.rows(calls.send_batch(queue, [_text(body) for body in bodies], texts, when), tx=tx)
        wait_s = encoded(calls.delay_s(delay))
        elements = [b"[%b,%b,%b]" % (body, heads[n] if heads else b"null", wait_s) for n, body in enumerate(bodies)]
        return await self._database.rows(calls.send_many(queue, _text(b"[" + b",".join(elements) + b"]")), tx=tx)

    @overload
    async def read(
        self, queue: str, *, vt: int = 30, qty: int = 1, conditional: object = None, tx: object = None
    ) -> Sequence[Message[Any]]: ...
    @overload
    async def read(
        self, queue: str, *, into: type[T], vt: int = 30, qty: int = 1, conditional: object = None, tx: object = None
    ) -> Sequence[Message[T]]: ...
    async def read(
        self, queue: str, *, into: Any = Any, vt: int = 30, qty: int = 1, conditional: object = None, tx: object = None
    ) -> Sequence[Message[Any]]:
        """Lease up to `qty` visible messages for `vt` seconds, oldest first.

        conditional: only messages that contain this JSON, as `@>` does.
        """
        wanted = None if conditional is None else _text(encoded(conditional))
        return await self._database.rows(calls.read(queue, vt, qty, wanted, into), tx=tx)

    @overload
    async def pop(self, queue: str, *, qty: int = 1, tx: object = None) -> Sequence[Message[Any]]: ...
    @overload
    async def pop(self, queue: str, *, into: type[T], qty: int = 1, tx: object = None) -> Sequence[Message[T]]: ...
    async def pop(self, queue: str, *, into: Any = Any, qty: int = 1, tx: object = None) -> Sequence[Message[Any]]:
        """Take up to `qty` visible messages out of the queue at once, oldest first: at most once, no lease."""
        return await self._database.rows(calls.pop(queue, qty, into), tx=tx)

    async def peek(self, queue: str, *, into: Any = Any, qty: int = 1) -> Sequence[Message[Any]]:
        """Look at the next visible messages and leave them as they are."""
        return await self._database.rows(calls.peek(queue, qty, into))

    async def delete(self, queue: str, msg_ids: int | Sequence[int], *, tx: object = None) -> Sequence[int]:
        """Forget messages, whoever holds them; the ids that were there."""
        return await self._database.rows(calls.delete(queue, _several(msg_ids)), tx=tx)

    async def archive(self, queue: str, msg_ids: int | Sequence[int], *, tx: object = None) -> Sequence[int]:
        """Move messages to the queue's archive, whoever holds them; the ids that were there."""
        return await self._database.rows(calls.archive(queue, _several(msg_ids)), tx=tx)

    async def set_vt(
        self, queue: str, msg_ids: int | Sequence[int], *, vt: int | datetime, into: Any = Any, tx: object = None
    ) -> Sequence[Message[Any]]:
        """Make messages visible `vt` seconds from now, or at a moment; those that were there, as they are now."""
        return await self._database.rows(calls.set_vt(queue, _several(msg_ids), vt, into), tx=tx)

    async def dead_letters(self, queue: str, *, into: Any = Any, qty: int = 100) -> Sequence[DeadLetter[Any]]:
        """The newest messages that left the queue unhandled."""
        return await self._database.rows(calls.dead_letters(queue, qty, into))

    async def redrive(self, queue: str, *, qty: int | None = None) -> Sequence[int]:
        """Put the oldest `qty` dead letters (None: all) back into their queue; their new ids."""
        return await self._database.rows(calls.redrive(queue, qty))

    def _body(self, message: object) -> bytes:
        body = encoded(message)
        if len(body) > self._max_message_bytes:
            raise MessageTooLarge(len(body), self._max_message_bytes)
        return body


def _several(msg_ids: int | Sequence[int]) -> Sequence[int]:
    return [msg_ids] if isinstance(msg_ids, int) else msg_ids


def _text(json: bytes) -> str:
    try:
        return json.decode()
    except UnicodeDecodeError as error:
        raise InvalidMessage(f"the message is not UTF-8: {error}") from error
