"""Notifications of inserts: section 9 of the contract, and the weak spots 7, 8, 9 and 13."""

import pytest

TRIGGER = "trigger_notify_queue_insert_listeners"
TRIGGERS = f"select count(*) from pg_trigger where tgname = '{TRIGGER}'"
THROTTLES = "select queue_name, throttle_interval_ms from pgmq.list_notify_insert_throttles()"
MINUTE_MS = 60_000


@pytest.fixture
def listen(connect):
    """Open a session that listens on a channel; call the result for what has arrived since the last call."""

    def listen(channel):
        session = connect()
        session.run(f'listen "{channel}"')

        def heard():
            session.run("select")  # what was committed before arrives with the answer
            return [(notify.channel, notify.payload) for notify in session.connection.notifies(timeout=0)]

        return heard

    return listen


@pytest.fixture
def post(mail, listen):
    """What listeners of the queue `mail` hear; it notifies at most once a minute."""
    mail.run("select pgmq.enable_notify_insert('mail', %s)", MINUTE_MS)
    return listen("pgmq.q_mail.INSERT")


NOTIFIED = [("pgmq.q_mail.INSERT", "")]


def test_a_send_notifies_once_per_interval_with_an_empty_payload(mail, post):
    mail.run("select pgmq.send('mail', '1')")
    assert post() == NOTIFIED

    mail.run("select pgmq.send('mail', '2')")
    assert post() == []

    mail.run("update pgmq.notify_insert_throttle set last_notified_at = last_notified_at - interval '1 minute'")
    mail.run("select pgmq.send('mail', '3')")
    assert post() == NOTIFIED


@pytest.mark.parametrize(
    "insert",
    [
        "select pgmq.send_batch('mail', array['1', '2']::jsonb[])",
        "select pgmq.send_topic('k', '1')",
        "select hanjul.send_many('mail', '[[1, null, null], [2, null, null]]')",
        "insert into pgmq.q_mail (vt, message) values (now(), '1'), (now(), '2')",
    ],
)
def test_every_way_in_notifies_once(mail, post, insert):
    mail.run("select pgmq.bind_topic('k', 'mail')")

    mail.run(insert)

    assert post() == NOTIFIED


def test_an_interval_of_zero_never_throttles(mail, post):
    mail.run("select pgmq.enable_notify_insert('mail', 0)")

    for _ in range(2):
        mail.run("select pgmq.send('mail', '1')")
        assert post() == NOTIFIED

    assert mail.one("select clock_timestamp() - last_notified_at < '1 minute' from pgmq.notify_insert_throttle") is True


@pytest.mark.parametrize("interval_ms", [0, MINUTE_MS])
def test_several_sends_of_one_transaction_notify_once(mail, post, interval_ms):
    mail.run("select pgmq.update_notify_insert('mail', %s)", interval_ms)

    mail.run("begin")
    for _ in range(3):
        mail.run("select pgmq.send('mail', '1')")
    mail.run("commit")

    assert post() == NOTIFIED


def test_a_send_that_is_rolled_back_restores_the_throttle(mail, post):
    mail.run("begin")
    mail.run("select pgmq.send('mail', '1')")
    mail.run("rollback")
    assert post() == []

    mail.run("select pgmq.send('mail', '2')")
    assert post() == NOTIFIED


def test_a_clock_that_was_set_back_does_not_silence_a_queue(mail, post):
    mail.run("update pgmq.notify_insert_throttle set last_notified_at = now() + interval '1 hour'")

    mail.run("select pgmq.send('mail', '1')")

    assert post() == NOTIFIED


def test_a_read_an_archive_and_a_delete_notify_nobody(mail, post):
    mail.run("select pgmq.send_batch('mail', array['1', '2']::jsonb[])")
    mail.run("select pgmq.update_notify_insert('mail', 0)")
    post()

    mail.run("select pgmq.read('mail', 0, 9)")
    mail.run("select pgmq.archive('mail', 1)")
    mail.run("select pgmq.delete('mail', 2)")

    assert post() == []


