"""pgmq.send_batch: sections 3.2 and 6 of the contract."""

import pytest

MSGS = "array['1', '2', '3']::jsonb[]"
HEADERS = "array['{\"n\": 1}', null, '{\"n\": 3}']::jsonb[]"
DELAY = "extract(epoch from vt - clock_timestamp())"


@pytest.mark.parametrize(
    ("arguments", "headers", "delay_s"),
    [
        (f"'mail', {MSGS}", [None] * 3, 0),
        (f"'mail', {MSGS}, {HEADERS}", [{"n": 1}, None, {"n": 3}], 0),
        (f"'mail', {MSGS}, 60", [None] * 3, 60),
        (f"'mail', {MSGS}, 60::smallint", [None] * 3, 60),
        (f"'mail', {MSGS}, -60", [None] * 3, -60),
        (f"'mail', {MSGS}, clock_timestamp() + '1 hour'", [None] * 3, 3600),
        (f"'mail', {MSGS}, {HEADERS}, 60", [{"n": 1}, None, {"n": 3}], 60),
        (f"'mail', {MSGS}, {HEADERS}, clock_timestamp() + '1 hour'", [{"n": 1}, None, {"n": 3}], 3600),
        (f"'mail', {MSGS}, null::jsonb[], 60", [None] * 3, 60),
        (f"queue_name => 'mail', msgs => {MSGS}", [None] * 3, 0),
        (f"queue_name => 'mail', msgs => {MSGS}, headers => {HEADERS}", [{"n": 1}, None, {"n": 3}], 0),
        (f"queue_name => 'mail', msgs => {MSGS}, delay => 60", [None] * 3, 60),
        (f"queue_name => 'mail', msgs => {MSGS}, headers => {HEADERS}, delay => 60", [{"n": 1}, None, {"n": 3}], 60),
    ],
)
def test_every_form_gives_one_id_an_element_in_order_with_headers_and_delay(mail, arguments, headers, delay_s):
    assert mail.column(f"select pgmq.send_batch({arguments})") == [1, 2, 3]

    found = mail.rows(f"select message, headers, {DELAY}::float8 from pgmq.q_mail order by msg_id")
    assert [(message, header) for message, header, _ in found] == list(zip([1, 2, 3], headers, strict=True))
    assert all(delay_s - 10 < found_delay_s <= delay_s + 0.001 for *_, found_delay_s in found)


def test_the_result_column_is_called_send_batch(mail):
    cursor = mail.connection.execute(f"select * from pgmq.send_batch('mail', {MSGS})")

    assert [column.name for column in cursor.description] == ["send_batch"]


def test_elements_that_are_null_become_null_messages(mail):
    assert mail.column("select pgmq.send_batch('mail', array[null, '1', null]::jsonb[])") == [1, 2, 3]

    assert mail.column("select message from pgmq.read('mail', 0, 3)") == [None, 1, None]


@pytest.mark.parametrize("msgs", ["null::jsonb[]", "array[]::jsonb[]", "'{}'::jsonb[]"])
@pytest.mark.parametrize("more", ["", ", array['{}']::jsonb[]", ", 0", ", now()", ", array['{}']::jsonb[], 0"])
def test_an_empty_batch_is_refused(shared, refused, msgs, more):
    with refused("P0001", "msgs cannot be NULL or empty"):
        shared.run(f"select pgmq.send_batch('mail', {msgs}{more})")


@pytest.mark.parametrize(("headers", "length"), [("array[]", 0), ("array['{}']", 1), ("array['{}', '{}', '{}', '{}']", 4)])
@pytest.mark.parametrize("more", ["", ", 0", ", now()"])
def test_headers_of_another_length_are_refused(shared, refused, headers, length, more):
    with refused("P0001", f"headers array length ({length}) must match msgs array length (3)"):
        shared.run(f"select pgmq.send_batch('mail', {MSGS}, {headers}::jsonb[]{more})")


def test_arrays_of_more_dimensions_are_flattened_and_checked_by_their_first(mail):
    assert mail.column("select pgmq.send_batch('mail', array[['1', '2'], ['3', '4']]::jsonb[])") == [1, 2, 3, 4]
    msgs = "array[['5', '6'], ['7', '8']]::jsonb[]"
    assert mail.column(f"select pgmq.send_batch('mail', {msgs}, array['1', '2']::jsonb[])") == [5, 6, 7, 8]

    found = mail.rows("select message, headers from pgmq.read('mail', 0, 10) where msg_id > 4")
    assert found == [(5, 1), (6, 2), (7, None), (8, None)]


def test_a_null_delay_is_refused_and_nothing_is_sent(mail, refused):
    with refused("23502"):
        mail.run(f"select pgmq.send_batch('mail', {MSGS}, null::integer)")

    assert mail.one("select count(*) from pgmq.q_mail") == 0


def test_a_batch_of_ten_thousand_keeps_its_order(mail):
    ids = mail.column("select pgmq.send_batch('mail', array(select to_jsonb(n) from generate_series(1, 10000) n))")

    assert ids == list(range(1, 10001))
    assert mail.one("select count(*) from pgmq.q_mail where message <> to_jsonb(msg_id)") == 0


def test_send_many_takes_messages_headers_and_delays_in_one_json_text(mail):
    batch = '[[{"a": 1}, {"h": 1}, null], [null, null, 60.5], ["c"]]'

    assert mail.column("select hanjul.send_many('mail', %s)", batch) == [1, 2, 3]

    found = mail.rows(f"select message, headers, round({DELAY})::int from pgmq.q_mail order by msg_id")
    assert found[0] == ({"a": 1}, {"h": 1}, 0)
    assert found[1][2] in {60, 61}
    assert found[2] == ("c", None, 0)


def test_send_many_keeps_a_json_null_apart_from_no_message(mail):
    mail.run("select hanjul.send_many('mail', '[[null, null, null]]')")

    assert mail.one("select message::text from pgmq.q_mail") == "null"


@pytest.mark.parametrize(
    ("batch", "sqlstate"), [("{}", "22023"), ("[{}]", "22023"), ("[1]", "22023"), ('[[1, null, "x"]]', "22P02")]
)
def test_send_many_refuses_what_is_not_a_list_of_lists(mail, refused, batch, sqlstate):
    with refused(sqlstate):
        mail.run("select hanjul.send_many('mail', %s)", batch)

    assert mail.one("select count(*) from pgmq.q_mail") == 0
