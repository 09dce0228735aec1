"""Schedules and their leader, in SQL alone: each tick is enqueued once, whoever comes."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

SECOND = timedelta(seconds=1)
JOBS = "select kind, payload, queue, metadata from hanjul.job order by id"


def schedule(db, name="nightly"):
    [row] = db.rows(
        "select cron, timezone, kind, queue, missed, enabled, next_tick, last_tick, problem from hanjul.schedule where name = %s",
        name,
    )
    return row


@pytest.fixture
def nightly(db):
    """A schedule that was made two hours ago, and whose tick was due a minute ago; that tick."""
    db.run("select hanjul.set_schedule('nightly', '0 3 * * *', 'report', '{\"of\": \"all\"}', queue => 'slow')")
    tick = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)
    db.run("update hanjul.schedule set since = since - interval '2 hours', next_tick = %s", tick)
    return tick


def advance(session, seen, ticks, following, since="s.since"):
    return session.one(
        f"""select hanjul.advance_schedule(s.name, {since}, %s::timestamptz, %s::timestamptz[], %s::timestamptz)
            from hanjul.schedule s""",
        *(seen, ticks, following),
    )


def test_a_schedule_is_as_it_was_made_and_its_first_tick_is_for_the_leader_to_work_out(db):
    db.run("select hanjul.set_schedule('nightly', '@daily', 'report', timezone => 'Asia/Seoul', missed => 'skip')")

    assert schedule(db) == ("@daily", "Asia/Seoul", "report", "default", "skip", True, None, None, None)
    assert db.column("select name from hanjul.due_schedules()") == ["nightly"]


@pytest.mark.parametrize(
    "cron",
    [
        "*/5 9-17 1,15 * mon-fri",
        "0 0 L * *",
        "0 0 LW * *",
        "0 0 * JAN-Mar 5L",
        " 0 30 2 * * MON#2 ",
        "@Hourly",
        "05 00 01 01 0-7/2",
        "\n0 0 * * *\t",
        "@daily\n",
        "59 59 23 31 12 7",
    ],
)
def test_what_is_an_expression_is_taken(db, cron):
    db.run("select hanjul.set_schedule('n', %s, 'k')", cron)

    assert db.one("select cron from hanjul.list_schedules()") == cron


BAD_SCHEDULES = {
    "'', '@daily', 'k'": "name must be text of 1 to 200 characters, not ''",
    "null, '@daily', 'k'": "name must be text of 1 to 200 characters, not NULL",
    "'n', null, 'k'": "cron must have five fields",
    "'n', '', 'k'": "cron must have five fields",
    "'n', '* * * *', 'k'": "cron must have five fields, six with seconds first, or be one of @hourly, @daily",
    "'n', '* * * * * * *', 'k'": "cron must have five fields",
    "'n', '* * * * *; drop', 'k'": "cron must have five fields",
    "'n', repeat('1,', 150) || '1 * * * *', 'k'": "cron must have five fields",
    "'n', '60 * * * *', 'k'": "cron '60 * * * *': '60' is no minute",
    "'n', '* 1,24 * * *', 'k'": "'1,24' is no hour",
    "'n', '* * 0 * *', 'k'": "'0' is no day of month",
    "'n', '* * 1-32 * *', 'k'": "'1-32' is no day of month",
    "'n', '* * * FEV *', 'k'": "'FEV' is no month",
    "'n', '* * * * 8', 'k'": "'8' is no day of week",
    "'n', '* * * * MON#6', 'k'": "'MON#6' is no day of week",
    "'n', '99 * * * * *', 'k'": "'99' is no second",
    "'n', '*/0 * * * *', 'k'": "'*/0' is no minute",
    "'n', '1,,2 * * * *', 'k'": "'1,,2' is no minute",
    "'n', '@reboot', 'k'": "cron '@reboot': it is none of @hourly",
    "'n', '@daily', ''": "kind must be text of 1 to 200 characters, not ''",
    "'n', '@daily', null": "kind must be text of 1 to 200 characters, not NULL",
    "'n', '@daily', 'k', queue => ''": "queue must be text of 1 to 200 characters, not ''",
    "'n', '@daily', 'k', timezone => 'Mars/Base'": 'time zone "Mars/Base" not recognized',
    "'n', '@daily', 'k', timezone => null": "timezone must be the name of a time zone, like UTC or Asia/Seoul, not NULL",
    "'n', '@daily', 'k', missed => 'some'": "missed must be skip, once or all, not 'some'",
    "'n', '@daily', 'k', missed => null": "missed must be skip, once or all, not NULL",
    "'n', '@daily', 'k', max_missed => 0": "max_missed must be between 1 and 10000, not 0",
    "'n', '@daily', 'k', max_missed => 10001": "max_missed must be between 1 and 10000, not 10001",
    "'n', '@daily', 'k', options => '[]'": "options must be a JSON object",
    "'n', '@daily', 'k', options => null": "options must be a JSON object",
    "'n', '@daily', 'k', options => '{\"run_at\": \"2030-01-01\"}'": "options of a schedule cannot be kind, payload",
    "'n', '@daily', 'k', options => '{\"max_retrys\": 1}'": 'a job has no field "max_retrys"',
    "'n', '@daily', 'k', options => '{\"max_retries\": -1}'": "max_retries must be between 0 and 1000, not -1",
    "'n', '@daily', 'k', options => '{\"metadata\": 7}'": "metadata of a schedule must be a JSON object",
    "'n', '@daily', 'k', options => '{\"unique_key\": \"\"}'": "unique_key must be text of 1 to 1000 characters, not of 0",
}


@pytest.mark.parametrize("arguments", BAD_SCHEDULES)
def test_what_cannot_be_about_a_schedule_is_refused_and_changes_nothing(shared, arguments):
    with pytest.raises(psycopg.DataError) as refused:
        shared.run(f"select hanjul.set_schedule({arguments})")

    assert BAD_SCHEDULES[arguments] in str(refused.value)
    assert shared.one("select count(*) from hanjul.schedule") == 0
    assert shared.one("select count(*) from hanjul.job") == 0


def test_what_is_checked_is_not_enqueued_and_holds_no_unique_key(db):
    db.run("""select hanjul.set_schedule('nightly', '@daily', 'report', options => '{"unique_key": "k"}')""")

    assert (
        db.rows("select from hanjul.job")
        == db.rows("select from hanjul.job_unique")
        == db.rows("select from hanjul.job_flow")
        == []
    )


def test_saying_the_same_again_loses_no_tick_that_is_due(db, nightly):
    db.run("select hanjul.set_schedule('nightly', '0 3 * * *', 'other', missed => 'all')")

    assert schedule(db) == ("0 3 * * *", "UTC", "other", "default", "all", True, nightly, None, None)


@pytest.mark.parametrize("change", ["'0 4 * * *', 'report'", "'0 3 * * *', 'report', timezone => 'Asia/Seoul'"])
def test_another_time_counts_from_now_on(db, nightly, change):
    db.run("update hanjul.schedule set problem = 'none'")

    db.run(f"select hanjul.set_schedule('nightly', {change})")

    assert schedule(db)[-3:] == (None, None, None)
    assert db.one("select since > now() - interval '1 minute' from hanjul.schedule")


def test_a_disabled_schedule_stays_so_when_it_is_set_again_and_makes_nothing_up_when_it_is_enabled(db, nightly):
    assert db.one("select hanjul.enable_schedule('nightly', false)")
    db.run("select hanjul.set_schedule('nightly', '0 3 * * *', 'report', queue => 'slow')")

    assert db.rows("select from hanjul.due_schedules()") == []
    assert advance(db, None, [nightly], nightly + SECOND) is None

    assert db.one("select hanjul.enable_schedule('nightly')")
    assert schedule(db)[-4:-2] == (True, None)
    assert advance(db, None, [nightly], nightly + SECOND) == 0


def test_enabling_what_is_enabled_changes_nothing(db, nightly):
    assert db.one("select hanjul.enable_schedule('nightly')")

    assert schedule(db)[-3] == nightly


def test_what_is_not_there_is_neither_enabled_nor_removed(db):
    assert db.rows("select hanjul.enable_schedule('x'), hanjul.remove_schedule('x'), hanjul.remove_schedule(null)") == [
        (False, False, False)
    ]
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="enabled must be true or false, not NULL"):
        db.run("select hanjul.enable_schedule('x', null)")


def test_a_removed_schedule_enqueues_no_more(db, nightly):
    since = db.one("select since from hanjul.schedule")

    assert db.one("select hanjul.remove_schedule('nightly')")

    assert db.one("select hanjul.advance_schedule('nightly', %s, %s, array[%s], null)", since, nightly, nightly) is None
    assert db.rows(JOBS) == []


def test_a_tick_enqueues_a_job_that_tells_of_it(db, nightly):
    assert advance(db, nightly, [nightly], nightly + timedelta(days=1)) == 1

    assert db.rows(JOBS) == [
        ("report", {"of": "all"}, "slow", {"schedule": "nightly", "tick": nightly.strftime("%Y-%m-%dT%H:%M:%SZ")})
    ]
    assert schedule(db)[-3:] == (nightly + timedelta(days=1), nightly, None)
    assert db.one("select last_job_id = (select id from hanjul.job) from hanjul.schedule")


def test_a_job_has_the_options_of_its_schedule(db):
    db.run("""select hanjul.set_schedule('n', '* * * * * *', 'k', options => '{
        "priority": -3, "max_retries": 0, "timeout_s": 2.5, "key": "mine", "metadata": {"who": 1}}')""")
    db.run("update hanjul.schedule set since = since - interval '1 minute'")

    db.run("select hanjul.advance_schedule('n', since, null, array[now()], now()) from hanjul.schedule")

    [(*options, metadata)] = db.rows("select priority, max_retries, timeout_s, key, metadata from hanjul.job")
    assert options == [-3, 0, 2.5, "mine"]
    assert (metadata["who"], metadata["schedule"]) == (1, "n")


