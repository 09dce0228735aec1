"""Partitioned queues: section 11 of the contract, and what makes them look after themselves."""

import subprocess

import pytest

PARTITIONS = "select replace(partition::text, 'pgmq.', '') from pgmq._partitions(%s::regclass)"
WAITED_FOR = "select exists (select from pg_locks where relation = %s::regclass and not granted)"
KINDS = {"by id": ("10", "100"), "by time": ("1 day", "7 days")}


@pytest.fixture
def cut(db):
    """A queue `mail` in partitions of 10 messages, of which 30 stay, two made ahead."""
    db.run("select pgmq.create_partitioned('mail', '10', '30', 2)")
    return db


@pytest.fixture(params=KINDS)
def either(request, db):
    """A queue `mail` partitioned by message id, and one by time."""
    db.run("select pgmq.create_partitioned('mail', %s, %s)", *KINDS[request.param])
    return db


def partitions(session, table="q_mail"):
    return session.column(PARTITIONS, f"pgmq.{table}")


def send(session, count, queue="mail"):
    return session.column("select pgmq.send_batch(%s, array_fill('1'::jsonb, array[%s]))", queue, count)


def maintain(session):
    """Until all is done; one call works for about a second."""
    while session.column("select hanjul.maintain()"):
        pass


# made as the contract says


def test_partitions_are_named_by_their_first_id_and_made_ahead(cut):
    assert partitions(cut) == ["q_mail_p0", "q_mail_p10", "q_mail_p20", "q_mail_default"]
    assert partitions(cut, "a_mail") == ["a_mail_p0", "a_mail_p10", "a_mail_p20", "a_mail_default"]
    assert cut.rows("select queue_name, is_partitioned, is_unlogged from pgmq.list_queues()") == [("mail", True, False)]


def test_defaults_are_ten_thousand_messages_a_hundred_thousand_kept_four_ahead(db):
    db.run("select pgmq.create_partitioned('mail')")

    assert partitions(db)[:5] == ["q_mail_p0", "q_mail_p10000", "q_mail_p20000", "q_mail_p30000", "q_mail_p40000"]
    settings = "select partition_interval, retention_interval, premake from pgmq.partitioning where table_name = 'q_mail'"
    assert db.rows(settings) == [("10000", "100000", 4)]


@pytest.mark.parametrize(
    ("interval", "form", "every"),
    [
        ("1 day", "YYYYMMDD", "'1 day'"),
        ("1 hour", "YYYYMMDD_HH24MISS", "'1 hour'"),
        ("1 month", "YYYYMM01", "'1 month'"),
    ],
)
def test_partitions_by_time_are_named_by_their_beginning_in_utc(db, interval, form, every):
    db.run("set timezone = 'Asia/Kolkata'")
    db.run("select pgmq.create_partitioned('mail', %s, '1 year', 2)", interval)

    begins = f"to_char(date_trunc('{interval[2:]}', now() at time zone 'UTC') + n * interval {every}, '{form}')"
    expected = db.column(f"select 'q_mail_p' || {begins} from generate_series(0, 2) n")
    assert [name.replace("_000000", "") for name in partitions(db)[:3]] == [name.replace("_000000", "") for name in expected]


def test_ids_are_generated_by_default_without_a_primary_key_and_without_an_index_on_vt(cut):
    assert cut.one("select pg_get_serial_sequence('pgmq.q_mail', 'msg_id')") == "pgmq.q_mail_msg_id_seq"
    cut.run("insert into pgmq.q_mail (msg_id, vt) values (7, now())")
    indexes = dict(cut.rows("select indexname::text, indexdef from pg_indexes where tablename = 'q_mail'"))
    assert "q_mail_part_idx" in indexes
    assert not any("(vt" in index for index in indexes.values())
    assert cut.one("select count(*) from pg_constraint where conrelid = 'pgmq.q_mail'::regclass and contype = 'p'") == 0


