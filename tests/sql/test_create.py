"""pgmq.create and its kin: sections 2.2, 4 and 5 of the contract."""

import pytest

COLUMNS = """
    select string_agg(column_name || ' ' || data_type || case is_nullable when 'NO' then ' not null' else '' end, ', '
                      order by ordinal_position)
    from information_schema.columns where table_schema = 'pgmq' and table_name = %s"""
TIME = "timestamp with time zone"


def test_a_queue_is_a_table_with_the_columns_of_pgmq_first(mail):
    columns = mail.one(COLUMNS, "q_mail")

    assert columns.startswith(
        f"msg_id bigint not null, read_ct integer not null, enqueued_at {TIME} not null, last_read_at {TIME}, "
        f"vt {TIME} not null, message jsonb, headers jsonb, "
    )


def test_an_archive_has_archived_at_between_last_read_at_and_vt(mail):
    assert mail.one(COLUMNS, "a_mail") == (
        f"msg_id bigint not null, read_ct integer not null, enqueued_at {TIME} not null, last_read_at {TIME}, "
        f"archived_at {TIME} not null, vt {TIME} not null, message jsonb, headers jsonb"
    )


def test_ids_come_from_an_identity_that_is_always_generated(mail, refused):
    assert mail.one("select pg_get_serial_sequence('pgmq.q_mail', 'msg_id')") == "pgmq.q_mail_msg_id_seq"
    with refused("428C9"):
        mail.run("insert into pgmq.q_mail (msg_id, vt) values (7, now())")


def test_the_archive_is_indexed_under_the_name_as_given(db):
    db.run("select pgmq.create('Mail')")

    indexes = db.column("select indexname::text from pg_indexes where tablename = 'a_mail' order by 1")

    assert indexes == ["a_mail_pkey", "archived_at_idx_Mail"]


def test_a_queue_can_be_read_and_changed_as_an_ordinary_table(mail):
    mail.run("select pgmq.send('mail', '1', 60)")

    mail.run("update pgmq.q_mail set vt = now() where message = '1'")

    assert mail.column("select msg_id from pgmq.read('mail', 0, 1)") == [1]


@pytest.mark.parametrize("function", ["create", "create_non_partitioned", "create_unlogged", "create_queue"])
def test_each_way_to_create_makes_a_queue_that_is_listed(db, function):
    assert db.one(f"select pgmq.{function}('mail')") == ""

    [listed] = db.rows("select queue_name, is_partitioned, is_unlogged, created_at <= now() from pgmq.list_queues()")

    assert listed == ("mail", False, function == "create_unlogged", True)


def test_an_unlogged_queue_has_a_logged_archive_and_logged_ids(db):
    db.run("select pgmq.create_unlogged('mail')")

    kinds = dict(db.rows("select relname::text, relpersistence from pg_class where relname ~ '^[qa]_mail(_msg_id_seq)?$'"))

    assert kinds == {"q_mail": "u", "a_mail": "p", "q_mail_msg_id_seq": "p"}


def test_creating_again_changes_nothing_but_gives_a_notice(mail):
    mail.run("select pgmq.send('mail', '1')")

    mail.run("select pgmq.create('mail')")
    mail.run("select pgmq.create_unlogged('MAIL')")

    assert mail.notices == ['NOTICE: queue "mail" already exists, skipping', 'NOTICE: queue "MAIL" already exists, skipping']
    assert mail.rows("select queue_name, is_unlogged from pgmq.list_queues()") == [("mail", False)]
    assert mail.one("select count(*) from pgmq.q_mail") == 1


def test_a_create_that_is_rolled_back_leaves_nothing(db):
    db.run("begin")
    db.run("select pgmq.create('mail')")
    db.run("rollback")

    assert db.rows("select * from pgmq.list_queues()") == []
    assert db.one("select to_regclass('pgmq.q_mail')") is None


def test_creating_an_existing_queue_does_not_wait_for_its_writers(mail, connect):
    writer = connect()
    writer.run("begin")
    writer.run("select pgmq.send('mail', '1')")

    mail.run("set lock_timeout = '1s'")
    mail.run("select pgmq.create('mail')")

    writer.run("commit")


def test_two_sessions_that_create_one_queue_both_succeed(db, connect, blocked):
    other = connect()
    db.run("begin")
    db.run("select pgmq.create('mail')")

    created = other.later("select pgmq.create('mail')")
    blocked(other)
    db.run("commit")

    assert created.result(10) == [("",)]
    assert db.column("select queue_name from pgmq.list_queues()") == ["mail"]


