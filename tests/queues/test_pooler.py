"""Consumers behind a transaction pooler: notifications do not pass, so they poll there, or listen on a direct address."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

from hanjul import App, Database, Job, Queues, Settings

WAIT_LOCKS = "select count(*) from pg_locks where locktype = 'advisory' and classid = 1751215722 and database = (%s)::oid"
OID = "select oid from pg_database where datname = current_database()"


async def _handled(app: App, sql: Callable[..., Any]) -> tuple[list[float], int]:
    """Seconds from sending to handling of messages to an idle consumer, and how many wait locks were held meanwhile."""
    handled: asyncio.Queue[int] = asyncio.Queue()

    @app.consumer("mail")
    async def handle(body: int) -> None:
        await handled.put(body)

    [(database,)] = sql(OID)
    delays, locks = [], 0
    async with asyncio.timeout(30), app:
        for n in range(3):
            await app.queues.send("mail", n)
            assert await handled.get() == n
        for n in range(3):
            deadline = time.monotonic() + 1.0  # long enough for polling to have slowed down
            while time.monotonic() < deadline:
                locks = max(locks, sql(WAIT_LOCKS, database)[0][0])
                await asyncio.sleep(0.05)
            began = time.monotonic()
            await app.queues.send("mail", n)
            await handled.get()
            delays.append(time.monotonic() - began)
    return delays, locks


async def test_behind_a_pooler_a_consumer_says_that_it_polls_and_takes_no_session_lock(
    pooled_dsn: str, sql: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    sql("select pgmq.create('mail')")

    with caplog.at_level(logging.WARNING, "hanjul"):
        delays, locks = await _handled(App(pooled_dsn, config=Settings()), sql)

    assert max(delays) < 2.0
    assert locks == 0
    assert "notifications do not arrive through this connection (a transaction pooler?)" in caplog.text


async def test_with_a_direct_address_to_listen_on_a_consumer_is_woken(
    pooled_dsn: str, dsn: str, sql: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    sql("select pgmq.create('mail')")

    with caplog.at_level(logging.WARNING, "hanjul"):
        delays, locks = await _handled(App(pooled_dsn, config=Settings(listen_url=dsn)), sql)

    assert sorted(delays)[1] < 0.5
    assert locks == 1
    assert caplog.text == ""


async def test_many_clients_share_the_poolers_few_connections(pooled_dsn: str, sql: Callable[..., Any]) -> None:
    sql("select pgmq.create('mail')")

    async def client(n: int) -> list[int]:
        async with Queues(Database(pooled_dsn, max_connections=3)) as queues:
            return [await queues.send("mail", [n, m]) for m in range(10)]

    ids = [msg_id for some in await asyncio.gather(*[client(n) for n in range(10)]) for msg_id in some]

    assert sorted(ids) == list(range(1, 101))


async def test_behind_a_pooler_one_of_two_apps_leads_and_each_tick_is_enqueued_once(
    pooled_dsn: str, sql: Callable[..., Any]
) -> None:
    apps = [App(pooled_dsn, config=Settings()) for _ in range(2)]
    ran: list[str] = []

    async def tick(job: Job[Any]) -> None:
        ran.append(job.metadata["tick"])

    for app in apps:
        app.cron("* * * * * *")(tick)
        app.job("tick")(tick)
    async with asyncio.timeout(30), apps[0], apps[1]:
        while len(ran) < 4:
            await asyncio.sleep(0.05)
        [(leaders,)] = sql("select count(*) from hanjul.leader where leased_until > now()")

    assert leaders == 1
    assert len(set(ran)) == len(ran)
