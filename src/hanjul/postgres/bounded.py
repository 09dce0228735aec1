"""Connections that wait for an answer of the server, but not for ever.

A statement that is not answered in time breaks its connection: nobody can know any more what arrives on it. Where
psycopg waits with patience, for a cancelled statement on a link that swallows everything some 11 seconds, these do not.
Both twins look at the clock whenever psycopg wakes up to look for signals, ten times a second: that costs a call nothing.
"""

import asyncio
import select
from collections.abc import Coroutine, Generator
from time import monotonic
from typing import Any, Self, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import ConnectionTimeout, QueryCanceled
from psycopg.waiting import wait, wait_async
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from hanjul.model.errors import ConnectionLost

T = TypeVar("T")

GRACE_S = 0.8
"""How long a cancelled statement may take to end in good order, so that its connection can be kept."""
LOOK_S = 0.1
"""How often a wait looks at the clock."""


class _Bounded:
    """What both twins have."""

    pgconn: psycopg.pq.abc.PGconn
    answer_by: float | None = None
    """Until when, on the monotonic clock, an answer may take; None: for ever."""

    def within(self, timeout_s: float | None) -> Self:
        """Give what follows this long (None: for ever); itself."""
        self.answer_by = None if timeout_s is None else monotonic() + timeout_s
        return self

    def looks_alive(self) -> bool:
        """False if the server has ended an idle connection, as far as the news have come; costs a microsecond."""
        try:
            while _readable(self.pgconn.socket):
                self.pgconn.consume_input()
        except (psycopg.Error, OSError):
            return False
        return True

    def _timed(self, steps: PQGen[T]) -> Generator[Any, Any, T]:
        """psycopg's steps of talking to the server, ended when time is up."""
        try:
            wanted = next(steps)
            while True:
                ready = (yield wanted) or 0  # None where it is begun again by next(): psycopg takes a number only
                if not ready and self.answer_by is not None and monotonic() >= self.answer_by:
                    self.pgconn.finish()
                    raise ConnectionTimeout("the database gave no answer in time")
                wanted = steps.send(ready)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # StopIteration does not know its type


class BoundedConnection(_Bounded, psycopg.Connection[Any]):
    """A blocking connection."""

    def wait(self, gen: PQGen[T], *_interval: Any, **_named: Any) -> T:
        """Let psycopg talk to the server; interrupted, break the connection."""
        try:
            return wait(self._timed(gen), self.pgconn.socket, interval=LOOK_S)
        except KeyboardInterrupt:
            self.pgconn.finish()
            raise


class BoundedAsyncConnection(_Bounded, psycopg.AsyncConnection[Any]):
    """A connection for asyncio."""

    async def wait(self, gen: PQGen[T], *_interval: Any, **_named: Any) -> T:
        """Let psycopg talk to the server; cancelled, end the statement there or break the connection, in GRACE_S."""
        steps = self._timed(gen)
        try:
            return await wait_async(steps, self.pgconn.socket, interval=LOOK_S)
        except asyncio.CancelledError:
            await self._give_up(steps)
            raise

    async def _give_up(self, steps: PQGen[T]) -> None:
        if self.pgconn.transaction_status != psycopg.pq.TransactionStatus.ACTIVE:
            return
        try:
            async with asyncio.timeout(GRACE_S):
                await self.cancel_safe(timeout=GRACE_S)
                await wait_async(steps, self.pgconn.socket, interval=LOOK_S)
        except QueryCanceled:
            return
        except (psycopg.Error, OSError, TimeoutError):
            self.pgconn.finish()
        except BaseException:
            self.pgconn.finish()
            raise


class AsyncPool(AsyncConnectionPool[BoundedAsyncConnection]):
    """A pool for asyncio."""

    async def getconn(self, timeout: float | None = None) -> BoundedAsyncConnection:
        """A connection. Before Python 3.12 asyncio.wait_for loses a cancellation that comes together with one; not here."""
        task = asyncio.current_task()
        cancelled = 0 if task is None else task.cancelling()
        conn = await super().getconn(timeout)
        if task is not None and task.cancelling() > cancelled:
            await self.putconn(conn)
            raise asyncio.CancelledError
        return conn


class Pool(ConnectionPool[BoundedConnection]):
    """A pool for threads."""


async def bounded(conn: psycopg.AsyncConnection[Any], work: Coroutine[Any, Any, T], timeout_s: float) -> T:
    """The result of `work` on a connection of any class; breaks it and raises ConnectionLost if there is none in time."""
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
        if done:
            return task.result()
    finally:
        if not task.done():  # out of time, or cancelled
            conn.pgconn.finish()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    raise ConnectionLost(f"the database gave no answer within {timeout_s:g} s")


def _readable(file: int) -> bool:
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(0))