def test_a_partition_has_the_settings_of_the_hot_layout(cut):
    assert "fillfactor=45" in cut.one("select reloptions from pg_class where oid = 'pgmq.q_mail_p10'::regclass")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("repeat('x', 48) || '$', '1', '1', 0", r"queue name contains invalid characters: $, ;, --, or \'"),
        ("repeat('x', 48), '1', '1', 0", "queue name is too long, maximum length is 47 characters"),
        ("'mail', '1', '1', 0", "premake must be at least 1, got 0"),
        ("'mail', '1', '1', -3", "premake must be at least 1, got -3"),
    ],
)
def test_what_is_wrong_is_told_in_the_order_of_the_contract(shared, refused, arguments, message):
    with refused("P0001", message):
        shared.run(f"select pgmq.create_partitioned({arguments})")


@pytest.mark.parametrize("intervals", ["'0', '1'", "'10', '-1'", "'-1 day', '1 day'", "'1 month 3 days', '1 year'", "null, '1'"])
def test_an_interval_that_makes_no_partition_is_refused(shared, refused, intervals):
    with refused("P0001"):
        shared.run(f"select pgmq.create_partitioned('mail', {intervals})")


def test_a_creation_that_is_rolled_back_leaves_nothing(db):
    db.run("begin")
    db.run("select pgmq.create_partitioned('mail')")
    db.run("rollback")

    assert db.one("select count(*) from pg_class where relname like '%mail%'") == 0


@pytest.mark.parametrize("name", ["x" * 47, "Äpfel" * 9, "a b.c", 'say "hi"', "UPPER", ""])
def test_every_name_that_a_queue_may_have_is_cut_too(db, name):
    db.run("select pgmq.create_partitioned(%s, '2', '2', 1)", name)

    for _ in range(12):
        db.run("select pgmq.send(%s, '1')", name)

    assert db.one("select count(*) from pgmq.pop(%s, 99)", name) == 12
    assert db.one("select pgmq.maintain_partitions(%s)", name) is True
    assert db.one("select pgmq.drop_queue(%s)", name) is True
    assert db.one("select count(*) from pg_class where relnamespace = 'pgmq'::regnamespace and relname ~ '^[qab]_'") == 0


def test_a_partition_does_not_take_the_name_of_another_queues_table(db):
    db.run("select pgmq.create('mail_p10')")
    db.run("select pgmq.create_partitioned('mail', '10', '30', 2)")

    assert db.one("select pgmq.drop_queue('mail')") is True
    assert db.column("select queue_name from pgmq.list_queues()") == ["mail_p10"]
    assert db.column("select pgmq.send('mail_p10', '1')") == [1]


# the whole API


def test_messages_are_sent_read_moved_and_finished_as_in_any_queue(either):
    assert send(either, 35) == list(range(1, 36))
    assert either.column("""select pgmq.send('mail', '{"n": 36}', '{"h": 1}'::jsonb, 0)""") == [36]

    assert either.column("select msg_id from pgmq.read('mail', 30, 3)") == [1, 2, 3]
    assert either.column("""select msg_id from pgmq.read('mail', 30, 3, '{"n": 36}')""") == [36]
    assert either.column("select msg_id from pgmq.pop('mail', 2)") == [4, 5]
    assert either.column("select msg_id from pgmq.peek('mail', 2)") == [6, 7]
    assert either.column("select msg_id from pgmq.read_with_poll('mail', 30, 1)") == [6]
    assert either.column("select msg_id from pgmq.set_vt('mail', '{30, 6}'::bigint[], 60)") == [6, 30]
    assert either.column("select msg_id from pgmq.set_vt('mail', 6, 0)") == [6]
    assert either.one("select pgmq.delete('mail', 1)") is True
    assert either.column("select pgmq.delete('mail', '{31, 2, 1}'::bigint[])") == [2, 31]
    assert either.one("select pgmq.archive('mail', 3)") is True
    assert either.column("select pgmq.archive('mail', '{32, 7}'::bigint[])") == [7, 32]
    assert either.column("select msg_id from pgmq.a_mail order by 1") == [3, 7, 32]
    assert either.rows("select queue_length, total_messages, default_partition_length from pgmq.metrics('mail')") == [(28, 36, 0)]
    assert either.rows("select archived_messages, is_partitioned from pgmq.q_info('mail')") == [(3, True)]
    assert either.one("select pgmq.purge_queue('mail')") == 28
    assert send(either, 1) == [37]


