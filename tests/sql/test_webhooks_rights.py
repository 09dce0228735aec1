"""Who may have webhooks, see them and change them; and that a trigger with more rights than its writer's lends them to nobody."""

import re
from types import SimpleNamespace

import pytest

URL = "https://receiver.example/hook"
CREATE = f"select hanjul.create_webhook('numbers', '{{insert}}', '{URL}')"
OWN = "select hanjul.{}('numbers_insert')"


@pytest.fixture
def roles(db, connect):
    """A session for each: the table's owner, another producer, who only writes the table, who sends, and an admin."""
    database = db.one("select current_database()")
    sessions = {}
    for name, as_what in [
        ("owner", "producer"),
        ("other", "producer"),
        ("writer", None),
        ("sender", "consumer"),
        ("admin", "admin"),
    ]:
        role = f"{name}_of_{database}"
        db.run(f"create role {role}")
        if as_what:
            db.run("select net.grant_http(%s, %s)", role, as_what)
        sessions[name] = connect()
        sessions[name].role = role
    db.run(f"create schema app; grant usage, create on schema app to {sessions['owner'].role}, {sessions['other'].role}")
    db.run(f"grant usage on schema app to {sessions['writer'].role}, {sessions['sender'].role}")
    for session in sessions.values():
        session.run(f"set role {session.role}")
        session.run("set search_path = app")
    sessions["owner"].run("create table numbers (n integer primary key)")
    sessions["owner"].run(f"grant insert on numbers to {sessions['writer'].role}")
    yield SimpleNamespace(**sessions)
    for session in sessions.values():
        session.run(f"reset role; drop owned by {session.role} cascade; drop role {session.role}")


def names(session):
    return session.column("select name from hanjul.list_webhooks()")


def test_who_owns_a_table_has_webhooks_on_it_and_whoever_writes_it_fires_them(db, roles):
    roles.owner.run(CREATE)

    roles.writer.run("insert into numbers values (1)")

    assert db.rows("select enqueued_by, webhook from net.http_request_queue") == [(roles.owner.role, "numbers_insert")]
    assert roles.owner.rows("select name, pending from hanjul.list_webhooks()") == [("numbers_insert", 1)]


def test_on_others_tables_only_who_may_create_triggers_has_webhooks(db, roles, refused):
    with refused("42501"):
        roles.other.run(CREATE)
    with refused("42501"):
        roles.writer.run(CREATE)

    roles.owner.run(f"grant trigger on numbers to {roles.other.role}")
    roles.other.run(CREATE)

    roles.writer.run("insert into numbers values (1)")
    assert db.rows("select enqueued_by from net.http_request_queue") == [(roles.other.role,)]
    roles.other.run(OWN.format("drop_webhook"))
    assert [re.sub(r"\d+", "N", notice) for notice in roles.other.notices] == [
        f"NOTICE: trigger hanjul_webhook_N_{part} on app.numbers does nothing any more; its owner may drop it"
        for part in ("row", "send")
    ]
    roles.writer.run("insert into numbers values (2)")
    assert db.one("select count(*) from net.http_request_queue") == 1


def test_only_its_creator_and_admins_see_and_change_a_webhook(roles, refused):
    roles.owner.run(CREATE)

    assert (names(roles.owner), names(roles.admin), names(roles.other)) == (["numbers_insert"], ["numbers_insert"], [])
    assert roles.other.rows("select * from hanjul.webhook_events()") == []
    for call in ("pause_webhook", "resume_webhook", "test_webhook", "rotate_webhook_secret", "drop_webhook"):
        with refused("P0002", "webhook 'numbers_insert' does not exist"):
            roles.other.run(OWN.format(call))
        with refused("42501"):
            roles.writer.run(OWN.format(call))
    for call in ("pause_webhook", "resume_webhook", "test_webhook", "rotate_webhook_secret"):
        roles.owner.run(OWN.format(call))
        roles.admin.run(OWN.format(call))
    roles.admin.run(OWN.format("drop_webhook"))


def test_who_sends_writes_down_how_a_webhook_fares_and_nothing_else(db, roles, refused):
    roles.owner.run(CREATE)
    roles.owner.run("insert into numbers values (1)")

    roles.owner.run(OWN.format("pause_webhook"))
    assert roles.sender.rows("select * from net.claim_requests(9, 60)") == []
    roles.owner.run(OWN.format("resume_webhook"))
    assert len(roles.sender.rows("select * from net.claim_requests(9, 60)")) == 1
    roles.sender.run("select hanjul._webhooks_ended('{numbers_insert}', '{f}', '{410}', '{gone}')")

    assert roles.owner.column("select state from hanjul.list_webhooks()") == ["disabled"]
    for statement in ("update hanjul.webhook set url = 'https://evil.example/'", "delete from hanjul.webhook",
                      """update hanjul.webhook set asked = '{"test": true}'""", CREATE):  # fmt: skip
        with refused("42501"):
            roles.sender.run(statement)


