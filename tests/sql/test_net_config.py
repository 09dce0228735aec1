"""Settings by the extension's names, wake-ups, and what is asked about the worker."""

import psycopg
import pytest

CONFIG = "select value, source from net.show_config() where name = %s"


def heard(session, channel):
    """The payloads of what has been notified so far on a channel that the session listens to."""
    session.run("select 1")
    notes = session.connection.notifies(timeout=0)
    return [note.payload for note in notes if note.channel == channel]


# Settings


def test_every_setting_is_shown_with_its_default(db):
    assert db.rows("select name, value, source from net.show_config()") == [
        ("pg_net.batch_size", None, "default"),
        ("pg_net.database_name", None, "default"),
        ("pg_net.dead_retention", "30 days", "default"),
        ("pg_net.public_access", "off", "default"),
        ("pg_net.queue_retention", None, "default"),
        ("pg_net.ttl", "6 hours", "default"),
        ("pg_net.username", None, "default"),
    ]


@pytest.mark.parametrize("name", ["ttl", "pg_net.ttl", "PG_NET.TTL"])
def test_a_setting_is_set_and_reset_with_or_without_the_extensions_name(db, name):
    db.run("select net.set_config(%s, '1 minute')", name)
    was_set = db.rows(CONFIG, "pg_net.ttl")

    db.run("select net.reset_config(%s)", name)

    assert was_set == [("1 minute", "set_config")]
    assert db.rows(CONFIG, "pg_net.ttl") == [("6 hours", "default")]


@pytest.mark.parametrize(
    ("name", "value", "stored"),
    [
        ("batch_size", " 0200 ", "200"),
        ("batch_size", "0", "0"),
        ("batch_size", "32767", "32767"),
        ("ttl", "00:00:05", "00:00:05"),
        ("ttl", "0", "0"),
        ("queue_retention", "0", "0"),
        ("dead_retention", "1 year", "1 year"),
        ("public_access", "true", "on"),
        ("public_access", "OFF", "off"),
        ("database_name", "app", "app"),
        ("username", "", ""),
    ],
)
def test_what_a_setting_can_have(db, name, value, stored):
    db.run("select net.set_config(%s, 'off')" if name == "public_access" else "select net.reset_config(%s)", name)
    db.run("select net.set_config(%s, %s)", name, value)

    assert db.rows(CONFIG, f"pg_net.{name}") == [(stored, "set_config")]


@pytest.mark.parametrize(
    ("name", "value", "must_be"),
    [
        *[("batch_size", value, "an integer from 0 to 32767") for value in ("-1", "32768", "many", "1.5", "", None, "9" * 30)],
        *[
            ("ttl", value, "an interval from 0 to 100 years, as in 6 hours")
            for value in ("-1 s", "soon", "200 years", None, "9" * 30)
        ],
        ("queue_retention", "never", "an interval from 0 to 100 years, as in 6 hours"),
        ("dead_retention", "-1 day", "an interval from 0 to 100 years, as in 6 hours"),
        *[("public_access", value, "on or off") for value in ("maybe", "", None)],
        ("username", None, "a text"),
    ],
)
def test_what_a_setting_cannot_have_is_refused_with_what_it_can(db, refused, name, value, must_be):
    with refused("22023", f"pg_net.{name} must be {must_be}, not " + ("NULL" if value is None else f"'{value}'")):
        db.run("select net.set_config(%s, %s::text)", name, value)

    assert db.one("select count(*) from net.config") == 0


@pytest.mark.parametrize("name", ["", "batch", "hanjul.ttl", "pg_net.", "pg_net.pg_net.ttl", None, 'a"b'])
@pytest.mark.parametrize("call", ["set_config(%s::text, '1')", "reset_config(%s::text)"])
def test_a_setting_that_does_not_exist_is_refused(shared, refused, name, call):
    with refused("42704"):
        shared.run(f"select net.{call}", name)


def test_the_servers_placeholder_counts_where_nothing_else_is_set(db):
    db.run("set pg_net.ttl = '2 hours'")
    by_server = db.rows(CONFIG, "pg_net.ttl")

    db.run("select net.set_config('ttl', '3 hours')")

    assert by_server == [("2 hours", "server")]
    assert db.rows(CONFIG, "pg_net.ttl") == [("3 hours", "set_config")]


UNUSABLE = [
    ("ttl", "soon", "6 hours"), ("ttl", "-1 s", "6 hours"), ("queue_retention", "x", None),
    ("dead_retention", "200 years", "30 days"),
    ("batch_size", "many", None), ("batch_size", "32768", None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "default"), UNUSABLE)
def test_a_placeholder_that_the_setting_cannot_have_is_passed_over(db, name, value, default):
    db.run(f"set pg_net.{name} = '{value}'")

    assert db.rows(CONFIG, f"pg_net.{name}") == [(default, "default")]


def test_what_settles_and_forgets_goes_on_over_unusable_settings_and_warns_once(db):
    request = db.one("select net.http_get('http://x/')")
    db.run("set pg_net.ttl = 'soon'; set pg_net.queue_retention = 'x'; set pg_net.dead_retention = 'y'")
    db.run("insert into net.config (name, value) values ('pg_net.dead_retention', 'z')")

    late = db.rows("""
        select net.settle_requests((
            select json_agg(json_build_object('id', id, 'claim', claims, 'how', 'success', 'status_code', 200, 'duration_ms', 1))
            from net.claim_requests(9, 30)))""")
    deleted, next_in_s = db.rows("select * from net.expire()")[0]

    assert (late, db.one("select net.status(%s)", request)) == ([], "SUCCESS")
    assert (deleted, next_in_s) == (0, pytest.approx(6 * 3600, abs=60))
    assert len(db.notices) == 1
    assert db.notices[0].endswith(", not 'x'; it is passed over")