def test_enabling_is_idempotent_and_lets_the_next_send_notify(mail, post):
    mail.run("select pgmq.send('mail', '1')")
    mail.run("select pgmq.enable_notify_insert('mail', 7)")

    assert mail.rows("select * from pgmq.list_notify_insert_throttles()") == mail.rows("select 'mail', 7, to_timestamp(0)")
    assert mail.one(TRIGGERS) == 1
    post()
    mail.run("select pgmq.send('mail', '2')")
    assert post() == NOTIFIED


def test_the_interval_is_250_ms_unless_another_is_given(mail):
    mail.run("select pgmq.enable_notify_insert(queue_name => 'mail')")

    assert mail.rows(THROTTLES) == [("mail", 250)]


def test_updating_sets_the_interval_and_lets_the_next_send_notify(mail, post):
    mail.run("select pgmq.send('mail', '1')")
    post()

    mail.run("select pgmq.update_notify_insert(queue_name => 'mail', throttle_interval_ms => 3600000)")

    mail.run("select pgmq.send('mail', '2'), pgmq.send('mail', '3')")
    assert post() == NOTIFIED
    assert mail.rows(THROTTLES) == [("mail", 3600000)]


def test_disabling_removes_trigger_and_throttle_and_is_idempotent(mail, post):
    mail.run("select pgmq.disable_notify_insert('mail')")
    mail.run("select pgmq.disable_notify_insert(queue_name => 'mail')")

    mail.run("select pgmq.send('mail', '1')")

    assert (post(), mail.one(TRIGGERS), mail.rows(THROTTLES)) == ([], 0, [])


def test_dropping_a_queue_removes_its_throttle(mail, post):
    mail.run("select pgmq.drop_queue('mail')")

    assert mail.rows(THROTTLES) == []


def test_throttles_are_listed_by_name(db):
    cursor = db.connection.execute("select * from pgmq.list_notify_insert_throttles()")
    assert [column.name for column in cursor.description] == ["queue_name", "throttle_interval_ms", "last_notified_at"]
    assert db.one("select provolatile::text from pg_proc where oid = 'pgmq.list_notify_insert_throttles()'::regprocedure") == "s"

    for name in ("b", "c", "a"):
        db.run("select pgmq.create(%s), pgmq.enable_notify_insert(%s, 1)", name, name)

    assert db.rows(THROTTLES) == [("a", 1), ("b", 1), ("c", 1)]


CREATE_FIRST = "Create the queue first using pgmq.create()"
FAULTS = [
    ("enable_notify_insert('mail', -1)", "P0001", "throttle_interval_ms must be non-negative"),
    ("enable_notify_insert('none')", "P0001", 'Queue "none" does not exist. Create it first using pgmq.create()'),
    ("enable_notify_insert('a;b')", "P0001", "queue name contains invalid characters: $, ;, --, or \\'"),
    ("enable_notify_insert('MAIL')", "23503", None),
    ("enable_notify_insert('mail', null)", "23502", None),
    ("update_notify_insert('none', -1)", "P0001", "throttle_interval_ms must be non-negative, got: -1"),
    ("update_notify_insert('none', 0)", "P0001", f'Queue "none" does not exist. {CREATE_FIRST}'),
    ("update_notify_insert('MAIL', 0)", "P0001", f'Queue "MAIL" does not exist. {CREATE_FIRST}'),
    (
        "update_notify_insert('mail', 0)",
        "P0001",
        'Queue "mail" does not have notify_insert enabled. Enable it first using pgmq.enable_notify_insert()',
    ),
    ("disable_notify_insert('none')", "42P01", 'relation "pgmq.q_none" does not exist'),
    ("disable_notify_insert('a;b')", "P0001", "queue name contains invalid characters: $, ;, --, or \\'"),
]