def test_queues_of_other_names_are_created_without_waiting(db, connect):
    other = connect()
    db.run("begin")
    db.run("select pgmq.create('mail')")

    other.run("set lock_timeout = '1s'")
    other.run("select pgmq.create('post')")

    db.run("commit")
    assert db.column("select queue_name from pgmq.list_queues()") == ["mail", "post"]


def test_a_create_that_waited_for_a_drop_makes_the_queue_again(mail, connect, blocked):
    other = connect()
    mail.run("select pgmq.send('mail', '1')")
    mail.run("begin")
    mail.run("select pgmq.drop_queue('mail')")

    created = other.later("select pgmq.create('mail')")
    blocked(other)
    mail.run("commit")

    assert created.result(10) == [("",)]
    assert other.column("select pgmq.send('mail', '2')") == [2]


def test_creation_takes_the_advisory_lock_that_other_clients_take(db, connect, blocked):
    other = connect()
    db.run("begin")
    db.run("select pg_advisory_xact_lock(hashtext('pgmq.queue_mail'))")

    created = other.later("select pgmq.create('mail')")
    blocked(other)
    db.run("commit")

    assert created.result(10) == [("",)]


def test_acquire_queue_lock_is_held_until_the_transaction_ends(db):
    db.run("begin")
    db.run("select pgmq.acquire_queue_lock('mail')")
    held = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
    assert db.one(held) == 1

    db.run("commit")

    assert db.one(held) == 0


def test_dropping_removes_queue_archive_and_registration(mail):
    assert mail.one("select pgmq.drop_queue('mail')") is True

    assert mail.rows("select * from pgmq.meta") == []
    assert mail.rows("select to_regclass('pgmq.q_mail'), to_regclass('pgmq.a_mail')") == [(None, None)]


def test_dropping_a_missing_queue_is_a_notice_and_false(db):
    assert db.one("select pgmq.drop_queue('Mail')") is False

    assert db.notices == ["NOTICE: pgmq queue `Mail` does not exist"]


def test_the_deprecated_drop_warns_ignores_its_flag_and_returns_true(db):
    assert db.one("select pgmq.drop_queue('mail', true)") is True

    assert db.notices[0] == (
        "WARNING: drop_queue(queue_name, partitioned) is deprecated and will be removed in PGMQ v2.0. "
        "Use drop_queue(queue_name) instead"
    )


def test_detach_archive_does_nothing_but_warn(mail, refused):
    mail.run("select pgmq.detach_archive('no such queue')")

    [warning] = mail.notices
    assert warning == (
        "WARNING: detach_archive(queue_name) is deprecated and is a no-op. It will be removed in PGMQ v2.0. "
        "Archive tables are no longer member objects."
    )
    with refused("P0001"):
        mail.run("select pgmq.detach_archive('a;b')")


def test_delete_queue_is_another_name_for_drop_queue(mail):
    assert mail.one("select pgmq.delete_queue('mail')") is True
    assert mail.one("select pgmq.delete_queue('mail')") is False


def test_purging_empties_the_queue_and_nothing_else(mail):
    mail.run("select pgmq.send_batch('mail', array['1', '2', '3']::jsonb[])")
    mail.run("select pgmq.archive('mail', 1)")

    assert mail.one("select pgmq.purge_queue('mail')") == 2

    assert mail.one("select count(*) from pgmq.a_mail") == 1
    assert mail.column("select pgmq.send('mail', '4')") == [4]
    assert mail.one("select total_messages from pgmq.metrics('mail')") == 4


def test_purging_waits_for_a_sender_and_counts_its_message(mail, connect, blocked):
    sender = connect()
    sender.run("begin")
    sender.run("select pgmq.send('mail', '1')")

    purged = mail.later("select pgmq.purge_queue('mail')")
    blocked(mail)
    sender.run("commit")

    assert purged.result(10) == [(1,)]


def test_writing_a_queues_functions_again_leaves_them_to_those_who_are_at_them(mail, connect):
    mail.run("prepare claim as select * from hanjul.claim('mail', 30, 1)")
    oids = mail.rows("select oid, proname from pg_proc where proname like '%.mail' order by 1")
    connect().run("select pgmq._plan('Mail')")

    assert len(oids) > 15
    assert mail.rows("select oid, proname from pg_proc where proname like '%.mail' order by 1") == oids
    mail.run("select pgmq.send('mail', '1')")
    assert len(mail.rows("execute claim")) == 1


def test_a_queues_function_of_another_shape_is_replaced(mail):
    mail.run('drop function pgmq."pop.mail"')
    mail.run("""create function pgmq."pop.mail"(old text) returns text language sql as $$ select 'old' $$""")

    mail.run("select pgmq._plan('mail')")

    mail.run("select pgmq.send('mail', '1')")
    assert mail.column("select message from pgmq.pop('mail')") == [1]
