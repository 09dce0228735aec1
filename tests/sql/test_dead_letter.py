"""hanjul.reject, dead_letters and redrive: out of the queue with the reason why, and back."""

import pytest

REJECT = "select * from hanjul.reject('mail', %s::bigint[], %s::integer[], %s::text[], %s::text[])"


@pytest.fixture
def claimed(mail):
    """The queue `mail` with messages 1 to 3, all claimed once."""
    mail.run("select pgmq.send_batch('mail', array['1', '2', '3']::jsonb[], array['{\"h\": 1}', null, null]::jsonb[])")
    mail.run("select hanjul.claim('mail', 60, 3)")
    return mail


def test_a_rejected_message_leaves_the_queue_with_why_when_and_from_where(claimed):
    assert claimed.rows(REJECT, [2, 1], [1, 1], ["rejected", "max_attempts"], ["no such user", None]) == []

    assert claimed.column("select msg_id from pgmq.q_mail") == [3]
    columns = "queue_name, msg_id, attempts, reason, error, message, headers, died_at >= enqueued_at"
    assert claimed.rows(f"select {columns} from hanjul.dead_letter order by id") == [
        ("mail", 1, 1, "max_attempts", None, 1, {"h": 1}, True),
        ("mail", 2, 1, "rejected", "no such user", 2, None, True),
    ]


def test_deliveries_that_were_given_back_are_not_counted_as_attempts(claimed):
    claimed.run("select hanjul.release('mail', '{1}', '{1}', '{0}')")
    claimed.run("select hanjul.claim('mail', 60, 1)")

    assert claimed.rows(REJECT, [1], [2], ["rejected"], ["no"]) == []

    assert claimed.one("select attempts from hanjul.dead_letter") == 1


def test_a_long_error_is_shortened(claimed):
    claimed.run(REJECT, [1], [1], ["rejected"], ["é" * 5000])

    assert claimed.one("select length(error) from hanjul.dead_letter") == 2048


def test_a_repeated_rejection_is_harmless(claimed):
    claimed.run(REJECT, [1], [1], ["rejected"], ["no"])

    assert claimed.rows(REJECT, [1], [1], ["rejected"], ["no"]) == [(1, 1, None)]

    assert claimed.one("select count(*) from hanjul.dead_letter") == 1


def test_a_rejection_without_a_reason_is_refused_and_changes_nothing(claimed, refused):
    with refused("23502"):
        claimed.run(REJECT, [1, 2], [1, 1], ["rejected", None], ["no", "no"])

    assert claimed.one("select count(*) from pgmq.q_mail") == 3
    assert claimed.one("select count(*) from hanjul.dead_letter") == 0


def test_until_a_rejection_commits_the_message_is_in_its_queue_and_nowhere_else(claimed, connect):
    other = connect()
    both = "select (select count(*) from pgmq.q_mail), (select count(*) from hanjul.dead_letter)"
    claimed.run("begin")
    claimed.run(REJECT, [1], [1], ["rejected"], ["no"])
    assert other.rows(both) == [(3, 0)]

    claimed.run("commit")

    assert other.rows(both) == [(2, 1)]


def test_redrive_puts_the_oldest_back_with_headers_and_a_fresh_count(claimed):
    claimed.run(REJECT, [1], [1], ["rejected"], ["no"])
    claimed.run(REJECT, [3, 2], [1, 1], ["rejected"] * 2, ["no"] * 2)

    assert claimed.column("select hanjul.redrive('MAIL', 2)") == [4, 5]

    delivered = claimed.rows("select msg_id, attempt, released, message, headers from hanjul.claim('mail', 60, 9)")
    assert delivered == [(4, 1, 0, "1", '{"h": 1}'), (5, 1, 0, "2", None)]
    assert claimed.column("select msg_id from hanjul.dead_letter") == [3]


def test_redrive_without_a_number_puts_all_back_and_then_none(claimed):
    claimed.run(REJECT, [1, 2, 3], [1, 1, 1], ["rejected"] * 3, ["no"] * 3)

    assert len(claimed.column("select hanjul.redrive('mail')")) == 3
    assert claimed.column("select hanjul.redrive('mail')") == []


def test_redrive_of_a_queue_that_is_gone_loses_no_dead_letter(claimed, refused):
    claimed.run(REJECT, [1], [1], ["rejected"], ["no"])
    claimed.run("select pgmq.drop_queue('mail')")

    with refused("42P01"):
        claimed.run("select hanjul.redrive('mail')")

    assert claimed.one("select count(*) from hanjul.dead_letter") == 1


def test_two_redrives_at_once_share_the_dead_letters(claimed, connect):
    other = connect()
    claimed.run(REJECT, [1, 2, 3], [1, 1, 1], ["rejected"] * 3, ["no"] * 3)
    claimed.run("begin")
    assert len(claimed.column("select hanjul.redrive('mail', 2)")) == 2

    assert len(other.column("select hanjul.redrive('mail', 2)")) == 1

    claimed.run("commit")
    assert claimed.column("select message from pgmq.read('mail', 60, 9) order by message") == [1, 2, 3]


def test_redrive_leaves_the_dead_letters_of_other_queues(claimed):
    claimed.run("select pgmq.create('post')")
    claimed.run(REJECT, [1], [1], ["rejected"], ["no"])

    assert claimed.column("select hanjul.redrive('post')") == []
    assert claimed.one("select count(*) from hanjul.dead_letters('mail')") == 1


def test_dead_letters_shows_the_newest_first(claimed):
    for msg_id in (2, 3, 1):
        claimed.run(REJECT, [msg_id], [1], ["rejected"], ["no"])

    assert claimed.column("select msg_id from hanjul.dead_letters('Mail')") == [1, 3, 2]
    assert claimed.column("select msg_id from hanjul.dead_letters('mail', 2)") == [1, 3]
