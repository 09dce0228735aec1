"""What belongs to no queue: done by one process, whichever leads; each tick once, however many lead."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from hanjul import App, Settings
from hanjul.drivers.maintenance import BUSY_BEAT_S, FIRST_BEAT_S, LISTENING_BEAT_S, POLLING_BEAT_S, Maintenance
from hanjul.jobs import Jobs
from hanjul.postgres import Database
from hanjul.testing.waiting import pass_time, until

Ask = Callable[..., list[Any]]


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    async with Database(dsn) as database:
        yield database


@pytest.fixture
def sql(dsn: str) -> Any:
    with psycopg.connect(dsn, autocommit=True) as connection:

        def sql(query: str, *args: Any) -> list[Any]:
            cursor = connection.execute(query, args or None)
            return cursor.fetchall() if cursor.description else []

        yield sql


def maintenance(database: Database, holder: str = "a", *, listening: bool = True, lease_s: float = 30.0) -> Maintenance:
    return Maintenance(database, holder, listening=lambda: listening, lease_s=lease_s, history_days=30)


@asynccontextmanager
async def working(*those: Maintenance) -> AsyncIterator[None]:
    for one in those:
        one.open()
    try:
        yield
    finally:
        for one in those:
            await one.close()


def lapse(sql: Ask) -> None:
    """Let the leader's lease end."""
    sql("update hanjul.leader set leased_until = clock_timestamp()")


def enqueued(sql: Ask) -> list[str]:
    """The ticks that have a job, in the order of the jobs."""
    return [tick for (tick,) in sql("select metadata ->> 'tick' from hanjul.job order by id")]


async def scheduled(jobs: Jobs, sql: Ask, *, ago: timedelta, cron: str = "* * * * * *", missed: Any = "all") -> datetime:
    """A schedule, the first of whose ticks came so long ago; that tick."""
    await jobs.schedules.set("clock", cron, "k", missed=missed)
    first = datetime.now(UTC).replace(microsecond=0) - ago
    sql("update hanjul.schedule set since = %s, next_tick = %s", first - timedelta(seconds=1), first)
    return first


# Who leads


async def test_one_of_several_leads_and_another_when_it_stops(database: Database) -> None:
    first, second = maintenance(database, "a"), maintenance(database, "b")
    await first.beat()
    await second.beat()
    assert (first.leads, second.leads) == (True, False)

    await first.close()
    await second.beat()

    assert (first.leads, second.leads) == (False, True)
    await second.close()


async def test_who_hangs_loses_the_lead_and_learns_of_it(database: Database, sql: Ask) -> None:
    hung, other = maintenance(database, "a"), maintenance(database, "b")
    await hung.beat()
    lapse(sql)
    await other.beat()

    await hung.beat()

    assert (hung.leads, other.leads) == (False, True)
    await hung.close()
    await other.beat()
    assert other.leads
    await other.close()


