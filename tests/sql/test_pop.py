"""pgmq.pop: section 7 of the contract."""

import pytest


@pytest.fixture
def five(mail):
    """The queue `mail` with messages 1 to 5."""
    mail.run("select pgmq.send_batch('mail', array(select to_jsonb(n) from generate_series(1, 5) n))")
    return mail


def test_a_pop_deletes_the_oldest_visible_message_and_returns_it_as_stored(five):
    assert five.rows("select msg_id, read_ct, last_read_at, message from pgmq.pop('mail')") == [(1, 0, None, 1)]

    assert five.one("select count(*) from pgmq.q_mail") == 4
    assert five.one("select count(*) from pgmq.a_mail") == 0


def test_an_earlier_read_stays_counted_in_what_is_popped(five):
    five.run("select pgmq.read('mail', 0, 1)")

    assert five.rows("select msg_id, read_ct, last_read_at is null from pgmq.pop('mail')") == [(1, 1, False)]


@pytest.mark.parametrize(("qty", "popped"), [("0", []), ("2", [1, 2]), ("9", [1, 2, 3, 4, 5]), ("null", [1, 2, 3, 4, 5])])
def test_up_to_qty_messages_are_popped_in_order(five, qty, popped):
    assert five.column(f"select msg_id from pgmq.pop('mail', {qty})") == popped


def test_named_and_untyped_arguments_resolve(five):
    assert five.column("select msg_id from pgmq.pop(queue_name => 'mail', qty => 1)") == [1]
    assert five.column("select msg_id from pgmq.pop(%s)", "mail") == [2]
    assert five.column("select msg_id from pgmq.pop(%s, %s)", "mail", 2) == [3, 4]


def test_a_message_in_flight_is_not_popped(five):
    five.run("select pgmq.read('mail', 30, 4)")

    assert five.column("select msg_id from pgmq.pop('mail', 10)") == [5]
    assert five.rows("select * from pgmq.pop('mail')") == []


def test_a_pop_that_is_rolled_back_gives_the_message_back(five, connect):
    other = connect()
    five.run("begin")
    five.run("select pgmq.pop('mail')")
    assert other.column("select msg_id from pgmq.pop('mail')") == [2]

    five.run("rollback")

    assert other.column("select msg_id from pgmq.pop('mail')") == [1]
