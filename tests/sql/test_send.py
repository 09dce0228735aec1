"""pgmq.send: section 6 of the contract, and the call forms of section 3."""

import pytest

DELAY = "extract(epoch from vt - clock_timestamp())"


def test_ids_start_at_one_and_a_rollback_leaves_a_gap(mail):
    assert mail.column("select pgmq.send('mail', '1')") == [1]
    mail.run("begin")
    mail.run("select pgmq.send('mail', '2')")
    mail.run("rollback")

    assert mail.column("select pgmq.send('mail', '3')") == [3]


def test_the_result_column_is_called_send(mail):
    cursor = mail.connection.execute("select * from pgmq.send('mail', '1')")

    assert [column.name for column in cursor.description] == ["send"]


@pytest.mark.parametrize("body", ['{"a": [1, null]}', "[]", '"text"', "0", "true", "null", "12345678901234567890123.5"])
def test_any_json_value_can_be_sent_and_comes_back_as_it_was(mail, body):
    mail.run("select pgmq.send('mail', %s)", body)

    assert mail.one("select message = %s::jsonb from pgmq.read('mail', 0, 1)", body) is True


def test_message_and_headers_may_be_sql_null(mail):
    mail.run("select pgmq.send('mail', null::jsonb, null::jsonb)")

    assert mail.rows("select message, headers from pgmq.read('mail', 0, 1)") == [(None, None)]


def test_without_a_delay_a_message_is_visible_at_once_also_inside_its_own_transaction(mail):
    mail.run("begin")
    mail.run("select pgmq.send('mail', '1')")

    assert mail.column("select msg_id from pgmq.read('mail', 0, 1)") == [1]


def test_enqueued_at_is_the_start_of_the_transaction_and_vt_the_moment_of_the_call(mail):
    mail.run("begin")
    mail.run("select pgmq.send('mail', '1')")

    assert mail.one("select enqueued_at = now() and vt > now() and vt <= clock_timestamp() from pgmq.q_mail") is True


@pytest.mark.parametrize(
    ("arguments", "headers", "delay_s"),
    [
        ("'mail', '1'", None, 0),
        ("'mail', '1'::jsonb, '{\"k\": 1}'::jsonb", {"k": 1}, 0),
        ("'mail', '1'::jsonb, 60", None, 60),
        ("'mail', '1'::jsonb, 60::smallint", None, 60),
        ("'mail', '1'::jsonb, -60", None, -60),
        ("'mail', '1'::jsonb, 2147483647", None, 2147483647),
        ("'mail', '1'::jsonb, -2147483648", None, -2147483648),
        ("'mail', '1'::jsonb, clock_timestamp() + '1 hour'", None, 3600),
        ("'mail', '1'::jsonb, null::jsonb, 60", None, 60),
        ("'mail', '1'::jsonb, '{}'::jsonb, 60::smallint", {}, 60),
        ("'mail', '1'::jsonb, '{}'::jsonb, clock_timestamp() - '1 hour'::interval", {}, -3600),
        ("queue_name => 'mail', msg => '1'", None, 0),
        ("queue_name => 'mail', msg => '1', headers => '{}'", {}, 0),
        ("queue_name => 'mail', msg => '1', delay => 60", None, 60),
        ("delay => clock_timestamp() + '1 hour', queue_name => 'mail', msg => '1'", None, 3600),
        ("queue_name => 'mail', msg => '1', headers => '{}', delay => 60", {}, 60),
        ("queue_name => 'mail', msg => '1', headers => '{}', delay => clock_timestamp() + '1 hour'", {}, 3600),
    ],
)
def test_every_form_of_send_resolves_and_keeps_headers_and_delay(mail, arguments, headers, delay_s):
    assert mail.column(f"select pgmq.send({arguments})") == [1]

    [(found_headers, found_delay_s)] = mail.rows(f"select headers, {DELAY}::float8 from pgmq.q_mail")
    assert found_headers == headers
    assert delay_s - 10 < found_delay_s <= delay_s + 0.001


def test_untyped_parameters_resolve(mail):
    assert mail.column("select pgmq.send(%s, %s)", "mail", "1") == [1]
    assert mail.column("select pgmq.send(%s, %s, %s)", "mail", "1", 7) == [2]  # psycopg sends 7 as int2


def test_infinity_is_a_delay_that_never_ends(mail):
    mail.run("select pgmq.send('mail', '1'::jsonb, 'infinity'::timestamptz)")

    assert mail.rows("select * from pgmq.read('mail', 0, 1)") == []
    assert mail.one("select vt = 'infinity' from pgmq.q_mail") is True


@pytest.mark.parametrize("delay", ["null::integer", "null::timestamptz"])
def test_a_null_delay_is_refused_and_burns_an_id(mail, refused, delay):
    with refused("23502"):
        mail.run(f"select pgmq.send('mail', '1'::jsonb, {delay})")

    assert mail.column("select pgmq.send('mail', '1')") == [2]


@pytest.mark.parametrize(
    ("body", "sqlstate"),
    [
        ("", "22P02"),
        ("{", "22P02"),
        ("{'a': 1}", "22P02"),
        ("NaN", "22P02"),
        ('"\\ud800"', "22P02"),
        ('"\\u0000"', "22P05"),
        ("1e400000", "22003"),
        ("[" * 200_000, "54001"),
    ],
)
def test_what_is_not_json_is_refused_and_changes_nothing(mail, refused, body, sqlstate):
    with refused(sqlstate):
        mail.run("select pgmq.send('mail', %s)", body)

    assert mail.column("select pgmq.send('mail', '1')") == [1]


def test_a_payload_of_100_megabytes_arrives_whole(mail):
    mail.run("select pgmq.send('mail', to_jsonb(repeat('0123456789', 10 * 1024 * 1024)))")

    assert mail.one("select length(message #>> '{}') from pgmq.read('mail', 0, 1)") == 100 * 1024 * 1024


def test_a_payload_beyond_what_jsonb_holds_is_refused_and_changes_nothing(mail, refused):
    with refused("54000"):
        mail.run("select pgmq.send('mail', to_jsonb(repeat('0123456789', 27 * 1024 * 1024)))")

    assert mail.column("select pgmq.send('mail', '1')") == [1]


def test_a_message_is_invisible_until_its_transaction_commits_and_gone_if_it_rolls_back(mail, connect):
    reader = connect()
    mail.run("begin")
    mail.run("select pgmq.send('mail', '1')")
    assert reader.rows("select * from pgmq.read('mail', 0, 1)") == []
    mail.run("rollback")
    assert reader.rows("select * from pgmq.read('mail', 0, 1)") == []

    mail.run("select pgmq.send('mail', '2')")

    assert reader.column("select message from pgmq.read('mail', 0, 1)") == [2]


def test_a_lower_id_that_commits_later_is_still_delivered(mail, connect):
    late = connect()
    late.run("begin")
    late.run("select pgmq.send('mail', '\"late\"')")
    mail.run("select pgmq.send('mail', '\"early\"')")
    assert mail.column("select message from pgmq.read('mail', 60, 10)") == ["early"]

    late.run("commit")

    assert mail.column("select message from pgmq.read('mail', 60, 10)") == ["late"]


def test_senders_do_not_wait_for_one_another(mail, connect):
    other = connect()
    other.run("set lock_timeout = '1s'")
    mail.run("begin")
    mail.run("select pgmq.send('mail', '1')")

    assert other.column("select pgmq.send('mail', '2')") == [2]
