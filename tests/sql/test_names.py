"""Names of queues: section 4 of the contract."""

import pytest

BAD_CHARACTERS = "queue name contains invalid characters: $, ;, --, or \\'"
TOO_LONG = "queue name is too long, maximum length is 47 characters"
CALLS = [
    "pgmq.create(%s)",
    "pgmq.create_unlogged(%s)",
    "pgmq.drop_queue(%s)",
    "pgmq.purge_queue(%s)",
    "pgmq.send(%s, '1'::jsonb)",
    "pgmq.send_batch(%s, array['1']::jsonb[])",
    "pgmq.read(%s, 1, 1)",
    "pgmq.pop(%s)",
    "pgmq.peek(%s)",
    "pgmq.delete(%s, 1)",
    "pgmq.archive(%s, array[1])",
    "pgmq.set_vt(%s, 1, 1)",
    "pgmq.metrics(%s)",
    "pgmq.q_info(%s)",
    "hanjul.claim(%s, 1, 1)",
    "hanjul.ack(%s, '{1}', '{1}')",
    "hanjul.nack(%s, '{1}', '{1}', '{0}')",
    "hanjul.release(%s, '{1}', '{1}', '{0}')",
    "hanjul.extend(%s, '{1}', '{1}', 1)",
    "hanjul.reject(%s, '{1}', '{1}', '{rejected}', '{no}')",
    "hanjul.redrive(%s)",
    "hanjul.send_many(%s, '[[1, null, null]]')",
]
ON_A_MISSING_QUEUE = [call for call in CALLS if "create" not in call and "drop" not in call]
TWENTY = "한" * 20  # 60 bytes: with `q_` 62 of 63


@pytest.mark.parametrize("name", ["a$b", "a;b", "a--b", "a'b", "$", "'; drop table pgmq.meta; --"])
@pytest.mark.parametrize("call", CALLS)
def test_characters_that_could_end_a_statement_are_refused_first_and_everywhere(shared, refused, call, name):
    with refused("P0001", BAD_CHARACTERS):
        shared.run(f"select {call}", name)


def test_bad_characters_are_told_before_a_length_that_is_bad_too(db, refused):
    with refused("P0001", BAD_CHARACTERS):
        db.run("select pgmq.create(%s)", "$" * 70)


def test_bad_characters_are_refused_by_a_session_with_the_old_escapes_too(db, refused):
    db.run("set standard_conforming_strings = off")
    db.run("set escape_string_warning = off")

    with refused("P0001"):
        db.run("select pgmq.create('a$b')")
    db.run("select pgmq.create('ab')")


@pytest.mark.parametrize("length", [48, 70, 1000])
def test_more_than_47_characters_are_refused_at_creation(db, refused, length):
    for call in ("create", "create_unlogged", "validate_queue_name"):
        with refused("P0001", TOO_LONG):
            db.run(f"select pgmq.{call}(%s)", "x" * length)
    assert db.rows("select * from pgmq.meta") == []


def test_47_characters_of_more_than_61_bytes_are_refused_at_creation(db, refused):
    with refused("P0001", "queue name is too long, maximum length is 61 bytes"):
        db.run("select pgmq.create(%s)", "한" * 21)


def test_a_name_that_would_be_cut_does_not_reach_the_queue_that_it_begins_with(db, refused):
    db.run("select pgmq.create(%s)", TWENTY)

    with refused("42P01", f'relation "pgmq.q_{TWENTY}한" does not exist'):
        db.run("select pgmq.send(%s, '1'::jsonb)", TWENTY + "한")

    assert db.one(f'select count(*) from pgmq."q_{TWENTY}"') == 0


@pytest.mark.parametrize(
    "name", ["", " ", "two words", "a.b", "a-b", 'a"b', "a\\b", "%s", "q_x", "x" * 47, "한줄", TWENTY, "é" * 30, "😀" * 15]
)
def test_every_other_name_works_from_creation_to_drop(db, name):
    db.run("select pgmq.create(%s)", name)

    assert db.column("select pgmq.send(%s, '1'::jsonb)", name) == [1]
    assert db.column("select msg_id from pgmq.read(%s, 0, 1)", name) == [1]
    assert db.rows("select queue_name, queue_length, total_messages from pgmq.metrics_all()") == [(name, 1, 1)]
    assert db.one("select pgmq.archive(%s, 1)", name) is True
    assert db.one("select archived_messages from pgmq.q_info(%s)", name) == 1
    assert db.one("select pgmq.drop_queue(%s)", name) is True


def test_a_name_that_is_null_is_refused(db, refused):
    for call in ("pgmq.create(null)", "pgmq.send(null, '1'::jsonb)", "pgmq.read(null, 1, 1)", "pgmq.metrics(null)"):
        with refused("22004", "null values cannot be formatted as an SQL identifier"):
            db.run(f"select {call}")


def test_names_that_differ_in_case_are_one_queue_listed_as_it_was_created(db):
    db.run("select pgmq.create('Mail')")
    db.run("select pgmq.create('mail')")

    db.run("select pgmq.send('MAIL', '1'::jsonb)")

    assert db.rows("select queue_name, queue_length from pgmq.metrics_all()") == [("Mail", 1)]
    assert db.column("select msg_id from pgmq.pop('maiL')") == [1]
    assert db.one("select pgmq.drop_queue('mAIL')") is True
    assert db.rows("select * from pgmq.metrics_all()") == []


@pytest.mark.parametrize("call", ON_A_MISSING_QUEUE)
def test_a_missing_queue_is_the_servers_own_error_with_the_folded_name(shared, refused, call):
    with refused("42P01", 'relation "pgmq.q_no such queue" does not exist'):
        shared.run(f"select {call}", "No Such Queue")


def test_format_table_name_gives_the_folded_table(db):
    assert db.rows("select pgmq.format_table_name('Mail', 'q'), pgmq.format_table_name('Mail', 'a')") == [("q_mail", "a_mail")]


def test_a_name_like_a_placeholder_of_ours_is_a_name(db):
    for name in ("{q}", "{a}", "{b}", "{name}", "{key}", "{find}", "{waited}", "{take}", "{heads}", "{table}", "a{q}b"):
        db.run("select pgmq.create(%s)", name)
        db.run("select pgmq.send(%s, to_jsonb(%s::text))", name, name)
        assert db.column("select message from pgmq.read_grouped(%s, 0, 1)", name) == [name]
        assert db.column("select message from hanjul.claim(%s, 0, 1)", name) == [f'"{name}"']
        assert db.column("select message from pgmq.pop(%s)", name) == [name]
        assert db.one("select pgmq.drop_queue(%s)", name)