@pytest.mark.parametrize(("call", "sqlstate", "message"), FAULTS)
def test_a_bad_call_is_refused_in_pgmqs_words(mail, refused, call, sqlstate, message):
    with refused(sqlstate, message):
        mail.run(f"select pgmq.{call}")

    assert (mail.one(TRIGGERS), mail.rows(THROTTLES)) == (0, [])


def test_weak_spot_7_no_sender_waits_for_one_that_has_notified(mail, post, connect):
    mail.run("select pgmq.create('post'), pgmq.enable_notify_insert('post', %s)", MINUTE_MS)
    other = connect()
    mail.run("begin")
    mail.run("select pgmq.send('mail', '1')")
    other.run("begin")
    other.run("select pgmq.send('post', '1')")

    other.run("set lock_timeout = '1ms'")
    other.run("select pgmq.send('mail', '2')")
    mail.run("set lock_timeout = '1ms'")
    mail.run("select pgmq.send('post', '2')")  # the opposite order: no deadlock either

    mail.run("commit")
    other.run("commit")
    assert NOTIFIED[0] in post()


@pytest.mark.parametrize(("intervals", "heard"), [(1.5, []), (2.5, NOTIFIED), (-1.5, NOTIFIED)])
def test_weak_spot_7_one_about_to_notify_speaks_for_others_for_one_interval_more(mail, post, connect, intervals, heard):
    mail.run("update pgmq.notify_insert_throttle set last_notified_at = now() - %s * interval '1 minute'", intervals)
    mail.run("begin")
    mail.run("select pgmq.send('mail', '1')")

    connect().run("select pgmq.send('mail', '2')")

    assert post() == heard
    mail.run("rollback")


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_weak_spot_7_a_sender_does_not_fail_because_another_has_notified_meanwhile(mail, post, connect, isolation):
    mail.run(f"begin isolation level {isolation}")
    mail.run("select")
    mail.run("select * from pgmq.meta")
    connect().run("select pgmq.send('mail', '1')")
    post()

    mail.run("select pgmq.send('mail', '2')")
    mail.run("commit")

    assert post() == NOTIFIED


def test_weak_spot_7_the_trigger_runs_once_for_a_batch(mail, post):
    assert mail.one(f"select tgtype & 1 from pg_trigger where tgname = '{TRIGGER}'") == 0  # bit 0: for each row


def test_weak_spot_8_a_mixed_case_queue_notifies_in_the_spelling_given(db, listen):
    db.run("select pgmq.create('MyQueue'), pgmq.enable_notify_insert('MyQueue')")
    heard = listen("pgmq.q_MyQueue.INSERT")

    db.run("select pgmq.send('myqueue', '1')")

    assert heard() == [("pgmq.q_MyQueue.INSERT", "")]


def test_weak_spot_8_a_partitioned_table_notifies_too(mail, listen):
    mail.run("drop table pgmq.q_mail")
    mail.run("create table pgmq.q_mail (msg_id bigint, vt timestamptz, message jsonb) partition by range (msg_id)")
    mail.run("create table pgmq.q_mail_p0 partition of pgmq.q_mail for values from (0) to (10)")
    mail.run("create table pgmq.q_mail_p1 partition of pgmq.q_mail for values from (10) to (20)")
    mail.run("select pgmq.enable_notify_insert('mail', 0)")
    heard = listen("pgmq.q_mail.INSERT")

    mail.run("insert into pgmq.q_mail values (1, now(), '1'), (11, now(), '1')")

    assert heard() == NOTIFIED


def test_a_name_that_makes_a_channel_too_long_is_cut_as_listen_cuts_it(db, listen):
    name = "é" * 30
    db.run("select pgmq.create(%s), pgmq.enable_notify_insert(%s)", name, name)
    heard = listen(f"pgmq.q_{name}.INSERT")

    db.run("select pgmq.send(%s, '1')", name)

    assert len(heard()) == 1


