"""What only PostgreSQL promises: one transaction with the ack, wake-ups across processes, a quiet idle host."""

import time
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from tests.drivers.conftest import PostgresHarness

import hanjul
from hanjul.model.errors import AlreadySettled, LeaseLost
from hanjul.testing.driver_suite import QUEUE, consuming, sent
from hanjul.testing.handlers import Recorder
from hanjul.testing.waiting import pass_time, until


@pytest.fixture
def other(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    """Another process, as far as the database knows."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create table ledger (key int)")
        yield connection


def ledger(other: psycopg.Connection[Any]) -> list[Any]:
    return [key for (key,) in other.execute("select key from ledger").fetchall()]


async def test_writes_and_ack_commit_together(postgres: PostgresHarness, other: psycopg.Connection[Any]) -> None:
    await sent(postgres, 1)

    async def handler(message: hanjul.Delivery[int]) -> None:
        async with message.transaction() as conn:
            await conn.execute("insert into ledger values (%s)", [message.body])

    async with consuming(postgres.source(QUEUE), handler) as consumer:
        await until(lambda: consumer.counts.acked)

    assert (ledger(other), await postgres.size(QUEUE)) == ([0], 0)


async def test_a_handler_that_fails_inside_its_transaction_has_written_nothing_and_gets_the_message_again(
    postgres: PostgresHarness, other: psycopg.Connection[Any]
) -> None:
    await sent(postgres, 1)

    async def handler(message: hanjul.Delivery[int]) -> None:
        async with message.transaction() as conn:
            await conn.execute("insert into ledger values (%s)", [message.attempt])
            if message.attempt == 1:
                raise ValueError("after the write")

    async with consuming(postgres.source(QUEUE), handler, retry=hanjul.Retry(base_s=0.01)) as consumer:
        await until(lambda: consumer.counts.acked)

    assert ledger(other) == [2]


async def test_a_transaction_of_a_lost_lease_commits_nothing(postgres: PostgresHarness, other: psycopg.Connection[Any]) -> None:
    await sent(postgres, 1)
    told: list[LeaseLost] = []

    async def handler(message: hanjul.Delivery[int]) -> None:
        try:
            async with message.transaction() as conn:
                await conn.execute("insert into ledger values (%s)", [message.body])
                other.execute("select * from pgmq.set_vt(%s, %s, 0)", [QUEUE, message.id])
                other.execute("select * from pgmq.read(%s, 30, 1)", [QUEUE])
        except LeaseLost as error:
            told.append(error)

    async with consuming(postgres.source(QUEUE), handler, prefetch=1):
        await until(lambda: told)

    assert (ledger(other), await postgres.size(QUEUE)) == ([], 1)


async def test_a_transaction_settles_once(postgres: PostgresHarness) -> None:
    await sent(postgres, 1)
    refused: list[AlreadySettled] = []

    async def handler(message: hanjul.Delivery[int]) -> None:
        second = message.transaction()
        async with message.transaction():
            for again in (message.ack(), second.__aenter__()):
                with pytest.raises(AlreadySettled) as error:
                    await again
                refused.append(error.value)

    async with consuming(postgres.source(QUEUE), handler) as consumer:
        await until(lambda: consumer.counts.acked)

    assert len(refused) == 2


async def test_a_blocked_event_loop_still_extends_the_lease_in_the_database(
    postgres: PostgresHarness, other: psycopg.Connection[Any]
) -> None:
    await sent(postgres, 1)
    visible: list[bool] = []

    async def handler(_body: int) -> None:
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            [(seen,)] = other.execute(f"select vt <= clock_timestamp() from pgmq.q_{QUEUE}").fetchall()
            visible.append(seen)
            time.sleep(0.05)

    async with consuming(postgres.source(QUEUE), handler, lease_s=1) as consumer:
        await until(lambda: consumer.counts.acked)

    assert not any(visible)


async def test_a_delayed_message_of_another_process_is_noticed_when_it_is_due(
    postgres: PostgresHarness, other: psycopg.Connection[Any], listens: bool
) -> None:
    await postgres.create(QUEUE)
    handler = Recorder()
    async with consuming(postgres.source(QUEUE), handler):
        await pass_time(1)
        sent_at = time.monotonic()
        other.execute("select pgmq.send(%s, '1', 2)", [QUEUE])
        await until(lambda: handler.seen)

        assert 1.99 <= time.monotonic() - sent_at < (2.4 if listens else 3.4)


@pytest.mark.parametrize("listens", [True], indirect=True, ids=["listening"])
async def test_a_message_of_another_process_wakes_an_idle_consumer_at_once(
    postgres: PostgresHarness, other: psycopg.Connection[Any], listens: bool
) -> None:
    await postgres.create(QUEUE)
    handler, waits = Recorder(), []
    async with consuming(postgres.source(QUEUE), handler):
        for number in range(5):
            await pass_time(0.6)
            sent_at = time.monotonic()
            other.execute("select pgmq.send(%s, '1')", [QUEUE])
            await until(lambda number=number: len(handler.seen) > number)
            waits.append(time.monotonic() - sent_at)

    assert sorted(waits)[2] < 0.1


async def test_an_idle_host_costs_less_than_one_query_a_second(postgres: PostgresHarness, other: psycopg.Connection[Any]) -> None:
    names = [f"idle_{number}" for number in range(5)]
    for name in names:
        await postgres.create(name)
    consumers = [consuming(postgres.source(name), Recorder()) for name in names]
    for consumer in consumers:
        await consumer.__aenter__()
    await pass_time(3)  # until they have become idle

    [(begun,)] = other.execute("select clock_timestamp()").fetchall()
    queries: set[tuple[int, datetime]] = set()
    watched_from = time.monotonic()
    while time.monotonic() < watched_from + 5:
        queries.update(other.execute(QUERIES, [begun]).fetchall())
        await pass_time(0.02)

    watched_s = time.monotonic() - watched_from
    for consumer in consumers:
        await consumer.__aexit__(None, None, None)
    begun_at = sorted(at.timestamp() for _, at in queries)  # each part of one question (parse, bind, execute) begins anew
    asked = [at for before, at in pairwise([0.0, *begun_at]) if at - before > 0.1]
    assert len(asked) <= watched_s / 1.05 + 1  # as many as that time can hold of one every 1.05 s


QUERIES = """
    select pid, query_start from pg_stat_activity
    where datname = current_database() and application_name = 'hanjul' and query_start > %s
"""
"""The newest statement of each session of ours: looked at often, that is every statement of an idle host."""
