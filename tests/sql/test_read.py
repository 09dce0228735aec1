"""pgmq.read and pgmq.peek: section 7 of the contract."""

import pytest

HIDE = "update pgmq.q_mail set vt = clock_timestamp() + '1 hour' where msg_id = any (%s)"


@pytest.fixture
def ten(mail):
    """The queue `mail` with messages 1 to 10."""
    mail.run("select pgmq.send_batch('mail', array(select to_jsonb(n) from generate_series(1, 10) n))")
    return mail


def test_the_row_has_the_seven_columns_of_message_record_in_order(ten):
    cursor = ten.connection.execute("select * from pgmq.read('mail', 30, 1)")

    assert [column.name for column in cursor.description] == [
        "msg_id", "read_ct", "enqueued_at", "last_read_at", "vt", "message", "headers",
    ]  # fmt: skip


def test_a_read_counts_stamps_and_hides_for_vt_seconds(ten):
    [row] = ten.rows("""
        select m.read_ct, m.last_read_at <= clock_timestamp(), extract(epoch from m.vt - m.last_read_at)::int, m.message
        from pgmq.read('mail', 30, 1) m""")

    assert row == (1, True, 30, 1)
    assert ten.one("select count(*) from pgmq.read('mail', 30, 10)") == 9
    assert ten.rows("select * from pgmq.read('mail', 30, 10)") == []


def test_the_oldest_visible_ids_are_taken_and_returned_in_order(ten):
    ten.run(HIDE, [1, 2, 5])
    ten.run("update pgmq.q_mail set headers = '{}' where msg_id in (3, 9)")  # moves them in the heap

    assert ten.column("select msg_id from pgmq.read('mail', 30, 4)") == [3, 4, 6, 7]
    assert ten.column("select msg_id from pgmq.read('mail', 30, 9)") == [8, 9, 10]


def test_an_expired_lease_makes_the_message_visible_again(ten):
    ten.run("select pgmq.read('mail', 30, 10)")

    ten.run("update pgmq.q_mail set vt = clock_timestamp() where msg_id = 4")

    assert ten.rows("select msg_id, read_ct from pgmq.read('mail', 30, 10)") == [(4, 2)]


@pytest.mark.parametrize("vt", [0, -5, -2147483648])
def test_a_vt_of_zero_or_less_leaves_the_message_visible(ten, vt):
    ten.run("begin")

    assert ten.rows("select msg_id, read_ct from pgmq.read('mail', %s, 1)", vt) == [(1, 1)]
    assert ten.rows("select msg_id, read_ct from pgmq.read('mail', %s, 1)", vt) == [(1, 2)]


def test_the_largest_vt_hides_for_68_years(ten):
    ten.run("select pgmq.read('mail', 2147483647, 1)")

    assert ten.one("select vt > now() + '68 years'::interval from pgmq.q_mail where msg_id = 1") is True


def test_a_null_vt_is_refused_and_changes_nothing(ten, refused):
    with refused("23502"):
        ten.run("select pgmq.read('mail', null, 1)")

    assert ten.one("select max(read_ct) from pgmq.q_mail") == 0


def test_qty_zero_is_none_and_null_is_all(ten):
    assert ten.rows("select * from pgmq.read('mail', 30, 0)") == []
    assert ten.one("select count(*) from pgmq.read('mail', 30, null)") == 10


@pytest.mark.parametrize("function", ["read('mail', 30, -1)", "pop('mail', -1)", "peek('mail', -1)"])
def test_a_negative_qty_is_refused_also_by_an_empty_queue(mail, refused, function):
    with refused("2201W", "LIMIT must not be negative"):
        mail.run(f"select pgmq.{function}")


def test_numbers_with_fractions_do_not_resolve(ten, refused):
    with refused("42883"):
        ten.run("select pgmq.read('mail', 1.5, 1)")