def test_groups_keep_their_order_across_partitions(either):
    for n in range(24):
        either.run("select pgmq.send('mail', to_jsonb(%s::int), jsonb_build_object('x-pgmq-group', %s::text))", n, "ab"[n % 2])

    assert either.column("select msg_id from pgmq.read_grouped_head('mail', 0, 9)") == [1, 2]
    assert either.column("select msg_id from pgmq.read_grouped_rr('mail', 0, 4)") == [1, 2, 3, 4]
    assert sorted(either.column("select msg_id from pgmq.read_grouped('mail', 30, 13)")) == sorted([*range(1, 25, 2), 2])


def test_workers_claim_settle_and_bury_messages(either):
    either.run("""select hanjul.send_many('mail', '[[1, null, 0], [2, null, 0], [3, null, 0], [4, null, 0], [5, null, 0]]')""")

    assert either.column("select msg_id from hanjul.claim('mail', 30, 9)") == [1, 2, 3, 4, 5]
    assert either.rows("select * from hanjul.ack('mail', '{1}', '{1}')") == []
    assert either.rows("select * from hanjul.ack('mail', '{2}', '{1}', true)") == []
    assert either.rows("select * from hanjul.nack('mail', '{3}', '{1}', '{0}')") == []
    assert either.rows("select * from hanjul.release('mail', '{4}', '{1}', '{0}')") == []
    assert either.rows("select * from hanjul.extend('mail', '{5}', '{1}', 60)") == []
    assert either.rows("select * from hanjul.reject('mail', '{5}', '{1}', '{rejected}', '{no}')") == []
    assert either.column("select msg_id from hanjul.claim('mail', 30, 9)") == [3, 4]
    assert either.rows("select * from hanjul.ack('mail', '{3}', '{1}')") == [(3, 1, 2)]


def test_topics_and_notifications_reach_it(either):
    either.run("select pgmq.bind_topic('a.*', 'mail')")
    either.run("select pgmq.enable_notify_insert('mail', 0)")
    either.run('listen "pgmq.q_mail.INSERT"')

    assert either.one("select pgmq.send_topic('a.b', '1')") == 1

    assert [note.channel for note in either.connection.notifies(timeout=5, stop_after=1)] == ["pgmq.q_mail.INSERT"]


def test_the_scan_bound_moves_and_parked_messages_are_read_when_they_are_due(cut):
    send(cut, 40)
    cut.run("select pgmq.pop('mail', 35)")
    for _ in range(60):  # a round is skipped where the call itself took long
        cut.run('select pgmq."tidy.mail"()')

    assert cut.one("select last_value from pgmq.b_mail") == 36
    cut.run("update pgmq.q_mail set due = vt where msg_id > 38")
    assert cut.column("select msg_id from pgmq.read('mail', 30, 9)") == [36, 37, 38, 39, 40]


def test_writing_the_queues_functions_again_changes_nothing(cut):
    send(cut, 5)

    cut.run("select pgmq._plan_all()")
    cut.run("select pgmq.create_fifo_indexes_all()")

    assert cut.column("select msg_id from pgmq.read('mail', 30, 2)") == [1, 2]


