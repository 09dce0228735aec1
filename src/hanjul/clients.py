"""Clients on the right PostgreSQL: the address that is given, DATABASE_URL, or the embedded server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from hanjul.config import Settings, settings
from hanjul.postgres import Database, DatabaseSync
from hanjul.queues import Queues, QueuesSync


@contextmanager
def address(config: Settings) -> Iterator[str]:
    """The PostgreSQL to use: the one that is set, or the embedded one, started and migrated, while the block runs."""
    if config.database_url is not None:
        yield config.database_url
        return
    from hanjul.local import local_address  # only here: a worker with a database of its own need not carry it

    with local_address(config) as found:
        yield found


@asynccontextmanager
async def connect(url: str | None = None, *, config: Settings | None = None) -> AsyncIterator[Queues]:
    """A queue client on `url`, DATABASE_URL, or the embedded PostgreSQL: `async with hanjul.connect() as queues`."""
    config = configured(url, config)
    async with address_async(config) as found:
        database = Database(found, max_connections=config.max_connections)
        async with Queues(database, max_message_bytes=config.max_message_bytes) as queues:
            yield queues


@contextmanager
def connect_sync(url: str | None = None, *, config: Settings | None = None) -> Iterator[QueuesSync]:
    """The same for threads: `with hanjul.connect_sync() as queues`."""
    config = configured(url, config)
    with address(config) as found:
        database = DatabaseSync(found, max_connections=config.max_connections)
        with QueuesSync(database, max_message_bytes=config.max_message_bytes) as queues:
            yield queues


@asynccontextmanager
async def address_async(config: Settings) -> AsyncIterator[str]:
    """`address`, without holding up the event loop while a server starts."""
    manager = address(config)
    found = await asyncio.to_thread(manager.__enter__)
    try:
        yield found
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


def configured(url: str | None, config: Settings | None) -> Settings:
    """The settings that apply, with `url` as the database if it is given."""
    config = config or settings()
    if url is None:
        return config
    return Settings(**{name: getattr(config, name) for name in Settings.__struct_fields__} | {"database_url": url})