@pytest.mark.parametrize("on_conflict", ["keep", "raise"])
def test_a_tick_whose_job_would_not_be_unique_adds_none(db, nightly, on_conflict):
    db.run("update hanjul.schedule set options = jsonb_build_object('unique_key', 'k', 'on_conflict', %s::text)", on_conflict)

    assert advance(db, nightly, [nightly, nightly + SECOND], nightly + 2 * SECOND) == 2
    assert advance(db, nightly + 2 * SECOND, [nightly + 2 * SECOND], nightly + 3 * SECOND) == 1

    assert len(db.rows(JOBS)) == 1


def test_two_who_enqueue_the_same_tick_enqueue_it_once(db, nightly, connect, blocked):
    first, second = connect(), connect()
    first.run("begin")
    assert advance(first, nightly, [nightly], nightly + SECOND) == 1

    waiting = second.later(
        """select hanjul.advance_schedule(s.name, s.since, s.next_tick, array[s.next_tick], s.next_tick + interval '1 second')
           from hanjul.schedule s"""
    )
    blocked(second)
    first.run("commit")

    assert waiting.result(20) == [(None,)]
    assert len(db.rows(JOBS)) == 1


def test_a_tick_that_was_rolled_back_is_enqueued_by_the_next(db, nightly, connect):
    other = connect()
    other.run("begin")
    advance(other, nightly, [nightly], nightly + SECOND)
    other.run("rollback")

    assert advance(db, nightly, [nightly], nightly + SECOND) == 1
    assert len(db.rows(JOBS)) == 1


