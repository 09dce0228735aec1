"""A PostgreSQL behind a pool of connections: runs calls, gives transactions. database_sync.py is made from this file."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool

from hanjul.model.call import Call, percent
from hanjul.model.errors import ConnectionLost, HanjulError, InvalidSettings, Unavailable
from hanjul.postgres.borrowed import rows_on
from hanjul.postgres.bounded import bounded
from hanjul.postgres.conninfo import conninfo, without_password
from hanjul.postgres.errors import translate

R = TypeVar("R")

REPEATS = 3
"""How often a repeatable call is made again after its connection was lost."""


class Database:
    """A pool of connections; safe to share by all tasks of one event loop.

    No connection keeps state of a session, so a transaction pooler may stand between.
    """

    def __init__(self, url: str, *, max_connections: int = 10, timeout_s: float | None = 30.0) -> None:
        self.url = url
        self.shown_url = without_password(conninfo(url))
        self._timeout_s = timeout_s
        self._pool = AsyncConnectionPool(
            conninfo(url),
            min_size=1,
            max_size=max_connections,
            open=False,
            timeout=timeout_s or 30.0,
            reconnect_timeout=5.0,
            kwargs={"autocommit": True, "prepare_threshold": None},  # prepared statements do not pass transaction poolers
            name="hanjul",
        )

    async def open(self) -> None:
        """Connect; raises InvalidSettings if the server refuses the address, Unavailable if it cannot be reached."""
        await self._probe()
        await self._pool.open()

    async def close(self) -> None:
        """Give all connections back."""
        await self._pool.close()

    async def rows(self, call: Call[R], *, tx: object = None, timeout_s: float | None = None) -> list[R]:
        """All rows of the call; on the user's own connection, in its transaction, if `tx` is given."""
        if tx is not None:
            return await rows_on(tx, call)
        for repeats_left in range(REPEATS if call.repeatable else 0, -1, -1):
            try:
                return await self._rows(call, timeout_s or self._timeout_s)
            except ConnectionLost:
                if not repeats_left:
                    raise
        raise AssertionError("unreachable: the last round returns or raises")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """A connection inside a transaction: committed at the end, rolled back by an exception."""
        async with self.connection() as conn, conn.transaction():
            yield conn

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """A connection of the pool in autocommit mode; errors of psycopg leave it as ours."""
        try:
            async with self._pool.connection() as conn:
                yield conn
        except HanjulError:
            raise
        except (psycopg.Error, OSError) as error:
            raise translate(error) from error

    async def _rows(self, call: Call[R], timeout_s: float | None) -> list[R]:
        async with self.connection() as conn:
            return await bounded(conn, self._fetch(conn, call), timeout_s)

    async def _fetch(self, conn: psycopg.AsyncConnection[Any], call: Call[R]) -> list[R]:
        cursor = await conn.execute(call.statement(percent), call.parameters)
        make = call.row
        return [make(*row) for row in await cursor.fetchall()]

    async def _probe(self) -> None:
        """One connection by itself: a pool would only say that it has none, not why."""
        try:
            conn = await psycopg.AsyncConnection.connect(conninfo(self.url), autocommit=True, prepare_threshold=None)
        except (psycopg.Error, OSError) as error:
            raise _refused(self.shown_url, error) from error
        await conn.close()


def _refused(shown_url: str, error: Exception) -> HanjulError:
    text = str(error).strip()
    if any(word in text for word in ("authentication", "does not exist", "no pg_hba.conf entry", "not translate host")):
        return InvalidSettings(f"cannot use {shown_url}: {text}. Check DATABASE_URL")
    return Unavailable(f"cannot reach {shown_url}: {text}. Is the server up, and is DATABASE_URL right?")
