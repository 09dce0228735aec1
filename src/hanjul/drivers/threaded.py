"""Transactions for callers without an event loop: their connection is a sync one, which threads open and commit."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeVar

from hanjul.model.call import Call
from hanjul.model.database import DatabaseSync

R = TypeVar("R")


class Transactions(Protocol):
    """Where handlers get the connection that commits what they write together with the ack."""

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """A connection inside a transaction: committed at the end, rolled back by an exception."""

    async def rows(self, call: Call[R], *, tx: object = None) -> list[R]:
        """All rows of the call, on that connection."""


class Threaded:
    """Transactions whose connections are of a DatabaseSync. The event loop does not wait for them: threads do."""

    def __init__(self, database: DatabaseSync) -> None:
        self._database = database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        """A sync connection inside a transaction."""
        manager = self._database.transaction()
        conn = await _opened(manager.__enter__, lambda: manager.__exit__(None, None, None))
        try:
            yield conn
        except BaseException as error:
            if not await asyncio.to_thread(manager.__exit__, type(error), error, error.__traceback__):
                raise
        else:
            await asyncio.to_thread(manager.__exit__, None, None, None)

    async def rows(self, call: Call[R], *, tx: object = None) -> list[R]:
        """All rows of the call, on that connection."""
        return await asyncio.to_thread(self._database.rows, call, tx=tx)


async def _opened(opening: Callable[[], R], closing: Callable[[], object]) -> R:
    """What a thread opens. Who gives up waiting leaves nothing open."""
    opened = asyncio.ensure_future(asyncio.to_thread(opening))
    try:
        return await asyncio.shield(opened)
    except asyncio.CancelledError:
        await asyncio.wait({opened})
        if opened.exception() is None:
            await asyncio.to_thread(closing)
        raise