def test_no_placeholder_decides_who_sees_what(db):
    db.run("set pg_net.public_access = on")

    assert db.rows(CONFIG, "pg_net.public_access") == [("off", "default")]


def test_senders_hear_of_a_change_when_it_commits_and_of_nothing_that_is_rolled_back(db, connect):
    sender = connect()
    sender.run("listen hanjul_net")
    db.run("begin; select net.set_config('ttl', '1 h'); rollback")
    of_rollback = heard(sender, "hanjul_net")

    db.run("begin; select net.set_config('ttl', '1 h'), net.reset_config('batch_size'); commit")

    assert of_rollback == []
    assert heard(sender, "hanjul_net") == ["config"]


# The worker


def test_a_restart_is_told_to_the_senders_and_is_true(db, connect):
    sender = connect()
    sender.run("listen hanjul_net")

    assert db.one("select net.worker_restart()") is True

    assert heard(sender, "hanjul_net") == ["restart"]


def test_without_a_sender_the_worker_is_not_up(db, refused):
    with refused("P0001", "the pg_net background worker is not up"):
        db.run("select net.check_worker_is_up()")


def test_every_role_sees_that_a_sender_is_there(db, connect):
    name = f"asking_role_of_{db.one('select current_database()')}"
    db.run(f"create role {name}")
    connect().run("set application_name = 'hanjul pg_net sender'")

    db.run(f"set role {name}; select net.check_worker_is_up(); select net.wait_until_running(); reset role")

    db.run(f"drop role {name}")


def test_a_sender_of_another_database_is_none_of_ours(db, refused, server):
    with psycopg.connect(server, autocommit=True, application_name="hanjul pg_net sender"), refused("P0001"):
        db.run("select net.check_worker_is_up()")


def test_who_waits_for_a_sender_waits_until_one_comes_also_within_a_transaction(db, connect):
    waiting = connect()
    waiting.run("begin; select count(*) from pg_stat_activity")
    done = waiting.later("select 1 from net.wait_until_running()")

    connect().run("set application_name = 'hanjul pg_net sender'")

    assert done.result(20) == [(1,)]
    waiting.run("commit")


# Wake-ups


@pytest.fixture
def sender(connect):
    """A session that waits for requests, as a sender does that has found none."""
    session = connect()
    session.run("listen hanjul")
    session.run("select hanjul.wait('{http requests}')")
    return session


def test_a_waiting_sender_is_woken_once_by_a_transaction_when_it_commits(db, sender):
    db.run("begin; select net.http_get('http://x/') from generate_series(1, 5); select net.http_post('http://x/')")
    before = heard(sender, "hanjul")

    db.run("commit")

    assert before == []
    assert heard(sender, "hanjul") == ["http requests"]


@pytest.mark.parametrize(
    "call",
    [
        "http_get('http://x/')",
        "http_post('http://x/')",
        "http_delete('http://x/')",
        "http_request('PUT', 'http://x/')",
        "http_put('http://x/')",
        'http_request_many(\'[{"method": "GET", "url": "http://x/"}, {"method": "GET", "url": "http://x/"}]\')',
        "wake()",
    ],
)
def test_whatever_enqueues_wakes(db, sender, call):
    db.run(f"select net.{call}")

    assert heard(sender, "hanjul") == ["http requests"]


def test_each_transaction_wakes_again(db, sender):
    db.run("select net.http_get('http://x/')")
    db.run("select net.http_get('http://x/')")

    assert heard(sender, "hanjul") == ["http requests"] * 2


def test_after_a_rollback_to_a_savepoint_the_next_request_still_wakes(db, sender):
    db.run("begin; savepoint a; select net.http_get('http://x/'); rollback to a; select net.http_get('http://x/'); commit")

    assert heard(sender, "hanjul") == ["http requests"]


def test_a_wake_up_of_a_released_savepoint_is_not_lost(db, sender):
    db.run("begin; savepoint a; select net.http_get('http://x/'); release a; select net.http_get('http://x/'); commit")

    assert heard(sender, "hanjul") == ["http requests"]


def test_after_an_error_that_is_caught_the_next_request_still_wakes(db, sender):
    db.run("""
        do $$
        begin
            begin
                perform net.http_get('http://x/');
                perform 1 / 0;
            exception when division_by_zero then null;
            end;
            perform net.http_get('http://x/');
        end $$""")

    assert heard(sender, "hanjul") == ["http requests"]


def test_a_sender_that_begins_to_wait_in_the_middle_of_a_transaction_is_woken_by_its_next_request(db, connect):
    late = connect()
    db.run("begin; select net.http_get('http://x/')")
    late.run("listen hanjul")
    late.run("select hanjul.wait('{http requests}')")

    db.run("select net.http_get('http://x/'); commit")

    assert heard(late, "hanjul") == ["http requests"]


def test_nobody_is_woken_by_what_is_rolled_back_or_inserted_directly(db, sender):
    db.run("begin; select net.http_get('http://x/'); rollback")
    db.run("insert into net.http_request_queue (method, url, timeout_milliseconds) values ('GET', 'http://x/', 1)")

    assert heard(sender, "hanjul") == []


def test_no_lock_is_left_behind(db, sender):
    db.run("select net.http_get('http://x/')")

    assert db.one("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()") == 0


def test_a_prepared_transaction_enqueues_without_a_wake_up(db, sender):
    db.run("begin; set local hanjul.notify = off; select net.http_get('http://x/'); prepare transaction 'net'")

    db.run("commit prepared 'net'")

    assert heard(sender, "hanjul") == []
    assert len(db.column("select id from net.claim_requests(9, 30)")) == 1
