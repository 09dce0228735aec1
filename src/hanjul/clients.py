"""Clients on the right PostgreSQL: the address that is given, DATABASE_URL, or the embedded server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import msgspec

from hanjul.config import Settings, settings
from hanjul.postgres import Database
from hanjul.queues import Queues

if TYPE_CHECKING:
    from hanjul.jobs.client import Jobs
    from hanjul.jobs.client_sync import JobsSync
    from hanjul.net.client import Http
    from hanjul.net.client_sync import HttpSync
    from hanjul.queues.client_sync import QueuesSync


@contextmanager
def address(config: Settings) -> Iterator[str]:
    """The PostgreSQL to use: the one that is set, or the embedded one, while the block runs; whatever its schema."""
    if config.database_url is not None:
        yield config.database_url
        return
    from hanjul.local import local_address  # only here: a worker with a database of its own need not carry it

    with local_address(config) as found:
        yield found


@contextmanager
def migrated_address(config: Settings) -> Iterator[str]:
    """The same, for those who use it: the embedded one has our schema. Another is its owner's to migrate."""
    with address(config) as found:
        if config.database_url is None:
            from hanjul.postgres.migrate import ensure_current

            ensure_current(found)
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
def connect_sync(url: str | None = None, *, config: Settings | None = None) -> "Iterator[QueuesSync]":
    """The same for threads: `with hanjul.connect_sync() as queues`."""
    from hanjul.postgres.database_sync import DatabaseSync  # only here: who is async need not carry the twins
    from hanjul.queues.client_sync import QueuesSync

    config = configured(url, config)
    with migrated_address(config) as found:
        database = DatabaseSync(found, max_connections=config.max_connections)
        with QueuesSync(database, max_message_bytes=config.max_message_bytes) as queues:
            yield queues


@asynccontextmanager
async def connect_jobs(url: str | None = None, *, config: Settings | None = None) -> "AsyncIterator[Jobs]":
    """A job client on `url`, DATABASE_URL, or the embedded PostgreSQL: `async with hanjul.connect_jobs() as jobs`."""
    from hanjul.jobs.client import Jobs  # only here: who has no jobs need not carry them

    config = configured(url, config)
    async with address_async(config) as found:
        database = Database(found, max_connections=config.max_connections)
        async with Jobs(database, max_retries=config.max_retries, max_payload_bytes=config.max_message_bytes) as jobs:
            yield jobs


@contextmanager
def connect_jobs_sync(url: str | None = None, *, config: Settings | None = None) -> "Iterator[JobsSync]":
    """The same for threads: `with hanjul.connect_jobs_sync() as jobs`."""
    from hanjul.jobs.client_sync import JobsSync
    from hanjul.postgres.database_sync import DatabaseSync

    config = configured(url, config)
    with migrated_address(config) as found:
        database = DatabaseSync(found, max_connections=config.max_connections)
        with JobsSync(database, max_retries=config.max_retries, max_payload_bytes=config.max_message_bytes) as jobs:
            yield jobs


@asynccontextmanager
async def connect_http(url: str | None = None, *, config: Settings | None = None) -> "AsyncIterator[Http]":
    """An HTTP client on `url`, DATABASE_URL, or the embedded PostgreSQL: `async with hanjul.connect_http() as http`."""
    from hanjul.net.client import Http  # only here: who sends none need not carry them

    config = configured(url, config)
    async with address_async(config) as found:
        database = Database(found, max_connections=config.max_connections)
        async with Http(database, max_body_bytes=config.max_message_bytes) as http:
            yield http


@contextmanager
def connect_http_sync(url: str | None = None, *, config: Settings | None = None) -> "Iterator[HttpSync]":
    """The same for threads: `with hanjul.connect_http_sync() as http`."""
    from hanjul.net.client_sync import HttpSync
    from hanjul.postgres.database_sync import DatabaseSync

    config = configured(url, config)
    with migrated_address(config) as found:
        database = DatabaseSync(found, max_connections=config.max_connections)
        with HttpSync(database, max_body_bytes=config.max_message_bytes) as http:
            yield http


@asynccontextmanager
async def address_async(config: Settings) -> AsyncIterator[str]:
    """`migrated_address`, without holding up the event loop while a server starts."""
    if config.database_url is not None:
        yield config.database_url
        return
    manager = migrated_address(config)
    entering = asyncio.ensure_future(asyncio.to_thread(manager.__enter__))
    try:
        yield await asyncio.shield(entering)
    finally:
        await asyncio.wait({entering})  # broken off or not, the thread attaches to the server: leave it again
        if entering.exception() is None:
            await asyncio.to_thread(manager.__exit__, None, None, None)


def configured(url: str | None, config: Settings | None) -> Settings:
    """The settings that apply, with `url` as the database if it is given."""
    config = config or settings()
    if url is None:
        return config
    return msgspec.structs.replace(config, database_url=url)
