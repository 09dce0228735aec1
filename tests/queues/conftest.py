"""The queue client, async and sync, under one specification."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import psycopg
import pytest

from hanjul import Database, DatabaseSync, Queues, QueuesSync


class Awaited:
    """The sync client with the async client's face: each call runs in a thread."""

    def __init__(self, queues: QueuesSync) -> None:
        self._queues = queues

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._queues, name)

        async def call(*args: Any, **named: Any) -> Any:
            return await asyncio.to_thread(method, *args, **named)

        return call


@pytest.fixture(params=["async", "sync"])
async def queues(request: pytest.FixtureRequest, dsn: str) -> AsyncIterator[Queues]:
    """Each test that asks for this one runs twice."""
    if request.param == "async":
        async with Queues(Database(dsn)) as queues:
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
