"""A call on a link that fails ends in bounded time with ConnectionLost, and the next one works."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pytest
from tests.proxy import Proxy

from hanjul import ConnectionLost, Database, DatabaseSync, Queues, QueuesSync, Unavailable
from hanjul.model.call import Call
from hanjul.postgres.alone import AloneConnection

TIMEOUT_S = 1.0


@contextmanager
def lasts(at_most_s: float, *, at_least_s: float = 0.0) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert at_least_s <= time.monotonic() - began < at_most_s


@pytest.fixture
def link(dsn: str) -> Iterator[Proxy]:
    with Proxy(dsn) as link:
        yield link


@pytest.fixture
async def queues(link: Proxy) -> AsyncIterator[Queues]:
    async with Queues(Database(link.dsn, timeout_s=TIMEOUT_S)) as queues:
        await queues.create("mail")
        yield queues


@pytest.fixture
def queues_sync(link: Proxy) -> Iterator[QueuesSync]:
    with QueuesSync(DatabaseSync(link.dsn, timeout_s=TIMEOUT_S)) as queues:
        queues.create("mail")
        yield queues


def _end_all(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
            "where application_name = 'hanjul' and datname = current_database()"
        )


async def _blocked(dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as conn:
        waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        while not (await (await conn.execute(waits)).fetchone() or [0])[0]:
            await asyncio.sleep(0.01)


async def test_connections_ended_between_calls_are_not_noticed(queues: Queues, dsn: str) -> None:
    await asyncio.gather(*[queues.metrics("mail") for _ in range(10)])

    _end_all(dsn)

    ids = await asyncio.gather(*[queues.send("mail", n) for n in range(10)], *[queues.send_batch("mail", [n]) for n in range(10)])
    assert len(ids) == 20


async def test_calls_one_after_the_other_share_one_connection(queues: Queues, link: Proxy) -> None:
    for n in range(5):
        await queues.send("mail", n)

    assert link.connections == 2  # the first looked at the server, and was closed


def test_connections_ended_between_blocking_calls_are_not_noticed(queues_sync: QueuesSync, dsn: str) -> None:
    queues_sync.send("mail", 1)

    _end_all(dsn)

    assert queues_sync.send("mail", 2) == 2


async def test_a_connection_ended_during_a_call_is_told_and_the_next_call_works(queues: Queues, dsn: str) -> None:
    with psycopg.connect(dsn) as other:
        other.execute("lock table pgmq.q_mail")
        sending = asyncio.create_task(queues.send("mail", 1))
        await _blocked(dsn)
        _end_all(dsn)

        with pytest.raises(ConnectionLost, match="terminating connection due to administrator command"):
            await sending

    assert await queues.send("mail", 2)


async def test_a_reset_during_a_call_is_told_at_once_and_the_next_call_works(queues: Queues, link: Proxy, dsn: str) -> None:
    with psycopg.connect(dsn) as other:
        other.execute("lock table pgmq.q_mail")
        sending = asyncio.create_task(queues.send("mail", 1))
        await _blocked(dsn)
        with lasts(0.5):
            await asyncio.to_thread(link.reset)
            with pytest.raises(ConnectionLost):
                await sending

    assert await queues.send("mail", 2)


async def test_what_may_be_repeated_is_repeated(queues: Queues, link: Proxy, dsn: str) -> None:
    await queues.send("mail", 1)
    with psycopg.connect(dsn) as other:
        other.execute("lock table pgmq.q_mail")
        reading = asyncio.create_task(queues.metrics("mail"))
        await _blocked(dsn)
        await asyncio.to_thread(link.reset)

    assert (await reading).queue_length == 1


CALLS: dict[str, Callable[[Any], Any]] = {
    "send": lambda queues: queues.send("mail", 1),
    "send_batch": lambda queues: queues.send_batch("mail", [1]),
    "read": lambda queues: queues.read("mail"),
    "delete": lambda queues: queues.delete("mail", 1),
    "metrics": lambda queues: queues.metrics("mail"),
}


@pytest.mark.parametrize("call", CALLS)
async def test_on_a_black_hole_a_call_ends_in_time_and_the_next_one_works(queues: Queues, link: Proxy, call: str) -> None:
    link.blackhole()
    with lasts(TIMEOUT_S + 0.7, at_least_s=TIMEOUT_S - 0.1), pytest.raises(ConnectionLost):
        await CALLS[call](queues)

    link.heal()

    await CALLS[call](queues)


@pytest.mark.parametrize("call", CALLS)
def test_on_a_black_hole_a_blocking_call_ends_in_time_and_the_next_one_works(
    queues_sync: QueuesSync, link: Proxy, call: str
) -> None:
    link.blackhole()
    with lasts(TIMEOUT_S + 0.7, at_least_s=TIMEOUT_S - 0.1), pytest.raises(ConnectionLost):
        CALLS[call](queues_sync)

    link.heal()

    CALLS[call](queues_sync)


async def test_cancelling_a_call_on_a_black_hole_returns_soon(link: Proxy) -> None:
    async with Queues(Database(link.dsn, timeout_s=30)) as queues:
        await queues.create("mail")
        link.blackhole()
        calls = [asyncio.create_task(queues.read("mail")), asyncio.create_task(queues.send("mail", 1))]
        await asyncio.wait(calls, timeout=0.1)

        with lasts(1.3):
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

        assert all(call.cancelled() for call in calls)
        link.reset()
        link.heal()
        assert await queues.read("mail", vt=0) is not None


async def test_a_timeout_around_a_call_on_a_black_hole_is_kept(link: Proxy) -> None:
    async with Queues(Database(link.dsn, timeout_s=30)) as queues:
        await queues.create("mail")
        link.blackhole()

        with lasts(2.3), pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await queues.read("mail")
        link.reset()


async def test_cancelling_a_call_ends_its_statement_and_keeps_its_connection(queues: Queues, link: Proxy, dsn: str) -> None:
    made = link.connections
    with psycopg.connect(dsn) as other:
        other.execute("lock table pgmq.q_mail")
        reading = asyncio.create_task(queues.read("mail"))
        await _blocked(dsn)

        with lasts(1.0):
            reading.cancel()
            await asyncio.wait({reading})

        [waiting] = other.execute("select count(*) from pg_locks where not granted and database is not null").fetchone() or [1]
        assert waiting == 0
    await queues.send("mail", 1)
    assert link.connections <= made + 1, "one for the cancel request, none to replace"


async def test_a_slow_link_is_only_slow(queues: Queues, link: Proxy) -> None:
    link.latency_s = 0.05

    with lasts(1.0, at_least_s=0.1):
        await queues.send("mail", 1)


async def test_swallowed_replies_leave_the_outcome_open(queues: Queues, link: Proxy) -> None:
    link.swallow_replies()

    with pytest.raises(ConnectionLost):
        await queues.send("mail", "perhaps")
    link.heal()

    assert [message.message for message in await queues.read("mail")] == ["perhaps"]


async def test_while_nobody_listens_calls_end_in_time_and_later_ones_work(queues: Queues, link: Proxy) -> None:
    link.refuse()
    with lasts(TIMEOUT_S + 0.7), pytest.raises(Unavailable):
        await queues.send("mail", 1)

    link.heal()

    async with asyncio.timeout(10):
        while True:
            try:
                assert await queues.send("mail", 1)
            except Unavailable:
                continue
            break


async def test_a_lone_connection_is_bounded_and_connects_again(link: Proxy) -> None:
    alone = AloneConnection(link.dsn)
    call = Call("pg_catalog.pg_backend_pid", {}, row=int)
    [first] = await asyncio.to_thread(alone.rows, call, 1.0)

    link.blackhole()
    with lasts(1.0, at_least_s=0.4), pytest.raises(ConnectionLost):
        await asyncio.to_thread(alone.rows, call, 0.5)
    link.heal()

    [second] = await asyncio.to_thread(alone.rows, call, 1.0)
    assert first != second
    alone.close()


async def test_many_deaths_lose_no_acknowledged_message(queues: Queues, dsn: str) -> None:
    sent: list[int] = []

    async def sender(name: int) -> None:
        for n in range(30):
            try:
                sent.append(await queues.send("mail", [name, n]))
            except ConnectionLost:
                continue

    async def killer() -> None:
        while True:
            await asyncio.to_thread(_end_all, dsn)
            await asyncio.sleep(0.02)

    killing = asyncio.create_task(killer())
    await asyncio.gather(*[sender(n) for n in range(5)])
    killing.cancel()
    await asyncio.wait({killing})

    stored = {message.msg_id for message in await queues.peek("mail", qty=1000)}
    assert set(sent) <= stored


async def test_a_server_that_dies_while_it_is_being_asked_at_the_start_is_told_as_any_other() -> None:
    async def dying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1024)  # the client's start; then: welcome, and I am ready
        writer.write(b"R" + (8).to_bytes(4) + (0).to_bytes(4) + b"Z" + (5).to_bytes(4) + b"I")
        await reader.read(1024)
        writer.close()

    async with await asyncio.start_server(dying, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]

        with pytest.raises(Unavailable):
            await Database(f"postgresql://u:p@127.0.0.1:{port}/d?sslmode=disable").open()


async def test_a_statement_that_is_broken_off_while_it_is_sent_is_broken_off(dsn: str) -> None:
    """Whatever moment it is caught in: begun again, psycopg's steps take a number and no None."""
    body = "x" * (20 << 20)
    async with Database(dsn) as database:
        for cutoff_s in [0.003 * n for n in range(1, 13)]:
            with suppress(TimeoutError):
                async with asyncio.timeout(cutoff_s), database.transaction() as conn:
                    await conn.execute("select length(%s)", [body])
        async with database.transaction() as conn:
            assert await (await conn.execute("select 1")).fetchone() == (1,)