@pytest.mark.parametrize(
    ("seen", "since"),
    [(0, "s.since - interval '1 second'"), (1, "s.since"), (None, "s.since")],
    ids=["changed meanwhile", "further already", "set anew"],
)
def test_a_schedule_that_is_not_as_it_was_seen_is_left_alone(db, nightly, seen, since):
    seen = None if seen is None else nightly + seen * SECOND

    assert advance(db, seen, [nightly], nightly + SECOND, since) is None
    assert db.rows(JOBS) == []


def test_ticks_to_come_from_before_the_schedule_and_that_were_enqueued_are_left_out(db, nightly):
    advance(db, nightly, [nightly], nightly + 3 * SECOND)
    early, late = nightly - timedelta(hours=3), nightly + timedelta(hours=1)

    fresh = nightly + 3 * SECOND
    assert advance(db, fresh, [late, fresh, fresh, nightly, nightly - SECOND, early], late) == 1

    assert db.one("select metadata ->> 'tick' from hanjul.job order by id desc limit 1") == fresh.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert schedule(db)[-3:-1] == (late, fresh)


def test_a_schedule_with_a_problem_rests_until_its_time_is_changed(db, nightly):
    db.run("select hanjul.advance_schedule(name, since, next_tick, '{}', null, repeat('x', 9000)) from hanjul.schedule")

    assert db.rows("select from hanjul.due_schedules()") == []
    assert len(schedule(db)[-1]) < 2010
    db.run("select hanjul.set_schedule('nightly', '@daily', 'report')")
    assert db.column("select name from hanjul.due_schedules()") == ["nightly"]


