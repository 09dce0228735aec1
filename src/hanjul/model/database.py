"""The ports through which a client reaches a database; `postgres/` fulfils them."""

from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol, TypeVar

from hanjul.model.call import Call

R = TypeVar("R")


class Database(Protocol):
    """A PostgreSQL that runs calls, from asyncio."""

    async def open(self) -> None:
        """Connect; raises Unavailable, or InvalidSettings if the address is wrong."""

    async def close(self) -> None:
        """Give all connections back."""

    async def rows(self, call: Call[R], *, tx: object = None, timeout_s: float | None = None) -> list[R]:
        """All rows of the call; on the user's own connection, in its transaction, if `tx` is given."""

    def transaction(self) -> AbstractAsyncContextManager[Any]:
        """A connection of ours inside a transaction: committed at the end, rolled back by an exception."""


class DatabaseSync(Protocol):
    """A PostgreSQL that runs calls, from threads."""

    def open(self) -> None:
        """Connect; raises Unavailable, or InvalidSettings if the address is wrong."""

    def close(self) -> None:
        """Give all connections back."""

    def rows(self, call: Call[R], *, tx: object = None, timeout_s: float | None = None) -> list[R]:
        """All rows of the call; on the user's own connection, in its transaction, if `tx` is given."""

    def transaction(self) -> AbstractContextManager[Any]:
        """A connection of ours inside a transaction: committed at the end, rolled back by an exception."""