def test_weak_spot_9_what_a_crash_empties_is_not_the_throttle(shared):
    assert shared.one("select relpersistence::text from pg_class where oid = 'pgmq.notify_insert_throttle'::regclass") == "p"


def test_weak_spot_9_a_missing_throttle_row_means_notify(mail, post):
    mail.run("delete from pgmq.notify_insert_throttle")

    mail.run("select pgmq.send('mail', '1')")

    assert post() == NOTIFIED


def test_weak_spot_13_two_that_enable_at_once_both_succeed(mail, connect, blocked):
    other = connect()
    mail.run("begin")
    mail.run("select pgmq.enable_notify_insert('mail', 1)")

    second = other.later("select pgmq.enable_notify_insert('mail', 2)")
    blocked(other)
    mail.run("commit")

    second.result()
    assert (mail.one(TRIGGERS), mail.rows(THROTTLES)) == (1, [("mail", 2)])


def test_weak_spot_13_also_if_one_sees_the_database_as_it_was(mail, connect):
    mail.run("begin isolation level repeatable read")
    mail.run("select * from pgmq.meta")
    connect().run("select pgmq.enable_notify_insert('mail', 1)")
    connect().run("delete from pgmq.notify_insert_throttle")

    mail.run("select pgmq.enable_notify_insert('mail', 2)")
    mail.run("commit")

    assert (mail.one(TRIGGERS), mail.rows(THROTTLES)) == (1, [("mail", 2)])


def test_enabling_again_waits_for_no_open_sender(mail, post, connect):
    mail.run("select pgmq.send('mail', '1')")
    sender = connect()
    sender.run("begin")
    sender.run("select pgmq.send('mail', '2')")

    mail.run("set lock_timeout = '1ms'")
    mail.run("select pgmq.enable_notify_insert('mail', 9)")

    assert mail.rows(THROTTLES) == [("mail", 9)]


def test_a_trigger_of_pgmqs_own_goes_on_notifying_until_it_is_replaced(mail, post):
    mail.run(f"drop trigger {TRIGGER} on pgmq.q_mail")
    mail.run(f"""
        create constraint trigger {TRIGGER} after insert on pgmq.q_mail
        deferrable for each row execute function pgmq.notify_queue_listeners()""")

    mail.run("select pgmq.send('mail', '1')")
    assert post() == NOTIFIED

    mail.run("select pgmq.enable_notify_insert('mail')")
    mail.run("select pgmq.send('mail', '2')")
    assert (post(), mail.one(f"select tgconstraint from pg_trigger where tgname = '{TRIGGER}'")) == (NOTIFIED, 0)


def test_a_sender_needs_update_and_select_on_the_throttle_and_no_more(mail, post):
    role = f"sender_of_{mail.one('select current_database()')}"
    mail.run(f"create role {role}; grant usage on schema pgmq to {role}; grant insert, select on pgmq.q_mail to {role}")
    mail.run(f"grant select, update on pgmq.notify_insert_throttle to {role}; set role {role}")

    mail.run("select pgmq.send('mail', '1')")

    assert post() == NOTIFIED
    mail.run(f"reset role; drop owned by {role}; drop role {role}")


def test_the_throttle_has_the_columns_and_names_that_clients_read(shared):
    columns = """
        select attname::text, atttypid::regtype::text from pg_attribute
        where attrelid = 'pgmq.notify_insert_throttle'::regclass and attnum > 0 order by attnum"""
    assert shared.rows(columns) == [
        ("queue_name", "character varying"),
        ("throttle_interval_ms", "integer"),
        ("last_notified_at", "timestamp with time zone"),
    ]
    names = "select conname::text from pg_constraint where conrelid = 'pgmq.notify_insert_throttle'::regclass and contype = 'u'"
    assert shared.column(names) == ["notify_insert_throttle_queue_name_key"]
    assert shared.one("select to_regclass('pgmq.idx_notify_throttle_active') is not null") is True