def test_nobody_makes_a_webhook_look_like_somebody_elses_or_reads_secrets(roles, refused):
    roles.owner.run(CREATE)

    for statement in (
        "insert into hanjul.webhook (name, created_by) values ('x', 'postgres')",
        "update hanjul.webhook set url = 'https://evil.example/'",
        "update hanjul.webhook set secret = 'another'",
        "select * from net.secret",
        "insert into hanjul.webhook_event (webhook, what, created_by) values ('numbers_insert', 'disabled', 'x')",
    ):
        with refused("42501"):
            roles.other.run(statement)
    with refused("22023", "secret 'webhook_1' belongs to another webhook"):
        roles.other.run("create table mine (n integer)")
        roles.other.run(f"select hanjul.create_webhook('mine', '{{insert}}', '{URL}', secret => 'webhook_1')")


def test_a_trigger_of_ones_own_does_not_speak_for_somebody_elses_webhook(db, roles):
    roles.owner.run(CREATE)
    roles.other.run("create table mine (n integer)")
    roles.other.run("create trigger t after insert on mine for each row execute function hanjul._webhook_send('numbers_insert')")

    roles.other.run("select set_config('hanjul.webhook_rows', '\"record\": \"forged\"', false)")
    roles.other.run("insert into mine values (1)")

    assert db.rows("select * from net.http_request_queue") == []


def test_the_secret_of_a_webhook_signs_nothing_else(roles, refused):
    roles.owner.run(CREATE)

    with refused("22023", "secret 'webhook_1' belongs to a webhook, and signs nothing else"):
        roles.other.run(f"select net.http_request('POST', '{URL}', 'forged', sign_with => 'webhook_1')")
    with refused("42501"):
        columns = "method, url, timeout_milliseconds, sign_with"
        roles.other.run(f"insert into net.http_request_queue ({columns}) values ('POST', '{URL}', 1, 'webhook_1')")


def test_what_is_revoked_is_gone(db, roles, refused):
    roles.owner.run(CREATE)
    db.run("select net.revoke_http(%s)", roles.owner.role)

    with refused("42501"):
        roles.owner.run(OWN.format("pause_webhook"))
    roles.writer.run("insert into numbers values (1)")
    assert db.one("select count(*) from net.http_request_queue") == 1


def test_who_writes_the_table_does_not_choose_what_is_sent(db, roles):
    roles.owner.run(CREATE)
    roles.writer.run("select set_config('hanjul.webhook_rows', '\"record\": \"forged\"', false)")
    roles.writer.run("select set_config('hanjul.webhook_key', '/forged', false)")

    roles.writer.run("insert into numbers values (1)")

    assert db.rows("select convert_from(body, 'UTF8')::jsonb -> 'record', ordering_key from net.http_request_queue") == [
        ({"n": 1}, "numbers_insert/1")
    ]


def test_casts_to_json_that_the_tables_owner_wrote_run_with_the_writers_rights(db, roles):
    """JSON is made by such casts: run by a SECURITY DEFINER function they would have migrate's rights."""
    roles.owner.run("create table ran (who text); grant insert on ran to public")
    roles.owner.run("create type mood as enum ('fine')")
    roles.owner.run("""
        create function to_own_json(mood) returns json language plpgsql as $$
        begin insert into app.ran values (current_user); return '"mine"'; end $$""")
    roles.owner.run("create cast (mood as json) with function to_own_json(mood)")
    roles.owner.run("alter table numbers add m mood default 'fine'")
    roles.owner.run(CREATE)

    roles.writer.run("insert into numbers values (1)")

    assert db.rows("select who from app.ran") == [(roles.writer.role,)]
    assert db.one("select convert_from(body, 'UTF8')::jsonb -> 'record' from net.http_request_queue") == {"n": 1, "m": "mine"}


def test_what_others_planted_never_runs_with_our_rights(db, roles):
    roles.owner.run(CREATE)
    body = "language plpgsql as $$ begin raise exception 'planted code ran'; end $$"
    for function in (
        "set_config(text, text, boolean) returns text",
        "current_setting(text, boolean) returns text",
        "row_to_json(record) returns json",
        "convert_to(text, name) returns bytea",
        "to_json(anyelement) returns json",
        "clock_timestamp() returns timestamptz",
        "octet_length(text) returns integer",
        "hashtext(text) returns integer",
    ):
        roles.other.run(f"create function app.{function} {body}")
    roles.other.run(f"create function app.add(timestamptz, interval) returns timestamptz {body}")
    roles.other.run("create operator app.+ (leftarg = timestamptz, rightarg = interval, function = app.add)")
    roles.owner.run("grant insert on numbers to public")
    roles.writer.run("set search_path = app, pg_catalog")

    roles.writer.run("insert into numbers values (1)")

    assert db.one("select count(*) from net.http_request_queue") == 1


def test_a_role_that_is_gone_does_not_hide_the_other_webhooks(db, roles):
    roles.owner.run(CREATE)
    db.run("update hanjul.webhook set created_by = 'long gone'")

    assert names(roles.admin) == ["numbers_insert"]
    assert names(roles.owner) == []
