"""Wake-ups: senders notify only while somebody waits."""

import pytest

SENDING = [
    "pgmq.send('mail', '1')",
    "pgmq.send_batch('mail', array['1']::jsonb[])",
    "hanjul.send_many('mail', '[[1, null, null]]')",
    "pgmq.set_vt('mail', 1, 0)",
    "hanjul.nack('mail', '{1}', '{1}', '{0}')",
    "hanjul.release('mail', '{1}', '{1}', '{0}')",
    "hanjul.redrive('mail')",
    "hanjul.wake('Mail')",
]


def heard(session):
    return [(notify.channel, notify.payload) for notify in session.connection.notifies(timeout=0.05)]


@pytest.fixture
def waiter(mail, connect):
    """A session that listens; `mail` holds a claimed message."""
    mail.run("select pgmq.send('mail', '1')")
    mail.run("select hanjul.claim('mail', 60, 1)")
    waiter = connect()
    waiter.run("listen hanjul")
    return waiter


@pytest.mark.parametrize("call", SENDING)
def test_a_waiting_consumer_is_told_the_queues_name_at_commit(mail, waiter, call):
    waiter.run("select hanjul.wait('{Mail, other}')")
    mail.run("begin")
    mail.run(f"select {call}")
    assert heard(waiter) == []

    mail.run("commit")

    assert heard(waiter) == [("hanjul", "mail")]


@pytest.mark.parametrize("call", SENDING)
def test_nobody_is_told_while_nobody_waits(mail, waiter, call):
    waiter.run("select hanjul.wait('{mail}')")
    waiter.run("select hanjul.unwait('{mail}')")

    mail.run(f"select {call}")

    assert heard(waiter) == []


@pytest.mark.parametrize("call", SENDING)
def test_a_transaction_in_two_phases_can_do_without_notifying(mail, waiter, call):
    waiter.run("select hanjul.wait('{mail}')")
    mail.run("begin")
    mail.run("set local hanjul.notify = off")
    mail.run(f"select {call}")

    mail.run("prepare transaction 'first'")
    mail.run("commit prepared 'first'")

    assert heard(waiter) == []
    mail.run("select pgmq.send('mail', '2')")
    assert heard(waiter) == [("hanjul", "mail")]


def test_a_waiter_of_another_queue_is_not_told(mail, waiter):
    waiter.run("select hanjul.wait('{post}')")

    mail.run("select pgmq.send('mail', '1')")

    assert heard(waiter) == []


def test_two_consumers_can_wait_for_one_queue(mail, waiter, connect):
    second = connect()
    second.run("listen hanjul")
    for session in (waiter, second):
        session.run("select hanjul.wait('{mail}')")

    mail.run("select pgmq.send('mail', '1')")

    assert heard(waiter) == heard(second) == [("hanjul", "mail")]


def test_a_waiter_that_dies_takes_its_mark_with_it(mail, waiter, connect):
    other = connect()
    other.run("select hanjul.wait('{mail}')")
    waiter.run("select pg_terminate_backend(%s, 10000)", other.pid)

    mail.run("select pgmq.send('mail', '1')")

    assert heard(waiter) == []


def test_a_sender_in_the_act_does_not_make_another_one_notify(mail, waiter, connect):
    other = connect()
    other.run("select pg_advisory_lock(1751215722, hashtext('mail'))")  # what a sender holds for a moment

    mail.run("select pgmq.send('mail', '1')")

    assert heard(waiter) == []


def test_senders_keep_no_lock(mail, waiter):
    waiter.run("select hanjul.wait('{mail}')")
    mail.run("begin")
    for call in SENDING:
        mail.run(f"select {call}")

    assert mail.one("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()") == 0


@pytest.mark.parametrize("waiting", [False, True])
@pytest.mark.parametrize(
    "call", ["pgmq.send('mail', '1')", "hanjul.send_many('mail', '[[1, null, null]]')", "hanjul.wake('mail')"]
)
def test_senders_that_are_cancelled_leave_no_lock_behind(mail, waiter, refused, call, waiting):
    if waiting:
        waiter.run("select hanjul.wait('{mail}')")
    mail.run("set statement_timeout = 2")

    for _ in range(100):
        with refused("57014"):
            mail.run(f"do $$ begin loop perform {call}; end loop; end $$")

    mail.run("reset statement_timeout")
    assert mail.one("select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()") == 0


def test_both_schemas_wake_by_the_same_words(db):
    asked = db.one("select replace(pgmq._waited(), '{key}', 'key')").replace("pg_catalog.", "").replace("operator(<>)", "<>")

    assert " ".join(asked.split()) in " ".join(
        db.one("select prosrc from pg_proc where oid = 'hanjul.wake(text)'::regprocedure").split()
    )


def test_a_send_that_is_rolled_back_wakes_nobody(mail, waiter):
    waiter.run("select hanjul.wait('{mail}')")
    mail.run("begin")
    mail.run("select pgmq.send('mail', '1')")
    mail.run("rollback")

    assert heard(waiter) == []


def test_ready_tells_when_each_queues_next_message_is_due(mail):
    mail.run("select pgmq.create('post'), pgmq.create('empty')")
    mail.run("select pgmq.send('mail', '1', 60), pgmq.send('mail', '2', 30), pgmq.send('post', '1')")

    due = dict(mail.rows("select queue_name, due_in_s from hanjul.ready('{Mail, empty, missing, post}')"))

    assert list(due) == ["Mail", "post"]
    assert 20 < due["Mail"] <= 30
    assert due["post"] <= 0
