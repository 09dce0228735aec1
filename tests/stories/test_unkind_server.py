"""A server that ends sessions, cancels statements, or has no room: workers go on, and notifications come back."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator

import psycopg
import pytest
from tests.stories.history import Books, History
from tests.stories.test_failing_links import send, worker

import hanjul
from hanjul.testing.waiting import pass_time, until

ROUNDS = int(os.environ.get("STORY_DISTURBANCES", "200"))


@pytest.fixture
async def books(dsn: str) -> AsyncIterator[Books]:
    async with hanjul.connect(dsn) as queues:
        await queues.create("mail")
    books = Books(dsn)
    yield books
    books.close()


@pytest.mark.parametrize("how", ["terminate", "cancel"])
async def test_sessions_and_statements_that_are_ended_at_random_cost_no_message(dsn: str, books: Books, how: str) -> None:
    history = History()
    await send(dsn, 400)

    async with worker(dsn, history, lease_s=3, takes_s=0.05, books=True):
        hits = 0
        for _ in range(ROUNDS):
            hits += books.disturb(how)
            await pass_time(0.01)
        await until(lambda: books.in_queue() == 0, within_s=40)
        await until(books.somebody_waits, within_s=5)

    history.check()
    books.check(sent=400)
    assert hits > ROUNDS / 2


async def test_after_all_sessions_ended_a_worker_listens_again_within_two_seconds(dsn: str, books: Books) -> None:
    history = History()
    async with worker(dsn, history, lease_s=30):
        await until(books.somebody_waits)

        for _ in range(20):
            books.disturb("terminate")
        await until(lambda: not books.somebody_waits())
        ended = time.monotonic()
        await until(books.somebody_waits)

        assert time.monotonic() - ended < 2


async def test_a_server_without_a_free_connection_is_waited_for(dsn: str, books: Books) -> None:
    history = History()
    await send(dsn, 50)
    async with worker(dsn, history, lease_s=30, takes_s=1, books=True) as app:
        await until(lambda: history.handlings)
        with contextlib.ExitStack() as others:
            for _ in range(20):
                books.disturb("terminate")
            end = time.monotonic() + 2
            while time.monotonic() < end:
                await asyncio.to_thread(fill, dsn, others)
            assert books.in_queue() > 0
        freed = time.monotonic()
        await until(lambda: books.in_queue() == 0, within_s=40)

        assert time.monotonic() - freed < 8
        assert app.consumers[0].counts.rejected == 0
    books.check(sent=50)


def fill(dsn: str, others: contextlib.ExitStack) -> None:
    """Take every connection that the server has left."""
    with contextlib.suppress(psycopg.OperationalError):
        while True:
            others.enter_context(contextlib.closing(psycopg.connect(dsn, application_name="others")))
