"""Reads that wait: the poll forms of sections 3.3 and 7 of the contract, and weak spot 19."""

import time

import pytest

FORMS = ["read_with_poll", "read_grouped_with_poll", "read_grouped_rr_with_poll", "read_grouped_head_with_poll"]
AN_HOUR_MS = 3_600_000
LONGEST_WAIT_S = 20.0


@pytest.fixture
def asleep(connect):
    """Return when the session sleeps between two attempts."""
    watch = connect()

    def asleep(session):
        deadline = time.monotonic() + LONGEST_WAIT_S
        while not watch.one("select wait_event is not distinct from 'PgSleep' from pg_stat_activity where pid = %s", session.pid):
            assert time.monotonic() < deadline, "the session does not sleep"
            time.sleep(0.002)

    return asleep


@pytest.fixture
def reader(connect):
    """A session that reads while `mail` sends."""
    return connect()


@pytest.mark.parametrize("form", FORMS)
def test_what_is_there_is_leased_and_returned_at_once_even_if_it_is_less_than_wanted(mail, form):
    mail.run("""
        select pgmq.send_batch('mail', array['1', '2']::jsonb[],
                               array['{"x-pgmq-group": 1}', '{"x-pgmq-group": 2}']::jsonb[])""")

    rows = mail.rows(f"select msg_id, read_ct, message, vt > now() + '50 s' from pgmq.{form}('mail', 60, 9, 3600, {AN_HOUR_MS})")

    assert rows == [(1, 1, 1, True), (2, 1, 2, True)]
    assert mail.rows("select * from pgmq.read('mail', 60, 9)") == []


@pytest.mark.parametrize("form", FORMS)
def test_each_attempt_sees_what_was_committed_meanwhile(mail, reader, asleep, form):
    polled = reader.later(f"select message from pgmq.{form}('mail', 60, 9, 60, 1)")
    asleep(reader)

    mail.run("select pgmq.send('mail', '1')")

    assert polled.result(20) == [(1,)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("max_poll_seconds", ["0", "-1", "null"])
def test_weak_spot_19_one_attempt_is_made_even_without_time_to_wait(mail, form, max_poll_seconds):
    mail.run("select pgmq.send('mail', '1')")

    assert mail.column(f"select msg_id from pgmq.{form}('mail', 60, 1, {max_poll_seconds})") == [1]
    assert mail.column(f"select msg_id from pgmq.{form}('mail', 60, 1, {max_poll_seconds})") == []


@pytest.mark.parametrize("form", FORMS)
def test_weak_spot_19_no_read_sleeps_past_its_deadline(mail, form):
    slept = mail.one(f"""
        with polled as materialized (select count(*) from pgmq.{form}('mail', 60, 1, 1, {AN_HOUR_MS}))
        select extract(epoch from clock_timestamp() - now()) from polled""")

    assert 1 <= slept < 10


def test_weak_spot_19_the_last_attempt_is_at_the_deadline(mail, reader, asleep):
    polled = reader.later(f"select message from pgmq.read_with_poll('mail', 60, 9, 2, {AN_HOUR_MS})")
    asleep(reader)

    mail.run("select pgmq.send('mail', '1')")

    assert polled.result(20) == [(1,)]


@pytest.mark.parametrize("poll_interval_ms", ["0", "-5", "null"])
def test_an_interval_of_nothing_does_not_spin(mail, reader, asleep, poll_interval_ms):
    polled = reader.later(f"select message from pgmq.read_with_poll('mail', 60, 9, 60, {poll_interval_ms})")

    asleep(reader)

    mail.run("select pgmq.send('mail', '1')")
    assert polled.result(20) == [(1,)]


def test_a_condition_is_kept_from_attempt_to_attempt(mail, reader, asleep):
    polled = reader.later("select message from pgmq.read_with_poll('mail', 60, 9, 60, 1, '{\"a\": 1}')")
    asleep(reader)

    mail.run("select pgmq.send('mail', '{\"a\": 2}')")
    mail.run("select pgmq.send('mail', '{\"a\": 1}')")

    assert polled.result(20) == [({"a": 1},)]


@pytest.mark.parametrize("conditional", ["'{}'", "null"])
def test_without_a_condition_everything_is_read(mail, conditional):
    mail.run("select pgmq.send('mail', '1')")

    assert mail.column(f"select msg_id from pgmq.read_with_poll('mail', 60, 9, conditional => {conditional})") == [1]


@pytest.mark.parametrize("form", FORMS)
def test_arguments_have_the_names_and_defaults_of_pgmq(shared, form):
    oid = f"'pgmq.{form}'::regproc"
    arguments = (
        "queue_name text, vt integer, qty integer, max_poll_seconds integer DEFAULT 5, poll_interval_ms integer DEFAULT 100"
    )

    assert shared.one(f"select pg_get_function_arguments({oid})").startswith(arguments)


@pytest.mark.parametrize("form", FORMS)
def test_a_missing_queue_fails_at_the_first_attempt(shared, refused, form):
    with refused("42P01", 'relation "pgmq.q_none" does not exist'):
        shared.run(f"select pgmq.{form}('none', 1, 1)")