def test_a_dump_that_is_restored_goes_on(cut, dsn, psql, empty_dsn, open_session):
    send(cut, 15)
    cut.run("select pgmq.archive('mail', 1)")
    cut.run("select pgmq.create('post'), pgmq.convert_archive_partitioned('post')")

    dump = subprocess.run([psql.with_name("pg_dump"), dsn], capture_output=True, text=True, check=True).stdout
    command = [psql, empty_dsn, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
    subprocess.run(command, input=dump, capture_output=True, text=True, check=True)

    with open_session(empty_dsn) as session:
        assert send(session, 40)[-1] == 55
        maintain(session)
        assert partitions(session) == [*(f"q_mail_p{n}" for n in range(0, 80, 10)), "q_mail_default"]
        assert session.column("select msg_id from pgmq.pop('mail', 99)") == list(range(2, 56))
        assert session.one("select pgmq.drop_queue('post')") is True


# partitions that look after themselves


def test_they_are_made_before_they_are_needed(cut):
    for _ in range(55):
        cut.run("select pgmq.send('mail', '1')")

    assert partitions(cut)[-4:] == ["q_mail_p50", "q_mail_p60", "q_mail_p70", "q_mail_default"]
    assert cut.one("select count(*) from pgmq.q_mail_default") == 0


def test_a_burst_beyond_them_is_read_in_order_and_moved_out_of_the_default_partition(cut):
    cut.run("alter table pgmq.q_mail disable trigger partitions_follow")  # a fast machine makes all of them at the commit
    send(cut, 205)
    cut.run("alter table pgmq.q_mail enable trigger partitions_follow")
    assert cut.one("select count(*) from pgmq.q_mail_default") > 0
    assert cut.column("select msg_id from pgmq.read('mail', 0, 300)") == list(range(1, 206))

    maintain(cut)

    assert cut.one("select count(*) from pgmq.q_mail_default") == 0
    assert partitions(cut) == [*(f"q_mail_p{n}" for n in range(0, 230, 10)), "q_mail_default"]
    assert cut.column("select msg_id from pgmq.read('mail', 30, 300)") == list(range(1, 206))


def test_sending_alone_moves_a_burst_out(cut):
    send(cut, 205)

    for _ in range(40):
        cut.run("select pgmq.send('mail', '1')")

    assert cut.one("select count(*) from pgmq.q_mail_default") == 0
    assert cut.column("select msg_id from pgmq.pop('mail', 300)") == list(range(1, 246))


def test_very_many_rows_are_moved_in_pieces(db):
    db.run("select pgmq.create_partitioned('mail', '100000', '100000', 1)")
    db.run("drop table pgmq.q_mail_p0, pgmq.q_mail_p100000")
    db.run("alter table pgmq.q_mail disable trigger partitions_follow")
    send(db, 45000)
    db.run("alter table pgmq.q_mail enable trigger partitions_follow")

    maintain(db)

    assert partitions(db) == ["q_mail_p0", "q_mail_p20001", "q_mail_p40001", "q_mail_p100000", "q_mail_default"]
    assert db.one("select count(*) from pgmq.q_mail_p0") == 20000
    assert db.one("select count(*) from pgmq.q_mail") == 45000


def test_a_message_that_no_partition_by_time_awaits_gets_one(db):
    db.run("select pgmq.create_partitioned('mail', '1 day', null, 1)")

    db.run("insert into pgmq.q_mail (enqueued_at, vt) values ('2020-02-29 23:59:59.999999Z', now()), ('2020-03-02Z', now())")

    assert partitions(db)[:2] == ["q_mail_p20200229", "q_mail_p20200302"]
    assert db.one("select count(*) from pgmq.q_mail_default") == 0
    assert db.column("select msg_id from pgmq.read('mail', 30, 5)") == [1, 2]


def test_months_of_different_lengths_follow_one_another(db):
    db.run("select pgmq.create_partitioned('mail', '3 months', null, 1)")

    month_ends = "generate_series(timestamptz '2023-12-31Z', '2024-06-30Z', '1 month')"
    db.run(f"insert into pgmq.q_mail (enqueued_at, vt) select t, now() from {month_ends} t")
    maintain(db)

    assert partitions(db)[:3] == ["q_mail_p20231001", "q_mail_p20240101", "q_mail_p20240401"]
    assert db.one("select count(*) from pgmq.q_mail_default") == 0


def test_an_archive_that_lags_behind_makes_its_partitions_by_its_own_ids(cut):
    send(cut, 400)

    cut.run("select pgmq.archive('mail', array(select n from generate_series(1, 60) n))")
    maintain(cut)

    assert partitions(cut, "a_mail") == [
        "a_mail_p30",
        "a_mail_p40",
        "a_mail_p50",
        "a_mail_p60",
        "a_mail_p70",
        "a_mail_p80",
        "a_mail_default",
    ]
    assert cut.column("select msg_id from pgmq.a_mail order by 1") == list(range(30, 61))


def test_an_archive_is_dropped_by_the_partition_when_it_is_older_than_the_retention(cut):
    for n in range(1, 81):
        cut.run("select pgmq.send('mail', '1')")
        cut.run("select pgmq.archive('mail', %s::bigint)", n)

    assert cut.one("select pgmq.maintain_partitions('mail')") is True

    assert cut.column("select msg_id from pgmq.a_mail order by 1") == list(range(50, 81))
    assert partitions(cut)[0] == "q_mail_p50"


def test_an_archive_by_time_drops_what_is_older_than_the_retention(db):
    db.run("select pgmq.create_partitioned('mail', '1 day', '7 days', 1)")
    times = "now() - n * interval '1 day' + interval '1 hour'"
    db.run(f"insert into pgmq.a_mail (msg_id, archived_at, vt) select n, {times}, now() from generate_series(1, 20) n")

    maintain(db)

    assert db.column("select msg_id from pgmq.a_mail order by 1") == list(range(1, 8))


def test_without_a_retention_nothing_is_dropped(db):
    db.run("select pgmq.create_partitioned('mail', '10', null, 2)")
    for _ in range(100):
        db.run("select pgmq.send('mail', '1')")
    db.run("select pgmq.archive('mail', array(select n from generate_series(1, 100) n))")

    assert db.one("select pgmq.maintain_partitions('mail')") is True

    assert partitions(db)[0] == "q_mail_p0"
    assert db.one("select count(*) from pgmq.a_mail") == 100


def test_maintain_is_for_all_queues_and_a_plain_one_has_nothing_to_maintain(cut):
    cut.run("select pgmq.create_partitioned('post', '10', '30', 2), pgmq.create('plain')")
    send(cut, 95)
    send(cut, 95, "post")

    maintain(cut)

    assert (partitions(cut)[-2], partitions(cut, "q_post")[-2]) == ("q_mail_p110", "q_post_p110")
    assert cut.one("select pgmq.maintain_partitions('plain')") is True


def test_the_length_of_the_default_partitions_is_what_the_planner_believes(cut):
    assert cut.one("select default_partition_length from pgmq.metrics('mail')") == 0
    cut.run("alter table pgmq.q_mail disable trigger partitions_follow")
    send(cut, 50)

    cut.run("analyze pgmq.q_mail_default")

    assert cut.one("select default_partition_length from pgmq.metrics('mail')") == 21


# nobody waits, nothing is lost


def test_a_sender_whose_transaction_is_open_keeps_nobody_waiting(cut, connect):
    other = connect()
    cut.run("begin")
    send(cut, 100)  # in partitions that are not there yet

    other.run("set lock_timeout = '1s'")
    assert other.column("select msg_id from pgmq.read('mail', 30, 9)") == []
    assert len(send(other, 50)) == 50

    cut.run("commit")
    assert cut.one("select count(*) from pgmq.pop('mail', 999)") == 150


def test_a_transaction_that_reads_for_long_stops_neither_senders_nor_readers(cut, connect):
    reader = connect()
    reader.run("begin")
    assert len(reader.column("select msg_id from pgmq.read('mail', 30, 5)")) == 0
    cut.run("set statement_timeout = '2s'")

    for _ in range(120):
        cut.run("select pgmq.send('mail', '1')")

    assert cut.column("select msg_id from pgmq.pop('mail', 2)") == [1, 2]
    assert cut.one("select count(*) from pgmq.q_mail_default") > 0
    assert cut.one("select pgmq.maintain_partitions('mail')") is False
    reader.run("commit")
    assert cut.one("select pgmq.maintain_partitions('mail')") is True
    assert cut.one("select count(*) from pgmq.q_mail_default") == 0
    assert cut.column("select msg_id from pgmq.pop('mail', 200)") == list(range(3, 121))


def test_two_senders_that_cross_a_boundary_at_once_both_succeed(cut, connect):
    other = connect()
    cut.run("begin")
    other.run("begin")
    send(cut, 60)
    send(other, 60)

    sent = [cut.later("commit"), other.later("commit")]

    assert [commit.result(10) for commit in sent] == [[], []]
    assert cut.column("select msg_id from pgmq.read('mail', 0, 200)") == list(range(1, 121))


def test_while_one_session_maintains_another_does_not_wait(cut, connect):
    other = connect()
    cut.run("begin")
    assert cut.one("select pgmq.maintain_partitions('mail')") is True

    other.run("set lock_timeout = '1s'")
    assert other.one("select pgmq.maintain_partitions('mail')") is False
    assert send(other, 8) == list(range(1, 9))

    cut.run("commit")


def test_whoever_archives_while_the_queue_is_maintained_meets_no_deadlock(cut, connect):
    other = connect()
    other.run("begin")
    other.run("lock table pgmq.q_mail, pgmq.a_mail in row exclusive mode")
    send(cut, 100)
    cut.run("select pgmq.archive('mail', array(select msg_id from pgmq.read('mail', 30, 60)))")
    other.run("commit")  # now both tables have rows in their default partitions
    other.run("set deadlock_timeout = '10ms'")
    other.run("begin")
    other.run("lock table pgmq.a_mail in row exclusive mode")

    cut.run("begin")
    maintained = cut.later("select pgmq.maintain_partitions('mail')")
    while not maintained.done() and not other.one(WAITED_FOR, "pgmq.a_mail"):
        pass
    asked = other.later("lock table pgmq.q_mail in row exclusive mode")

    assert maintained.result(10) == [(False,)]
    cut.run("commit")
    assert asked.result(10) == []
    other.run("commit")
    maintain(cut)
    assert cut.one("select (select count(*) from pgmq.q_mail_default) + (select count(*) from pgmq.a_mail_default)") == 0


def test_under_repeatable_read_sending_works_and_leaves_partitions_to_others(cut):
    cut.run("begin isolation level repeatable read")
    send(cut, 60)
    cut.run("commit")

    assert partitions(cut)[-2] == "q_mail_p20"
    assert cut.one("select pgmq.maintain_partitions('mail')") is True
    assert partitions(cut)[-2] == "q_mail_p80"


def test_a_transaction_that_is_prepared_for_a_second_phase_leaves_partitions_to_others(cut):
    cut.run("begin")
    send(cut, 60)
    cut.run("commit /* the server would have to be set up for: prepare transaction */")
    assert partitions(cut)[-2] == "q_mail_p20"

    send(cut, 10)

    assert partitions(cut)[-2] == "q_mail_p90"


def test_what_goes_wrong_in_maintenance_never_fails_a_send(cut):
    cut.run("create table pgmq.q_evil (like pgmq.q_mail)")
    cut.run("alter table pgmq.q_mail attach partition pgmq.q_evil for values from (35) to (1000)")
    cut.run("alter table pgmq.q_mail detach partition pgmq.q_mail_default")

    assert len(send(cut, 10)) == 10
    assert len(send(cut, 15)) == 15


def test_a_message_is_delivered_once_while_partitions_come_and_go(cut, connect):
    senders, readers = [connect(), connect()], [connect(), connect()]
    send_all = """do $$ begin for i in 1..60 loop
        perform pgmq.send_batch('mail', array_fill('1'::jsonb, array[20])); commit; end loop; end $$"""
    pop_all = """do $$ declare ids bigint[]; begin for i in 1..150 loop
        ids := array(select msg_id from pgmq.pop('mail', 30)); insert into popped select unnest(ids); commit; end loop; end $$"""
    cut.run("create table popped (msg_id bigint)")

    work = [s.later(send_all) for s in senders] + [r.later(pop_all) for r in readers]
    for job in work:
        job.result(60)
    while cut.one("select count(*) from pgmq.q_mail") > 0:
        cut.run("insert into popped select msg_id from pgmq.pop('mail', 100)")

    assert cut.rows("select count(*), count(distinct msg_id) from popped") == [(2400, 2400)]


def test_senders_who_may_only_send_have_their_partitions_made(cut, connect):
    cut.run("create role sender")
    cut.run("grant usage on schema pgmq to sender")
    cut.run("grant insert, select on pgmq.q_mail to sender")
    sender = connect()
    sender.run("set role sender")

    for _ in range(55):
        sender.run("select pgmq.send('mail', '1')")

    sender.run("reset role")
    cut.run("drop owned by sender")
    cut.run("drop role sender")
    assert partitions(cut)[-2] == "q_mail_p70"
    owners = "select distinct relowner from pg_class where relname ~ '^q_mail'"
    assert cut.column(owners) == cut.column("select relowner from pg_class where relname = 'q_mail'")


def test_upkeep_runs_with_the_rights_of_the_queues_owner(cut):
    cut.run("create role owner_of_mail")
    cut.run("grant usage, create on schema pgmq to owner_of_mail")
    cut.run("grant select, insert on pgmq.meta, pgmq.partitioning to owner_of_mail")
    cut.run("set role owner_of_mail")
    cut.run("select pgmq.create_partitioned('own', '10', '30', 2)")
    cut.run("reset role")

    send(cut, 55, "own")
    maintain(cut)

    assert partitions(cut, "q_own")[-2] == "q_own_p70"
    owners = cut.column("select distinct relowner::regrole::text from pg_class where relname ~ '^[qa]_own'")
    cut.run("drop owned by owner_of_mail")
    cut.run("drop role owner_of_mail")
    assert owners == ["owner_of_mail"]


# the weak spots of the contract


def test_weak_spot_15_a_burst_past_premake_does_not_break_maintenance(cut):
    send(cut, 500)

    maintain(cut)
    send(cut, 500)
    maintain(cut)

    assert cut.one("select count(*) from pgmq.q_mail_default") == 0
    assert cut.one("select count(*) from pgmq.q_mail") == 1000


def test_weak_spot_15_retention_never_drops_a_message_that_is_not_finished(cut):
    for _ in range(150):
        cut.run("select pgmq.send('mail', '1')")
    cut.run("select pgmq.read('mail', 600, 5)")
    cut.run("select pgmq.delete('mail', array(select n from generate_series(11, 150) n))")

    maintain(cut)

    assert partitions(cut)[:3] == ["q_mail_p0", "q_mail_p10", "q_mail_p120"]  # 10 is in the second
    assert cut.column("select msg_id from pgmq.set_vt('mail', array(select n from generate_series(1, 10) n), 0)") == list(
        range(1, 11)
    )


def test_weak_spot_15_a_sender_that_is_slow_to_commit_keeps_its_partition(cut, connect):
    slow = connect()
    slow.run("begin")
    send(slow, 1)
    send(cut, 100)
    cut.run("select pgmq.pop('mail', 100)")
    assert cut.one("select pgmq.maintain_partitions('mail')") is False

    slow.run("commit")

    assert cut.column("select msg_id from pgmq.read('mail', 30, 9)") == [1]


def test_weak_spot_15_creating_again_changes_nothing(cut):
    cut.run("select pgmq.create_partitioned('MAIL', '5', '5', 1)")
    cut.run("select pgmq.create('mail')")

    assert cut.notices == ['NOTICE: queue "MAIL" already exists, skipping', 'NOTICE: queue "mail" already exists, skipping']
    assert cut.column("select distinct partition_interval from pgmq.partitioning") == ["10"]


def test_weak_spot_15_a_dropped_queue_leaves_nothing_behind(db):
    left = """select (select count(*) from pg_class where relnamespace = 'pgmq'::regnamespace),
                     (select count(*) from pg_proc where pronamespace = 'pgmq'::regnamespace),
                     (select count(*) from pgmq.partitioning)"""
    before = db.rows(left)
    db.run("select pgmq.create_partitioned('mail', '10', '30', 2)")
    send(db, 200)
    db.run("select pgmq.archive('mail', array(select n from generate_series(1, 100) n))")

    assert db.one("select pgmq.drop_queue('mail')") is True

    assert db.rows(left) == before
    assert db.notices == []


@pytest.mark.parametrize("intervals", KINDS)
def test_weak_spot_16_a_converted_archive_keeps_its_rows(mail, intervals):
    send(mail, 25)
    mail.run("select pgmq.archive('mail', array(select n from generate_series(1, 20) n))")

    mail.run("select pgmq.convert_archive_partitioned('mail', %s, %s)", *KINDS[intervals])

    assert mail.column("select msg_id from pgmq.a_mail order by 1") == list(range(1, 21))
    assert mail.one("select relkind = 'p' from pg_class where oid = 'pgmq.a_mail'::regclass") is True
    assert partitions(mail, "a_mail")[0] == "a_mail_old"
    assert len(partitions(mail, "a_mail")) == 12
    assert mail.column("select pgmq.archive('mail', array(select n from generate_series(21, 25) n))") == list(range(21, 26))
    assert mail.one("select count(*) from pgmq.a_mail") == 25
    assert mail.rows("select is_partitioned from pgmq.list_queues()") == [(False,)]


def test_weak_spot_16_dropping_the_queue_takes_the_converted_archive_along(mail):
    mail.run("select pgmq.convert_archive_partitioned('mail')")

    mail.run("select pgmq.drop_queue('mail')")

    assert mail.one("select count(*) from pg_class where relname like '%mail%'") == 0
    assert mail.one("select count(*) from pgmq.partitioning") == 0


def test_a_converted_archive_goes_on_by_itself_and_drops_its_old_rows_when_all_are_past_the_retention(mail):
    send(mail, 200)
    mail.run("select pgmq.archive('mail', array(select n from generate_series(1, 15) n))")
    mail.run("select pgmq.convert_archive_partitioned('mail', '10', '50', 2)")
    assert partitions(mail, "a_mail") == ["a_mail_old", "a_mail_p20", "a_mail_p30", "a_mail_default"]

    for n in range(16, 100):
        mail.run("select pgmq.archive('mail', %s::bigint)", n)
    assert mail.one("select pgmq.maintain_partitions('mail')") is True

    assert partitions(mail, "a_mail")[0] == "a_mail_p40"
    assert mail.column("select msg_id from pgmq.a_mail order by 1") == list(range(40, 100))


def test_who_could_archive_can_after_the_conversion(mail, connect):
    mail.run("create role keeper")
    mail.run("grant usage on schema pgmq to keeper")
    mail.run("grant select, delete on pgmq.q_mail to keeper")
    mail.run("grant insert, select on pgmq.a_mail to keeper")
    send(mail, 1)

    mail.run("select pgmq.convert_archive_partitioned('mail')")

    mail.run("set role keeper")
    archived = mail.one("select pgmq.archive('mail', 1)")
    mail.run("reset role")
    mail.run("drop owned by keeper")
    mail.run("drop role keeper")
    assert archived is True


def test_converting_what_is_converted_or_missing_is_a_notice(mail):
    mail.run("select pgmq.convert_archive_partitioned('mail')")

    mail.run("select pgmq.convert_archive_partitioned('mail')")
    mail.run("select pgmq.convert_archive_partitioned('Post')")

    assert mail.notices == ["NOTICE: Table a_mails is already partitioned", "NOTICE: Table a_posts does not exists"]


# beside pg_partman


def test_beside_pg_partman_queues_are_cut_by_us_and_its_maintenance_leaves_them_alone(partman_dsn, open_session):
    with open_session(partman_dsn) as session:
        session.run("select pgmq.create_partitioned('mail', '10', '30', 2)")
        send(session, 100)

        session.run("select run_maintenance()")

        assert session.one("select count(*) from part_config") == 0
        assert session.column("select msg_id from pgmq.read('mail', 0, 200)") == list(range(1, 101))
        assert session.one("select pgmq.drop_queue('mail')") is True


def test_dropping_a_queue_that_pgmq_cut_with_pg_partman_takes_its_rows_and_templates_along(partman_dsn, open_session):
    with open_session(partman_dsn) as session:
        for table in ("q_mail", "a_mail"):
            session.run(f"create table pgmq.{table} (msg_id bigint not null) partition by range (msg_id)")
            kind = "range" if session.one("select extversion >= '5' from pg_extension where extname = 'pg_partman'") else "native"
            session.run("select create_parent(%s, 'msg_id', %s, '10')", f"pgmq.{table}", kind)
        session.run("create table pgmq.a_mail_old (msg_id bigint)")
        session.run("insert into pgmq.meta (queue_name, is_partitioned, is_unlogged) values ('mail', true, false)")

        assert session.one("select pgmq.drop_queue('mail')") is True

        assert session.one("select count(*) from part_config") == 0
        assert session.one("select count(*) from pg_class where relname like '%mail%'") == 0
