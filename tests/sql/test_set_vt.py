"""pgmq.set_vt: section 7 of the contract."""

import pytest

FORMS = pytest.mark.parametrize("ids", ["1", "array[1]::bigint[]"])


@pytest.fixture
def five(mail):
    """The queue `mail` with messages 1 to 5."""
    mail.run("select pgmq.send_batch('mail', array(select to_jsonb(n) from generate_series(1, 5) n))")
    return mail


@FORMS
@pytest.mark.parametrize(("vt", "seconds"), [("60", 60), ("-60", -60), ("0", 0), ("clock_timestamp() + '1 hour'", 3600)])
def test_every_form_moves_vt_and_nothing_else_and_returns_the_row(five, ids, vt, seconds):
    five.run("select pgmq.read('mail', 30, 1)")
    columns = "msg_id, read_ct, enqueued_at, last_read_at, message, headers"
    before = five.rows(f"select {columns} from pgmq.q_mail where msg_id = 1")

    moved = five.rows(f"select {columns} from pgmq.set_vt('mail', {ids}, {vt})")

    assert moved == before
    distance_s = five.one("select extract(epoch from vt - clock_timestamp())::float8 from pgmq.q_mail where msg_id = 1")
    assert seconds - 10 < distance_s <= seconds + 0.001


def test_the_row_has_the_columns_of_message_record(five):
    cursor = five.connection.execute("select * from pgmq.set_vt('mail', 1, 0)")

    assert [column.name for column in cursor.description] == [
        "msg_id", "read_ct", "enqueued_at", "last_read_at", "vt", "message", "headers",
    ]  # fmt: skip


def test_a_batch_is_moved_in_order_and_unknown_ids_are_absent(five):
    assert five.column("select msg_id from pgmq.set_vt('mail', array[5, 99, 1, 1, null]::bigint[], 60)") == [1, 5]
    assert five.column("select msg_id from pgmq.read('mail', 30, 10)") == [2, 3, 4]


def test_an_unknown_id_moves_nothing(five):
    assert five.rows("select * from pgmq.set_vt('mail', 99, 60)") == []
    assert five.rows("select * from pgmq.set_vt('mail', null::bigint, 60)") == []


@FORMS
@pytest.mark.parametrize("vt", ["null::integer", "null::timestamptz"])
def test_a_null_vt_is_refused_and_changes_nothing(five, refused, ids, vt):
    before = five.rows("select * from pgmq.q_mail order by msg_id")

    with refused("23502"):
        five.run(f"select pgmq.set_vt('mail', {ids}, {vt})")

    assert five.rows("select * from pgmq.q_mail order by msg_id") == before


@pytest.mark.parametrize("vt", [2147483647, -2147483648])
def test_the_largest_numbers_are_seconds_like_any_other(five, vt):
    distance = "extract(epoch from vt - clock_timestamp())::float8"
    assert abs(five.one(f"select {distance} from pgmq.set_vt('mail', 1, %s)", vt) - vt) < 10


def test_named_and_typed_arguments_resolve(five):
    for call in (
        "queue_name => 'mail', msg_id => 1, vt => 60",
        "queue_name => 'mail', msg_ids => array[1], vt => 60",
        "queue_name => 'mail', msg_id => 1, vt => now()",
        "queue_name => 'mail', msg_ids => array[1], vt => now()",
    ):
        assert five.column(f"select msg_id from pgmq.set_vt({call})") == [1]
    assert five.column("select msg_id from pgmq.set_vt(%s, %s, %s)", "mail", 1, 60) == [1]
    assert five.column("select msg_id from pgmq.set_vt(%s, %s, %s)", "mail", [1, 2], 60) == [1, 2]


@FORMS
def test_it_waits_for_whoever_holds_the_row(five, connect, blocked, ids):
    other = connect()
    five.run("begin")
    five.run("select pgmq.read('mail', 30, 1)")

    moved = other.later(f"select msg_id, read_ct from pgmq.set_vt('mail', {ids}, 0)")
    blocked(other)
    five.run("commit")

    assert moved.result(10) == [(1, 1)]
