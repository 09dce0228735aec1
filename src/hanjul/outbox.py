"""Sending together what is sent at the same time: concurrent sends, or jobs, share a commit, each returns when it is durable."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from hanjul.model.call import Call
from hanjul.model.database import Database, DatabaseSync
from hanjul.model.errors import BadInput, ConnectionLost, HanjulError

MAX_MESSAGES = 1000
MAX_BYTES = 1 << 20
"""A statement takes at most so many messages and, unless one alone is larger, so many bytes."""

R = TypeVar("R")

_Sending = tuple[bytes, "asyncio.Future[Any]"]
"""A message as JSON, and what its sender waits for."""
_Waiting = deque[_Sending]
_Batch = list[_Sending]


class Outbox(Generic[R]):
    """What is on its way; for each queue one statement is under way, and the others wait for the next.

    send_many: the queue and a JSON array -> the call that sends it all, and gives an id for each.
    """

    def __init__(self, database: Database, send_many: Callable[[str, str], Call[R]]) -> None:
        self._database, self._send_many = database, send_many
        self._waiting: dict[str, _Waiting] = {}
        self._flushes: set[asyncio.Task[None]] = set()

    def send(self, queue: str, element: bytes) -> "asyncio.Future[R]":
        """Send one element of the array; its id, once it is committed.

        A cancelled send has not happened if its statement had not begun; otherwise it may have.
        """
        sent: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(queue)
        if waiting is None:
            self._waiting[queue] = deque([(element, sent)])
            flush = asyncio.create_task(self._flush(queue))
            self._flushes.add(flush)
            flush.add_done_callback(self._flushes.discard)
        else:
            waiting.append((element, sent))
        return sent

    async def close(self) -> None:
        """Wait until all that was sent is committed or refused."""
        while self._flushes:
            await asyncio.wait(self._flushes)

    async def _flush(self, queue: str) -> None:
        waiting = self._waiting[queue]
        batch: _Batch = []
        try:
            while batch := _take(waiting):
                await self._commit(queue, batch)
        finally:  # also when the program ends meanwhile: nobody is left to wait for ever
            del self._waiting[queue]
            _fail([*batch, *waiting], ConnectionLost("sending was broken off; the message may or may not have been sent"))

    async def _commit(self, queue: str, batch: _Batch) -> None:
        text = b"[" + b",".join([element for element, _ in batch]) + b"]"
        try:
            ids = await self._database.rows(self._send_many(queue, text.decode()))
        except BadInput as error:
            await self._refused(queue, batch, error)
        except HanjulError as error:
            _fail(batch, error)
        else:
            for (_, sent), msg_id in zip(batch, ids, strict=True):
                if not sent.done():
                    sent.set_result(msg_id)

    async def _refused(self, queue: str, batch: _Batch, error: BadInput) -> None:
        """One bad message refuses the whole statement: send half and half, until only its own sender hears of it."""
        if len(batch) == 1:
            _fail(batch, error)
            return
        middle = len(batch) // 2
        await self._commit(queue, batch[:middle])
        await self._commit(queue, batch[middle:])


class OutboxSync(Generic[R]):
    """The outbox of the sync clients: a thread waits for its own send, there is nothing to put together."""

    def __init__(self, database: DatabaseSync, send_many: Callable[[str, str], Call[R]]) -> None:
        self._database, self._send_many = database, send_many

    def send(self, queue: str, element: bytes) -> R:
        """Send one element of the array; its id, once it is committed."""
        [sent_id] = self._database.rows(self._send_many(queue, f"[{element.decode()}]"))
        return sent_id

    def close(self) -> None:
        """Nothing is ever left to wait for."""


def _take(waiting: _Waiting) -> _Batch:
    """The next messages for one statement, without those whose senders have been cancelled."""
    batch: _Batch = []
    size = 0
    while waiting and len(batch) < MAX_MESSAGES:
        size += len(waiting[0][0])
        if batch and size > MAX_BYTES:
            break
        sending = waiting.popleft()
        if not sending[1].done():
            batch.append(sending)
    return batch


def _fail(batch: _Batch, error: Exception) -> None:
    for _, sent in batch:
        if not sent.done():
            sent.set_exception(error)
