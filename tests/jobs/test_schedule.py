"""Schedules: when their ticks are, across changes of the clock, and what becomes of those that were missed."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hanjul import App, BadInput, InvalidSettings, JobsSync, Unique
from hanjul.jobs import Jobs
from hanjul.jobs.schedule import ALIASES, Cron, Due, next_ticks
from hanjul.postgres.database_sync import DatabaseSync

NEW_YORK = "America/New_York"  # 2026: put forward on March 8th at 2:00, back on November 1st at 2:00
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def local(cron: str, timezone: str, after: str, count: int = 3) -> list[str]:
    """The next ticks as a clock on the wall shows them, with its distance from UTC."""
    moment = datetime.fromisoformat(after)
    return [
        tick.astimezone(ZoneInfo(timezone)).strftime("%d %H:%M:%S%z")
        for tick in next_ticks(cron, timezone, after=moment, count=count)
    ]


# Expressions


@pytest.mark.parametrize(
    ("cron", "ticks"),
    [
        ("*/5 * * * *", ["21 12:05", "21 12:10", "21 12:15"]),
        ("30 9-17 * * MON-FRI", ["23 09:30", "23 10:30", "23 11:30"]),
        ("0 0 L * *", ["30 00:00", "31 00:00", "31 00:00"]),
        ("0 8 * * MON#2", ["14 08:00", "11 08:00", "08 08:00"]),
        ("0 0 13 * 5", ["27 00:00", "04 00:00", "11 00:00"]),
        ("@hourly", ["21 13:00", "21 14:00", "21 15:00"]),
        ("@daily", ["22 00:00", "23 00:00", "24 00:00"]),
        ("@Weekly", ["22 00:00", "29 00:00", "06 00:00"]),
        ("@monthly", ["01 00:00", "01 00:00", "01 00:00"]),
    ],
)
def test_five_fields_and_aliases(cron: str, ticks: list[str]) -> None:
    assert [tick.strftime("%d %H:%M") for tick in next_ticks(cron, after=NOON, count=3)] == ticks


def test_six_fields_begin_with_seconds() -> None:
    assert [tick.second for tick in next_ticks("*/20 * * * * *", after=NOON, count=4)] == [20, 40, 0, 20]


def test_ticks_are_by_the_clock_of_the_time_zone() -> None:
    assert local("0 9 * * *", "Asia/Seoul", "2026-11-21T00:00:00+00:00", 2) == ["22 09:00:00+0900", "23 09:00:00+0900"]
    assert Cron("0 9 * * *", "Asia/Seoul").after(NOON) == datetime(2026, 11, 22, 0, 0, tzinfo=UTC)


BAD_CRONS = {
    "": "wrong number of fields",
    "* * * *": "wrong number of fields",
    "* * * * * * *": "wrong number of fields",
    "60 * * * *": "bad minute",
    "* 24 * * *": "bad hour",
    "* * 0 * *": "bad day-of-month",
    "* * * 13 *": "bad month",
    "* * * * 8": "bad day-of-week",
    "*/0 * * * *": "bad minute",
    "5-1 * * * *": "bad minute",
    "0 0 30 2 *": "bad day-of-month",
    "@reboot": "the names there are: @yearly",
    "٣ * * * *": "it must be ASCII text of at most 200 characters",
    "1," * 99 + "1 * * * *": "it must be ASCII text of at most 200 characters",
}


@pytest.mark.parametrize("cron", BAD_CRONS)
def test_what_is_no_cron_expression_is_refused_and_told(cron: str) -> None:
    with pytest.raises(BadInput) as refused:
        Cron(cron)

    assert BAD_CRONS[cron] in str(refused.value)
    assert "five fields" in str(refused.value)


@pytest.mark.parametrize("timezone", ["", "Mars/Base", "../etc/passwd", "Asia", "\0", None, 9])
def test_what_is_no_time_zone_is_refused(timezone: Any) -> None:
    with pytest.raises(BadInput, match="is not the name of a time zone, as Asia/Seoul is"):
        Cron("@daily", timezone)


@settings(deadline=None)
@given(st.text(st.sampled_from("0123456789*/-,LW# @MONh"), max_size=24))
def test_whatever_is_given_is_an_expression_that_ticks_or_is_refused(text: str) -> None:
    try:
        cron = Cron(text)
    except BadInput:
        return
    assert cron.after(NOON) > NOON


# Clocks put forward and back


def test_a_time_of_the_day_that_is_left_out_ticks_at_the_first_moment_after_the_gap() -> None:
    assert local("30 2 * * *", NEW_YORK, "2026-03-07T12:00:00+00:00") == [
        "08 03:00:00-0400",
        "09 02:30:00-0400",
        "10 02:30:00-0400",
    ]


def test_two_times_that_a_gap_makes_one_tick_once() -> None:
    assert local("0 2,3 * * *", NEW_YORK, "2026-03-07T12:00:00+00:00", 2) == ["08 03:00:00-0400", "09 02:00:00-0400"]


@pytest.mark.parametrize("after", ["2026-10-31T12:00:00+00:00", "2026-11-01T05:29:59+00:00"])
def test_a_time_of_the_day_that_comes_twice_ticks_at_the_first(after: str) -> None:
    assert local("30 1 * * *", NEW_YORK, after, 2) == ["01 01:30:00-0400", "02 01:30:00-0500"]


def test_between_the_two_a_time_of_the_day_does_not_tick_again() -> None:
    assert local("30 1 * * *", NEW_YORK, "2026-11-01T06:10:00+00:00", 1) == ["02 01:30:00-0500"]


@pytest.mark.parametrize("cron", ["*/30 * * * *", "0 */30 * * * *"])
def test_an_interval_goes_on_through_a_gap_and_through_an_hour_that_comes_twice(cron: str) -> None:
    assert local(cron, NEW_YORK, "2026-03-08T06:10:00+00:00") == ["08 01:30:00-0500", "08 03:00:00-0400", "08 03:30:00-0400"]
    assert local(cron, NEW_YORK, "2026-11-01T05:10:00+00:00", 4) == [
        "01 01:30:00-0400",
        "01 01:00:00-0500",
        "01 01:30:00-0500",
        "01 02:00:00-0500",
    ]


@settings(deadline=None)
@given(
    st.sampled_from(["30 2 * * *", "*/7 * * * *", "0 */2 * * *", "15,45 1-3 * * *", "59 30 * * * *", "0 0 1 * *"]),
    st.sampled_from([NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Seoul", "UTC"]),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    st.timedeltas(timedelta(0), timedelta(days=3)),
)
def test_the_same_ticks_are_found_from_wherever_one_looks(cron: str, timezone: str, since: datetime, later: timedelta) -> None:
    parsed = Cron(cron, timezone)
    until = since + timedelta(days=4)

    ticks = parsed.between(since, until)

    assert ticks == sorted(set(ticks))
    assert [tick for tick in ticks if tick > since + later] == parsed.between(since + later, until)
    assert parsed.newest(3, since, until) == ticks[-3:]


# Missed ticks


def due(
    missed: str,
    *,
    late_s: float = 0.0,
    cron: str = "0 * * * *",
    since_h: float = 100,
    next_tick_h: float | None = 5,
    bound: int = 3,
) -> Due:
    """A schedule whose leader looks late_s seconds after noon, and whose next tick was so many hours before."""
    at = NOON + timedelta(seconds=late_s)
    next_tick = None if next_tick_h is None else NOON - timedelta(hours=next_tick_h)
    return Due("n", cron, "UTC", missed, bound, at - timedelta(hours=since_h), next_tick, at)  # type: ignore[arg-type]  # as text


def hours(ticks: list[datetime]) -> list[int]:
    return [tick.hour for tick in ticks]


@pytest.mark.parametrize(
    ("missed", "late_s", "hours_enqueued"),
    [
        ("skip", 10, [12]),
        ("skip", 600, []),
        ("once", 10, [12]),
        ("once", 600, [12]),
        ("all", 10, [9, 10, 11, 12]),
        ("all", 600, [10, 11, 12]),
    ],
)
def test_missed_ticks_are_skipped_made_up_for_once_or_all_as_far_as_the_bound(
    missed: str, late_s: float, hours_enqueued: list[int]
) -> None:
    ticks, following = due(missed, late_s=late_s).ticks()

    assert hours(ticks) == hours_enqueued
    assert following == NOON + timedelta(hours=1)


@pytest.mark.parametrize("missed", ["skip", "once", "all"])
def test_ticks_that_come_in_quick_succession_are_all_enqueued_though_the_leader_is_a_little_late(missed: str) -> None:
    ticks, following = due(missed, cron="* * * * * *", next_tick_h=4 / 3600).ticks()

    assert ticks == [NOON - timedelta(seconds=s) for s in (4, 3, 2, 1, 0)]
    assert following == NOON + timedelta(seconds=1)


def test_a_new_schedule_ticks_after_it_was_made() -> None:
    assert due("all", since_h=0.5, next_tick_h=None).ticks() == ([NOON], NOON + timedelta(hours=1))
    assert due("all", late_s=600, since_h=0.1, next_tick_h=None).ticks() == ([], NOON + timedelta(hours=1))


def test_of_years_of_missed_seconds_the_newest_are_made_up_for() -> None:
    ticks, _ = due("all", late_s=0, cron="* * * * * *", next_tick_h=50_000, bound=100).ticks()

    assert len(ticks) == 100 + 30
    assert ticks[-1] == NOON


# The client


async def only(jobs: Jobs) -> Any:
    [schedule] = await jobs.schedules.list()
    return schedule


async def test_a_schedule_is_listed_as_it_was_set(jobs: Jobs) -> None:
    await jobs.schedules.set(
        "nightly", "0 3 * * *", "report", {"of": "all"}, tz="Asia/Seoul", missed="all", max_missed=7, queue="slow", priority=-1,
        max_retries=5, timeout_s=60, key="mine", metadata={"who": 1}, unique=Unique(payload=True, for_s=60),
    )  # fmt: skip

    found = await only(jobs)
    assert (found.name, found.cron, found.timezone, found.kind, found.payload) == (
        "nightly",
        "0 3 * * *",
        "Asia/Seoul",
        "report",
        {"of": "all"},
    )
    assert (found.missed, found.max_missed, found.queue, found.enabled, found.next_tick) == ("all", 7, "slow", True, None)
    assert found.options["metadata"] == {"who": 1}
    assert (found.options["priority"], found.options["max_retries"], found.options["timeout_s"]) == (-1, 5, 60)
    assert found.options["unique_for_s"] == 60


async def test_a_schedule_is_disabled_enabled_and_removed_by_its_name(jobs: Jobs) -> None:
    await jobs.schedules.set("nightly", "@daily", "report")

    assert await jobs.schedules.disable("nightly")
    assert not (await only(jobs)).enabled
    assert await jobs.schedules.enable("nightly")
    assert (await only(jobs)).enabled
    assert await jobs.schedules.remove("nightly")
    assert await jobs.schedules.list() == []
    assert [await jobs.schedules.enable("x"), await jobs.schedules.disable("x"), await jobs.schedules.remove("x")] == [False] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cron": "* * * *"}, "wrong number of fields"),
        ({"tz": "Mars/Base"}, "is not the name of a time zone"),
        ({"name": ""}, "name must be text of 1 to 200 characters"),
        ({"missed": "some"}, "missed must be skip, once or all"),
        ({"max_missed": 0}, "max_missed must be between 1 and 10000"),
        ({"queue": ""}, "queue must be text of 1 to 200 characters"),
        ({"max_retries": -1}, "max_retries must be between 0 and 1000"),
        ({"metadata": [1]}, "metadata of a schedule must be a JSON object"),
        ({"payload": float("nan")}, "nan is not a JSON number"),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(jobs: Jobs, arguments: dict[str, Any], message: str) -> None:
    await jobs.schedules.set("nightly", "@daily", "report")
    before = await jobs.schedules.list()

    with pytest.raises(BadInput, match=message):
        await jobs.schedules.set(**{"name": "nightly", "cron": "@hourly", "kind": "other", **arguments})

    assert await jobs.schedules.list() == before


async def test_a_schedule_is_set_and_removed_within_the_users_transaction(jobs: Jobs, dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn) as conn:
        await jobs.schedules.set("nightly", "@daily", "report", tx=conn)
        assert await jobs.schedules.list() == []
        await conn.commit()
        assert await jobs.schedules.remove("nightly", tx=conn)
        await conn.rollback()

    assert (await only(jobs)).name == "nightly"


def test_threads_have_the_same(dsn: str) -> None:
    with JobsSync(DatabaseSync(dsn)) as jobs:
        jobs.schedules.set("nightly", "@daily", "report")
        assert [schedule.cron for schedule in jobs.schedules.list()] == ["@daily"]
        assert jobs.schedules.remove("nightly")


# Declared by an app


async def test_an_app_declares_schedules_by_decorator_in_either_order_and_by_name(app: App) -> None:
    @app.cron("*/5 * * * *", tz="Asia/Seoul", missed="skip")
    @app.job("report", queue="slow", max_retries=1)
    async def report(_payload: Any) -> None: ...

    @app.job("tidy")
    @app.cron("@daily", name="tidy at night", payload={"deep": True})
    async def tidy(_payload: Any) -> None: ...

    app.schedule("@hourly", "elsewhere", [1], name="hourly", queue="far")
    async with app:
        found = {schedule.name: schedule for schedule in await app.jobs.schedules.list()}

    assert {name: (s.cron, s.timezone, s.kind, s.queue, s.payload, s.missed) for name, s in found.items()} == {
        "report": ("*/5 * * * *", "Asia/Seoul", "report", "slow", None, "skip"),
        "tidy at night": ("@daily", "UTC", "tidy", "default", {"deep": True}, "once"),
        "hourly": ("@hourly", "UTC", "elsewhere", "far", [1], "once"),
    }
    assert found["report"].options["max_retries"] == 1


def test_a_schedule_that_cannot_be_is_refused_where_it_is_declared(app: App) -> None:
    with pytest.raises(InvalidSettings, match=r"schedule of 'report': '\* \*' is not a cron expression"):
        app.schedule("* *", "report")
    with pytest.raises(InvalidSettings, match="is not the name of a time zone"):
        app.schedule("@daily", "report", tz="Mars/Base")
    with pytest.raises(InvalidSettings, match="missed must be skip, once or all, not 'zz'"):
        app.cron("@daily", missed="zz")(lambda payload: None)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(InvalidSettings, match="max_missed must be between 1 and 10000, not 0"):
        app.schedule("@daily", "report", max_missed=0)
    with pytest.raises(InvalidSettings, match="schedule of 'report': got an unexpected keyword argument 'bogus'"):
        app.schedule("@daily", "report", bogus=1)
    with pytest.raises(InvalidSettings, match="jobs need the postgres driver"):
        App(driver="memory").schedule("@daily", "report")


async def test_two_schedules_of_a_kind_need_names(app: App) -> None:
    app.schedule("@daily", "report")
    app.schedule("@weekly", "report")

    with pytest.raises(InvalidSettings, match="there are two schedules 'report': give each a name of its own"):
        await app.start()


async def test_a_function_that_is_no_job_is_not_scheduled(app: App) -> None:
    @app.cron("@daily")
    async def lost(_payload: Any) -> None: ...

    with pytest.raises(BadInput, match="is not declared as a job here"):
        await app.start()


def test_the_aliases_are_what_cron_knows() -> None:
    assert {
        alias: len(Cron(alias).between(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))) for alias in ALIASES
    } == {
        "@yearly": 1,
        "@annually": 1,
        "@monthly": 12,
        "@weekly": 52,
        "@daily": 365,
        "@hourly": 8760,
    }
