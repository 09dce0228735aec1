"""pgmq.delete and pgmq.archive: section 7 of the contract."""

import pytest

BOTH = pytest.mark.parametrize("finish", ["delete", "archive"])


@pytest.fixture
def five(mail):
    """The queue `mail` with messages 1 to 5."""
    mail.run("select pgmq.send_batch('mail', array(select to_jsonb(n) from generate_series(1, 5) n))")
    return mail


@BOTH
def test_one_message_is_finished_whether_visible_or_not(five, finish):
    five.run("select pgmq.read('mail', 30, 1)")

    assert five.one(f"select pgmq.{finish}('mail', 1)") is True
    assert five.one(f"select pgmq.{finish}('mail', 2)") is True

    assert five.column("select msg_id from pgmq.q_mail order by 1") == [3, 4, 5]


@BOTH
@pytest.mark.parametrize("msg_id", ["99", "-1", "0", "9223372036854775807", "null::bigint"])
def test_an_unknown_id_is_false(five, finish, msg_id):
    assert five.one(f"select pgmq.{finish}('mail', {msg_id})") is False
    assert five.one("select count(*) from pgmq.q_mail") == 5


@BOTH
def test_a_batch_returns_the_ids_that_were_there_once_and_in_order(five, finish):
    assert five.column(f"select pgmq.{finish}('mail', array[4, 2, 99, 2, null]::bigint[])") == [2, 4]
    assert five.column("select msg_id from pgmq.q_mail order by 1") == [1, 3, 5]


@BOTH
@pytest.mark.parametrize("ids", ["'{}'::bigint[]", "null::bigint[]"])
def test_an_empty_batch_finishes_nothing(five, finish, ids):
    assert five.rows(f"select pgmq.{finish}('mail', {ids})") == []
    assert five.one("select count(*) from pgmq.q_mail") == 5


@BOTH
def test_named_and_small_arguments_resolve(five, finish):
    assert five.one(f"select pgmq.{finish}(queue_name => 'mail', msg_id => 1)") is True
    assert five.column(f"select pgmq.{finish}(queue_name => 'mail', msg_ids => '{{2}}')") == [2]
    assert five.one(f"select pgmq.{finish}(%s, %s)", "mail", 3) is True
    assert five.column(f"select pgmq.{finish}(%s, %s)", "mail", [4, 5]) == [4, 5]


@BOTH
def test_the_result_column_has_the_functions_name(five, finish):
    for argument in ("1", "array[2]"):
        cursor = five.connection.execute(f"select * from pgmq.{finish}('mail', {argument})")
        assert [column.name for column in cursor.description] == [finish]


@BOTH
def test_a_rollback_brings_the_messages_back(five, finish):
    five.run("begin")
    five.run(f"select pgmq.{finish}('mail', array[1, 2])")
    five.run("rollback")

    assert five.column("select msg_id from pgmq.read('mail', 30, 10)") == [1, 2, 3, 4, 5]
    assert five.one("select count(*) from pgmq.a_mail") == 0


@pytest.mark.parametrize("argument", ["1", "array[1]"])
def test_the_archive_keeps_everything_and_adds_the_transactions_time(mail, argument):
    mail.run("""select pgmq.send('mail', '{"a": 1}', '{"h": 2}'::jsonb)""")
    mail.run("select pgmq.read('mail', 30, 1)")
    columns = "msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers"
    [before] = mail.rows(f"select {columns} from pgmq.q_mail")

    mail.run("begin")
    mail.run(f"select pgmq.archive('mail', {argument})")

    assert mail.rows(f"select {columns}, archived_at = now() from pgmq.a_mail") == [(*before, True)]


@BOTH
@pytest.mark.parametrize("argument", ["2", "array[2]"])
def test_finishing_waits_for_whoever_holds_the_row(five, connect, blocked, finish, argument):
    other = connect()
    five.run("begin")
    five.run("update pgmq.q_mail set message = '\"new\"' where msg_id = 2")

    finished = other.later(f"select count(*) from pgmq.{finish}('mail', {argument}) f where f::text not in ('f', 'false')")
    blocked(other)
    five.run("commit")

    assert finished.result(10) == [(1,)]
    assert five.column("select message from pgmq.a_mail") == (["new"] if finish == "archive" else [])


@BOTH
def test_of_two_that_finish_one_message_one_is_told_so(five, connect, blocked, finish):
    other = connect()
    five.run("begin")
    assert five.one(f"select pgmq.{finish}('mail', 1)") is True

    second = other.later(f"select pgmq.{finish}('mail', 1)")
    blocked(other)
    five.run("commit")

    assert second.result(10) == [(False,)]


@pytest.mark.parametrize(
    "call",
    [
        "pgmq.delete('mail', ids)",
        "pgmq.archive('mail', ids)",
        "pgmq.set_vt('mail', ids, 0)",
        "hanjul.ack('mail', ids, array_fill(1, array[400]))",
        "hanjul.extend('mail', ids, array_fill(1, array[400]), 0)",
    ],
)
def test_batches_over_the_same_messages_in_opposite_order_do_not_deadlock(mail, connect, call):
    up, down = connect(), connect()
    for session in (up, down):
        session.run("set deadlock_timeout = '10ms'")
    query = "select count(*) from (select array_agg(n order by n {}) ids from generate_series(1, 400) n) i, lateral {}"

    for _ in range(8):
        mail.run("truncate pgmq.q_mail, pgmq.a_mail restart identity")
        mail.run("select pgmq.send_batch('mail', array(select to_jsonb(n) from generate_series(1, 400) n))")
        mail.run("select count(*) from pgmq.read('mail', 0, 400)")
        both = [session.later(query.format(order, call)) for session, order in ((up, "asc"), (down, "desc"))]
        for done in both:
            done.result(30)
