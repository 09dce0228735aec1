"""Concurrent sends share commits, and none of them notices."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest
from tests.proxy import Proxy

from hanjul import ConnectionLost, Database, InvalidMessage, QueueNotFound, Queues


@pytest.fixture
async def mail(dsn: str) -> AsyncIterator[Queues]:
    async with Queues(Database(dsn)) as queues:
        await queues.create("mail")
        yield queues


async def test_fifty_concurrent_senders_share_one_commit(mail: Queues, sql: Callable[..., Any]) -> None:
    ids = await asyncio.gather(*[mail.send("mail", n) for n in range(50)])

    stored = dict(sql("select msg_id, message from pgmq.q_mail"))
    assert [stored[msg_id] for msg_id in ids] == list(range(50))
    assert sql("select count(distinct xmin::text) from pgmq.q_mail") == [(1,)]


async def test_a_lone_send_is_sent_at_once(mail: Queues, sql: Callable[..., Any]) -> None:
    for n in range(3):
        await mail.send("mail", n)

    assert sql("select count(distinct xmin::text) from pgmq.q_mail") == [(3,)]


async def test_a_send_returns_only_when_others_can_see_it(mail: Queues, sql: Callable[..., Any]) -> None:
    async def seen(n: int) -> bool:
        msg_id = await mail.send("mail", n)
        return bool(await asyncio.to_thread(sql, "select 1 from pgmq.q_mail where msg_id = %s", msg_id))

    assert all(await asyncio.gather(*[seen(n) for n in range(20)]))


async def test_a_send_waits_for_its_own_commit(mail: Queues, dsn: str) -> None:
    with psycopg.connect(dsn) as other:
        other.execute("lock table pgmq.q_mail in share mode")
        sending = asyncio.gather(*[mail.send("mail", n) for n in range(5)])
        await _blocked(dsn)
        assert not sending.done()

    assert len(await sending) == 5


async def test_a_bad_message_among_them_fails_alone(mail: Queues, sql: Callable[..., Any]) -> None:
    messages: list[Any] = [*range(49)]
    messages[7:7] = ["a\x00b"]

    results = await asyncio.gather(*[mail.send("mail", message) for message in messages], return_exceptions=True)

    assert [n for n, result in enumerate(results) if isinstance(result, BaseException)] == [7]
    assert isinstance(results[7], InvalidMessage)
    assert sorted(message for (message,) in sql("select message from pgmq.q_mail")) == [*range(49)]


async def test_senders_to_a_missing_queue_do_not_fail_those_to_another(mail: Queues) -> None:
    results = await asyncio.gather(*[mail.send(["mail", "none"][n % 2], n) for n in range(10)], return_exceptions=True)

    assert [type(result) for result in results] == [int, QueueNotFound] * 5


async def test_a_cancelled_sender_that_still_waits_has_sent_nothing_and_harms_nobody(
    mail: Queues, dsn: str, sql: Callable[..., Any]
) -> None:
    with psycopg.connect(dsn) as other:
        other.execute("lock table pgmq.q_mail in share mode")
        first = asyncio.create_task(mail.send("mail", "first"))
        await _blocked(dsn)
        others = [asyncio.create_task(mail.send("mail", n)) for n in range(5)]
        await asyncio.sleep(0)
        others[2].cancel()

    results = await asyncio.gather(first, *others, return_exceptions=True)

    assert [type(result) for result in results] == [int, int, int, asyncio.CancelledError, int, int]
    assert [message for (message,) in sql("select message from pgmq.q_mail order by msg_id")] == ["first", 0, 1, 3, 4]


async def test_a_cancelled_sender_whose_statement_is_under_way_takes_nobody_with_it(mail: Queues, dsn: str) -> None:
    with psycopg.connect(dsn) as other:
        other.execute("lock table pgmq.q_mail in share mode")
        senders = [asyncio.create_task(mail.send("mail", n)) for n in range(3)]
        await _blocked(dsn)
        senders[0].cancel()

    results = await asyncio.gather(*senders, return_exceptions=True)

    assert [type(result) for result in results] == [asyncio.CancelledError, int, int]
    assert await mail.send("mail", "next")


async def test_closing_waits_for_what_is_being_sent(dsn: str, sql: Callable[..., Any]) -> None:
    queues = Queues(Database(dsn))
    await queues.open()
    await queues.create("mail")
    senders = [asyncio.create_task(queues.send("mail", n)) for n in range(10)]
    await asyncio.sleep(0)

    await queues.close()

    assert len(await asyncio.gather(*senders)) == 10
    assert sql("select count(*) from pgmq.q_mail") == [(10,)]


async def test_all_senders_hear_of_a_lost_connection_and_later_ones_are_served(dsn: str) -> None:
    with Proxy(dsn) as link:
        async with Queues(Database(link.dsn, timeout_s=1.0)) as queues:
            await queues.create("mail")
            link.blackhole()

            results = await asyncio.gather(*[queues.send("mail", n) for n in range(20)], return_exceptions=True)
            link.heal()

            assert {type(result) for result in results} == {ConnectionLost}
            assert await queues.send("mail", "later")


async def test_large_messages_are_not_put_together_without_bound(mail: Queues, sql: Callable[..., Any]) -> None:
    await asyncio.gather(*[mail.send("mail", "x" * 400_000) for _ in range(7)])

    sizes = sql("select sum(length(message::text)) from pgmq.q_mail group by xmin::text")
    assert len(sizes) == 4
    assert max(size for (size,) in sizes) < 1 << 20


async def _blocked(dsn: str) -> None:
    """Return when a statement of hanjul waits for a lock."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        while not (await (await conn.execute(waits)).fetchone() or [0])[0]:
            await asyncio.sleep(0.01)