def test_due_are_those_whose_tick_has_come_by_the_clock_of_the_database(db, nightly):
    db.run("select hanjul.set_schedule('new', '@daily', 'k'), hanjul.set_schedule('later', '@daily', 'k')")
    db.run("update hanjul.schedule set next_tick = now() + interval '1 minute' where name = 'later'")

    assert db.column("select name from hanjul.due_schedules()") == ["new", "nightly"]
    assert db.one("select bool_and(clock_timestamp() - at between '0' and '1 minute') from hanjul.due_schedules()")


# The leader


def leads(session, holder, lease_s=15):
    return session.one("select leads from hanjul.lead(%s, %s)", holder, lease_s)


def test_one_leads_until_its_lease_ends(db):
    assert leads(db, "a")
    assert not leads(db, "b")
    assert leads(db, "a")

    db.run("update hanjul.leader set leased_until = clock_timestamp()")

    assert leads(db, "b")
    assert not leads(db, "a")


def test_who_resigns_is_followed_at_once_and_nobody_resigns_for_another(db):
    leads(db, "a")
    db.run("select hanjul.resign('b')")
    assert not leads(db, "b")

    db.run("select hanjul.resign('a')")

    assert leads(db, "b")


def test_of_two_who_come_at_once_one_leads(db, connect, blocked):
    first, second = connect(), connect()
    first.run("begin")
    assert leads(first, "a")

    waiting = second.later("select leads from hanjul.lead('b', 15)")
    blocked(second)
    first.run("commit")

    assert waiting.result(20) == [(False,)]


def test_who_does_not_lead_waits_for_nobody(db, connect):
    leads(db, "a")
    leader, other = connect(), connect()
    leader.run("begin")
    leads(leader, "a")

    other.run("set statement_timeout = '2s'")

    assert not leads(other, "b")


def test_who_does_not_lead_hears_when_it_may(db):
    leads(db, "a", 15)

    assert 10 < db.one("select due_in_s from hanjul.lead('b', 15)") <= 15


def test_a_leader_hears_of_counts_and_of_the_next_tick(db):
    assert db.rows("select noted, due_in_s from hanjul.lead('a', 15)") == [(False, None)]
    db.run("select hanjul.enqueue_job('k'), hanjul.set_schedule('n', '@daily', 'k')")
    assert db.rows("select noted, due_in_s from hanjul.lead('a', 15)") == [(True, 0.0)]

    db.run("select hanjul.roll_up()")
    db.run("update hanjul.schedule set next_tick = clock_timestamp() + interval '1 minute'")

    [(noted, due_in_s)] = db.rows("select noted, due_in_s from hanjul.lead('a', 15)")
    assert not noted
    assert 50 < due_in_s <= 60
    db.run("select hanjul.enable_schedule('n', false)")
    assert db.rows("select noted, due_in_s from hanjul.lead('a', 15)") == [(False, None)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'', 15", "holder must be text of 1 to 300 characters, not ''"),
        ("null, 15", "holder must be text of 1 to 300 characters, not NULL"),
        ("'a', 0", "lease_s must be more than 0 and at most 3600, not 0"),
        ("'a', 'nan'", "lease_s must be more than 0 and at most 3600, not NaN"),
        ("'a', null", "lease_s must be more than 0 and at most 3600, not NULL"),
    ],
)
def test_nobody_leads_without_a_name_or_for_no_time(shared, arguments, message):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=message):
        shared.run(f"select hanjul.lead({arguments})")
    assert shared.rows("select from hanjul.leader") == []
