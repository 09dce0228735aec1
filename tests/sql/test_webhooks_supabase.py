"""Triggers that were written for Supabase's Database Webhooks."""

import pytest

from hanjul.sql import install_script


@pytest.fixture
def notes(db):
    db.run("create table notes (id integer, said text)")
    return db


def trigger(db, *arguments, events="insert or update or delete"):
    words = ", ".join("'" + argument.replace("'", "''") + "'" for argument in arguments)
    db.run(f"create trigger hook after {events} on notes for each row execute function supabase_functions.http_request({words})")


def test_a_post_has_the_event(notes):
    trigger(notes, "https://r.example/x", "POST", '{"Content-Type":"application/json","X-A":"1"}', '{"k":"v w"}', "1000")

    notes.run("insert into notes values (1, 'hi')")
    notes.run("update notes set said = 'ho'")
    notes.run("delete from notes")

    events = notes.column("select convert_from(body, 'UTF8')::jsonb from net.http_request_queue order by id")
    hi, ho = {"id": 1, "said": "hi"}, {"id": 1, "said": "ho"}
    assert events == [
        {"type": kind, "table": "notes", "schema": "public", "record": record, "old_record": old}
        for kind, record, old in [("INSERT", hi, None), ("UPDATE", ho, hi), ("DELETE", None, ho)]
    ]
    assert notes.rows("select distinct url, method, headers, timeout_milliseconds, max_attempts from net.http_request_queue") == [
        ("https://r.example/x?k=v%20w", "POST", {"Content-Type": "application/json", "X-A": "1"}, 1000, 1)
    ]


def test_a_get_has_no_body(notes):
    trigger(notes, "https://r.example/", "GET", "{}", '{"a":"1"}', "500", events="insert")

    notes.run("insert into notes values (1)")

    assert notes.rows("select url, method, body, headers from net.http_request_queue") == [
        ("https://r.example/?a=1", "GET", None, {})
    ]


def test_what_is_left_out_is_at_its_default(notes):
    trigger(notes, "https://r.example/", "POST", "null", "null", "null", events="insert")

    notes.run("insert into notes values (1)")

    assert notes.rows("select url, headers, timeout_milliseconds, retry from net.http_request_queue") == [
        ("https://r.example/", {"Content-Type": "application/json"}, 1000, None)
    ]


def test_retries_are_the_senders(notes):
    trigger(notes, "https://r.example/", "POST", "{}", "{}", "1000", "6", events="insert")

    notes.run("insert into notes values (1)")

    assert notes.rows("select max_attempts, retry from net.http_request_queue") == [
        (7, {"max_attempts": 7, "schedule_s": [0.25, 0.5, 1, 2.5, 5, 5], "statuses": "non-2xx", "jitter": 0})
    ]


def test_each_request_leaves_a_row_of_its_trigger(notes):
    trigger(notes, "https://r.example/", "POST", events="insert")

    notes.run("insert into notes values (1), (2)")

    assert notes.rows("select hook_table_id, hook_name, request_id from supabase_functions.hooks order by id") == notes.rows(
        "select 'notes'::regclass::oid::bigint, 'hook', id from net.http_request_queue order by id"
    )


def test_the_row_of_a_trigger_goes_after_the_retention_of_requests_a_few_at_a_time(notes):
    trigger(notes, "https://r.example/", "POST", events="insert")
    notes.run("insert into notes select from generate_series(1, 4)")
    assert notes.rows("select deleted, next_in_s > 21000 from net.expire()") == [(0, True)]  # six hours less what this took

    notes.run("update supabase_functions.hooks set created_at = created_at - interval '7 hours' where request_id < "
              "(select max(id) from net.http_request_queue)")  # fmt: skip

    assert notes.rows("select deleted, next_in_s = 0 from net.expire(2)") == [(2, True)]
    assert notes.rows("select deleted, next_in_s > 21000 from net.expire(2)") == [(1, True)]
    assert notes.rows(
        "select (select count(*) from supabase_functions.hooks), (select count(*) from net.http_request_queue)"
    ) == [(1, 4)]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["null", "POST"], "trigger hook: url argument is missing"),
        (["https://r.example/", "PATCH"], "trigger hook: method argument must be GET or POST, not 'PATCH'"),
        (["https://r.example/"], "trigger hook: method argument must be GET or POST, not NULL"),
        (
            ["https://r.example/", "POST", "{}", "{}", "1", "101"],
            "trigger hook: max_retries argument must be between 0 and 100, not 101",
        ),
    ],
)
def test_arguments_that_cannot_be_are_named(notes, refused, arguments, why):
    trigger(notes, *arguments)

    with refused("22023", why):
        notes.run("insert into notes values (1)")


def test_the_schema_of_somebody_else_is_left_alone(empty_dsn, open_session):
    with open_session(empty_dsn) as session:
        session.run("create schema supabase_functions")
        session.run("create function supabase_functions.http_request() returns integer language sql as 'select 7'")

        session.run(install_script())
        session.run(install_script())

        assert session.one("select supabase_functions.http_request()") == 7
        assert session.column("select relname from pg_class where relnamespace = 'supabase_functions'::regnamespace") == []
        session.run("create table supabase_functions.hooks as select 1 as id, timestamptz '2020-01-01' as created_at")
        assert session.rows("select * from net.expire()") == [(0, None)]
        assert session.one("select to_regclass('hanjul.webhook') is not null")