async def test_who_stops_before_it_hears_that_it_leads_lets_another_lead(
    database: Database, sql: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = database.rows

    async def answer_late(call: Any, **how: Any) -> Any:
        answer = await ask(call, **how)
        await pass_time(0 if call.function == "hanjul.resign" else 60)
        return answer

    monkeypatch.setattr(database, "rows", answer_late)
    one = maintenance(database)
    async with working(one):
        await until(lambda: sql("select holder from hanjul.leader") == [("a",)])
        assert not one.leads

    assert sql("select holder from hanjul.leader") == []


@pytest.mark.parametrize(("listening", "beat_s"), [(True, LISTENING_BEAT_S), (False, POLLING_BEAT_S)])
async def test_an_idle_process_asks_seldom_and_before_a_leaders_lease_ends(
    database: Database, listening: bool, beat_s: float
) -> None:
    leader, other = maintenance(database, "a", listening=listening), maintenance(database, "b", listening=listening)

    assert (await leader.beat(), await other.beat()) == (beat_s, beat_s)

    await leader.close()
    assert beat_s < 15


async def test_a_beat_that_fails_is_told_once_and_made_again(
    database: Database, sql: Ask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanjul.drivers.maintenance.LISTENING_BEAT_S", 0.02)
    sql("alter table hanjul.leader rename to lost")
    one = maintenance(database)

    with caplog.at_level(logging.WARNING, "hanjul.maintenance"):
        async with working(one):
            await until(lambda: caplog.records)
            await pass_time(0.3)
            sql("alter table hanjul.lost rename to leader")
            await until(lambda: one.leads)

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "leading: " in caplog.text


async def test_a_role_that_may_not_lead_is_told_so_and_leaves_it_to_others(
    dsn: str, sql: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    address, role = urlsplit(dsn), f"stranger_{urlsplit(dsn).path[1:]}"
    sql(f"create role {role} login password 'sesame'")
    sql(f"grant usage on schema hanjul to {role}")
    url = address._replace(netloc=f"{role}:sesame@{address.hostname}:{address.port}").geturl()
    try:
        async with Database(url) as database, working(maintenance(database)):
            await until(lambda: "permission denied" in caplog.text)
    finally:
        sql(f"drop owned by {role}; drop role {role}")

    assert sql("select holder from hanjul.leader") == []


# Schedules


async def test_two_leaders_at_once_enqueue_each_tick_once(dsn: str, jobs: Jobs, sql: Ask) -> None:
    first = await scheduled(jobs, sql, ago=timedelta(seconds=25))
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(Database(dsn)) for _ in range(4)]
        leaders = [maintenance(database, str(number)) for number, database in enumerate(databases)]
        for _ in range(8):
            await asyncio.gather(*[leader.tick() for leader in leaders])
            await pass_time(0.2)

    ticks = enqueued(sql)
    assert ticks == [(first + timedelta(seconds=n)).strftime("%Y-%m-%dT%H:%M:%SZ") for n in range(len(ticks))]
    assert len(ticks) >= 26


async def test_a_tick_is_enqueued_by_whoever_leads_when_its_moment_comes(database: Database, jobs: Jobs, sql: Ask) -> None:
    await jobs.schedules.set("clock", "* * * * * *", "k")
    one, other = maintenance(database, "a"), maintenance(database, "b")
    async with working(one, other):
        await until(lambda: len(enqueued(sql)) >= 3)

    ticks = [datetime.fromisoformat(tick) for tick in enqueued(sql)]
    assert {later - earlier for earlier, later in pairwise(ticks)} == {timedelta(seconds=1)}
    [(late_s,)] = sql(
        "select max(extract(epoch from created_at - (metadata ->> 'tick')::timestamptz))::float from hanjul.job offset 0"
    )
    assert late_s < 5


@pytest.mark.parametrize(("missed", "made_up_for"), [("skip", 0), ("once", 1), ("all", 3)])
async def test_ticks_that_nobody_was_there_for_are_made_up_for_as_the_schedule_says(
    database: Database, jobs: Jobs, sql: Ask, missed: str, made_up_for: int
) -> None:
    moment = datetime.now(UTC) - timedelta(hours=3)
    await scheduled(jobs, sql, ago=timedelta(hours=3), cron=f"{(moment.minute - 5) % 60} * * * *", missed=missed)

    await maintenance(database).tick()

    assert len(enqueued(sql)) == made_up_for
    [schedule] = await jobs.schedules.list()
    assert schedule.next_tick is not None
    assert schedule.next_tick > datetime.now(UTC)


async def test_a_schedule_written_in_sql_that_cannot_run_is_told_of_and_holds_up_no_other(
    database: Database, jobs: Jobs, sql: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    sql("select hanjul.set_schedule('broken', '0 0 30 2 *', 'k')")
    sql("select hanjul.set_schedule('abbreviated', '@daily', 'k', timezone => 'EST5EDT4')")
    await scheduled(jobs, sql, ago=timedelta(seconds=0))
    sql("update hanjul.schedule set next_tick = null where name <> 'clock'")

    assert await maintenance(database).tick()

    found = {schedule.name: schedule.problem for schedule in await jobs.schedules.list()}
    assert "'0 0 30 2 *' is not a cron expression: bad day-of-month" in str(found["broken"])
    assert "is not the name of a time zone" in str(found["abbreviated"])
    assert enqueued(sql)  # one, or two on a slow machine: it ticks every second
    assert "schedule 'broken' cannot run" in caplog.text


async def test_a_tick_that_cannot_be_enqueued_is_told_of_waits_and_holds_up_no_other(
    database: Database, jobs: Jobs, sql: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    await scheduled(jobs, sql, ago=timedelta(seconds=0))
    sql("select hanjul.set_schedule('bad', '* * * * * *', 'k')")
    sql("update hanjul.schedule set kind = '', since = since - interval '1 minute' where name = 'bad'")
    one = maintenance(database)

    assert await one.beat() == LISTENING_BEAT_S

    assert "schedule 'bad': kind must be text of 1 to 200 characters" in caplog.text
    assert len(enqueued(sql)) == 1
    await one.close()


async def test_the_next_beat_is_at_the_next_tick(database: Database, jobs: Jobs, sql: Ask) -> None:
    await jobs.schedules.set("clock", "@daily", "k")
    one = maintenance(database)
    assert await one.beat() == FIRST_BEAT_S
    sql("update hanjul.schedule set next_tick = clock_timestamp() + interval '2 seconds'")

    assert 1 < await one.beat() <= 2

    await one.close()


# What else the leader does


async def test_counts_are_rolled_up_while_jobs_move(database: Database, jobs: Jobs, sql: Ask) -> None:
    await jobs.enqueue("k")
    one = maintenance(database)

    assert await one.beat() == BUSY_BEAT_S

    assert sql("select n from hanjul.job_count") == [(1,)]
    assert sql("select 1 from hanjul.job_flow") == []
    assert await one.beat() == LISTENING_BEAT_S
    await one.close()


async def test_the_leader_makes_days_prunes_history_and_rescues_jobs_that_nobody_asks_for(
    database: Database, jobs: Jobs, sql: Ask
) -> None:
    sql("select hanjul._make_day('2020-02-29')")
    job = await jobs.enqueue("k", max_retries=0)
    sql("select hanjul.fetch_next_job('gone')")
    sql("update hanjul.job set leased_until = clock_timestamp()")
    one = maintenance(database)
    async with working(one):
        await until(lambda: sql("select to_regclass('hanjul.job_history_20200229')") == [(None,)])

    assert sql("select to_regclass(hanjul._day((now() at time zone 'UTC')::date + 3)) is not null") == [(True,)]
    assert (await job.get()).error_message == "worker gone let the lease of attempt 1 end"
    assert (await job.get()).status == "failed"


async def test_chores_rest_between_two_times_and_longer_when_they_cost_much(database: Database, sql: Ask) -> None:
    one = maintenance(database, lease_s=1.0)
    rescue = one._chores[1]
    assert rescue.every_s == 5.0  # the shortest there is

    async def slow(_call: Any, _timeout_s: float | None = None) -> list[int]:
        await pass_time(0.2)
        return [0]

    one._ask = slow  # type: ignore[method-assign]
    began = time.monotonic()
    await one._do([rescue])

    assert rescue.due_at - began >= 50 * 0.2


async def test_the_leader_drops_one_day_after_another_and_forgets_the_keys_of_their_jobs(
    database: Database, sql: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanjul.drivers.maintenance.LISTENING_BEAT_S", 0.05)
    monkeypatch.setattr("hanjul.drivers.maintenance.BUSY_BEAT_S", 0.05)
    monkeypatch.setattr("hanjul.drivers.maintenance.CHORES_SHARE", 1)
    monkeypatch.setattr("hanjul.drivers.maintenance.KEYS_AT_ONCE", 2)
    sql("select hanjul.enqueue_job('k', unique_key => 'waits')")
    sql("select hanjul._make_day('2020-02-27'), hanjul._make_day('2020-02-28'), hanjul._make_day('2020-02-29')")
    sql("insert into hanjul.job_unique select 'gone ' || n, gen_random_uuid(), now() from generate_series(1, 5) n")
    sql("update hanjul.job_unique set created_at = '2020-02-28'")
    async with working(maintenance(database)):
        await until(lambda: sql("select 1 from pg_inherits where inhrelid::regclass::text ~ '_2020'") == [])
        await until(lambda: sql("select unique_key from hanjul.job_unique") == [("waits",)])


async def test_an_app_with_jobs_takes_its_part_and_leaves_when_it_stops(app: App, sql: Ask) -> None:
    @app.cron("* * * * * *")
    @app.job("k")
    async def k(_payload: Any) -> None: ...

    async with app:
        await until(lambda: sql("select 1 from hanjul.job_history where status = 'completed'"))
        assert len(sql("select 1 from hanjul.leader")) == 1

    assert sql("select 1 from hanjul.leader") == []


async def test_an_app_keeps_history_for_as_long_as_is_set(dsn: str, sql: Ask) -> None:
    app = App(config=Settings(database_url=dsn, history_days=7))
    sql("select hanjul.enqueue_job('k', queue => 'old'), hanjul.enqueue_job('k', queue => 'new')")
    sql("select hanjul.cancel_job(id) from hanjul.job")
    sql("update hanjul.job_history set completed_at = now() - interval '8 days' where queue = 'old'")

    @app.job("other")
    async def other(_payload: Any) -> None: ...

    async with app:
        await until(lambda: sql("select queue from hanjul.job_history") == [("new",)])


# What it costs

QUERIES = """
    select pid, query_start from pg_stat_activity
    where datname = current_database() and application_name = 'hanjul' and query_start > %s"""


@pytest.mark.parametrize("listen", [True, False], ids=["listening", "polling"])
async def test_an_idle_host_of_workers_costs_less_than_one_query_a_second(dsn: str, sql: Ask, listen: bool) -> None:
    app = App(config=Settings(database_url=dsn, listen=listen))
    for number in range(5):
        app.job(f"idle_{number}", queue=f"q_{number}")(_idle)
    app.schedule("@yearly", "idle_1")
    watch_s, queries = 10.0, set()
    async with app:
        await pass_time(4)  # until they have become idle
        [(begun,)] = sql("select clock_timestamp()")
        watched_from = time.monotonic()
        while time.monotonic() < watched_from + watch_s:
            queries.update(sql(QUERIES, begun))
            await pass_time(0.02)
        watched_s = time.monotonic() - watched_from

    begun_at = sorted(at.timestamp() for _, at in queries)  # each part of one question (parse, bind, execute) begins anew
    asked = [at for before, at in pairwise([0.0, *begun_at]) if at - before > 0.05]
    assert len(asked) <= watched_s


async def _idle(_payload: Any) -> None: ...
