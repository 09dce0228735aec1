"""The queue client, async and sync, under one specification."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import psycopg
import pytest
from tests.pgbouncer import pgbouncer

from hanjul import Database, DatabaseSync, Queues, QueuesSync


class Awaited:
    """The sync client with the async client's face: each call runs in a thread."""

    def __init__(self, queues: object) -> None:
        self._queues = queues

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._queues, name)
        if not callable(method):
            return Awaited(method)

        async def call(*args: Any, **named: Any) -> Any:
            return await asyncio.to_thread(method, *args, **named)

        return call


@pytest.fixture(scope="session")
def pooler(server: str) -> Iterator[str]:
    """A transaction pooler before the server; its URL names no database of a test."""
    with pgbouncer(server) as url:
        yield url


@pytest.fixture
def pooled_dsn(pooler: str, dsn: str) -> str:
    """The test's own database, by way of the pooler."""
    return urlsplit(pooler)._replace(path=urlsplit(dsn).path).geturl()


@pytest.fixture(params=["async", "sync"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each test that asks for `queues` runs once for each kind of client."""
    return str(request.param)


@pytest.fixture
async def queues(kind: str, dsn: str, request: pytest.FixtureRequest) -> AsyncIterator[Queues]:
    """A client of the test's own database; `pooled`: through a transaction pooler."""
    if kind in {"async", "pooled"}:
        async with Queues(Database(request.getfixturevalue("pooled_dsn") if kind == "pooled" else dsn)) as queues:
            yield queues
    else:
        with QueuesSync(DatabaseSync(dsn)) as sync:
            yield cast("Queues", Awaited(sync))


@pytest.fixture
async def mail(queues: Queues) -> Queues:
    """The client of a database that has the queue `mail`."""
    await queues.create("mail")
    return queues


@pytest.fixture
def sql(dsn: str) -> Callable[..., list[Any]]:
    """The rows of a statement, on a connection of its own."""

    def rows(statement: str, *parameters: Any) -> list[Any]:
        with psycopg.connect(dsn, autocommit=True) as conn:
            cursor = conn.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else []

    return rows