def test_untyped_and_named_arguments_resolve(ten):
    assert ten.column("select msg_id from pgmq.read(%s, %s, %s)", "mail", "30", "1") == [1]
    assert ten.column("select msg_id from pgmq.read(queue_name => 'mail', vt => 30, qty => 1)") == [2]
    named = "select msg_id from pgmq.read(queue_name => 'mail', vt => 30, qty => 1, conditional => '5')"
    assert ten.column(named) == [5]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("{}", [1, 2, 3, 4, 5, 6]),
        (None, [1, 2, 3, 4, 5, 6]),
        ('{"type": "a"}', [1, 2]),
        ('{"nested": {"x": 1}}', [2]),
        ('{"type": "none"}', []),
        ("[1]", [3]),
        ("[]", [3]),
        ("1", [3, 4]),
        ('"text"', [5]),
    ],
)
def test_a_condition_keeps_the_messages_that_contain_it(mail, condition, found):
    bodies = ['{"type": "a"}', '{"type": "a", "nested": {"x": 1, "y": 2}}', "[1, 2]", "1", '"text"', None]
    mail.run("select pgmq.send_batch('mail', %s::text[]::jsonb[])", bodies)

    assert mail.column("select msg_id from pgmq.read('mail', 30, 10, %s)", condition) == found


def test_a_condition_is_applied_before_qty(ten):
    assert ten.column("select msg_id from pgmq.read('mail', 30, 1, '7')") == [7]


def test_an_uncommitted_read_is_invisible_to_others_and_a_rollback_undoes_it(ten, connect):
    other = connect()
    ten.run("begin")
    ten.run("select pgmq.read('mail', 30, 3)")

    assert other.column("select msg_id from pgmq.read('mail', 30, 2)") == [4, 5]
    ten.run("rollback")

    assert other.rows("select msg_id, read_ct from pgmq.read('mail', 30, 3)") == [(1, 1), (2, 1), (3, 1)]


def test_rows_locked_by_others_are_skipped_without_counting_towards_qty(ten, connect):
    other = connect()
    other.run("begin")
    other.run("select * from pgmq.q_mail where msg_id in (1, 3) for update")

    assert ten.column("select msg_id from pgmq.read('mail', 30, 3)") == [2, 4, 5]


def test_a_read_late_in_a_long_transaction_leases_for_the_whole_vt(ten):
    ten.run("begin")
    ten.run("select pg_sleep(0.05)")

    assert ten.one("select vt > now() + '30.05 s'::interval from pgmq.read('mail', 30, 1)") is True


def test_under_repeatable_read_a_concurrent_read_is_a_serialization_failure(ten, connect, refused):
    other = connect()
    ten.run("begin isolation level repeatable read")
    ten.one("select count(*) from pgmq.q_mail")
    other.run("select pgmq.read('mail', 30, 1)")

    with refused("40001"):
        ten.run("select pgmq.read('mail', 30, 1)")


def test_under_repeatable_read_later_commits_are_not_seen(mail, connect):
    other = connect()
    mail.run("begin isolation level repeatable read")
    mail.one("select count(*) from pgmq.q_mail")
    other.run("select pgmq.send('mail', '1')")

    assert mail.rows("select * from pgmq.read('mail', 30, 1)") == []


def test_many_readers_at_once_take_every_message_once(mail, connect):
    mail.run("select pgmq.send_batch('mail', array(select to_jsonb(n) from generate_series(1, 2000) n))")
    read_all = """
        do $$ declare n integer; begin
            create temp table seen (msg_id bigint);
            loop
                insert into seen select msg_id from pgmq.read('mail', 60, 7);
                get diagnostics n = row_count;
                exit when n = 0;
                commit;
            end loop;
        end $$"""
    sessions = [connect() for _ in range(4)]

    for reading in [session.later(read_all) for session in sessions]:
        reading.result(60)

    seen = [msg_id for session in sessions for msg_id in session.column("select msg_id from seen")]
    assert sorted(seen) == list(range(1, 2001))
    assert mail.one("select max(read_ct) from pgmq.q_mail") == 1


def test_attempts_is_read_ct_under_another_name(ten):
    ten.run("select pgmq.read('mail', 0, 1)")
    ten.run("set search_path = public, pgmq")

    assert ten.one("select m.attempts from pgmq.read('mail', 0, 1) m") == 2
    assert ten.one("select pgmq.attempts(m) from pgmq.read('mail', 0, 1) m") == 3


def test_peek_shows_the_next_visible_messages_and_leaves_them_as_they_are(ten):
    ten.run(HIDE, [1, 3])

    assert ten.rows("select msg_id, read_ct from pgmq.peek('mail', 3)") == [(2, 0), (4, 0), (5, 0)]
    assert ten.column("select msg_id from pgmq.peek('mail')") == [2]
    assert ten.column("select msg_id from pgmq.read('mail', 30, 1)") == [2]
