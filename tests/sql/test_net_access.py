"""Who may do what with requests: everybody his own, senders and admins all; nobody forges what a sender writes."""

import subprocess
from itertools import count

import pytest

from hanjul.sql import install_script

_numbers = count(1)
SENDERS_COLUMNS = {
    "created": "'2000-01-01'",
    "status": "'SUCCESS'",
    "status_code": "200",
    "error_msg": "'no'",
    "attempts": "1",
    "locked_until": "now()",
    "finished": "now()",
    "enqueued_by": "'postgres'",
    "claims": "1",
    "cancelled_by": "'me'",
    "released": "1",
    "in_line": "true",
    "webhook": "'w'",
}
INSERT = "insert into net.http_request_queue (method, url, timeout_milliseconds"
TABLES = ("net.http_request_queue", "net._http_response", "net.http_attempt")


@pytest.fixture
def role(db):
    """Make a role of this test's own, a member of others."""
    made = []

    def role(*groups):
        name = f"net_role_{next(_numbers)}_of_{db.one('select current_database()')}"
        db.run(f"create role {name}")
        for group in groups:
            db.run(f"grant {group} to {name}")
        made.append(name)
        return name

    yield role
    db.run("rollback; reset role")
    for name in reversed(made):
        db.run(f"drop owned by {name}; drop role {name}")


@pytest.fixture
def two(db, role):
    """Two ordinary roles, each with one answered request."""
    ada, bob = role(), role()
    for name in (ada, bob):
        db.run(f"set role {name}; select net.http_get('http://example.com/' || current_user); reset role")
    db.run("""
        select net.settle_requests((
            select json_agg(json_build_object('id', id, 'claim', claims, 'how', 'success', 'status_code', 200,
                                              'content', enqueued_by, 'duration_ms', 1))
            from net.claim_requests(9, 30)))""")
    return ada, bob


# Everybody


ENQUEUEING = [
    "http_get('http://x/a/../b', '{\"a\": \"é\"}', '{\"X-A\": null}')",
    "http_post('HTTP://127.1', '{}', '{\"a\": 1}', '{\"x\": [1]}')",
    "http_delete('http://[::0001]:80#f', body => '1')",
    "http_put('http://x/', '1')",
    "http_patch('http://x/', '1')",
    "http_head('http://x/')",
    """http_request('OPTIONS', 'http://x/', retry => '{"schedule_s": [1]}', idempotency_key => 'k', ordering_key => 'o',
                    not_before => now() + interval '1 h', sign_with => 's', options => '{"max_redirects": 0}')""",
    'http_request_many(\'[{"method": "GET", "url": "http://x/"}, {"method": "POST", "url": "http://x/", "bytes": "AAA="}]\')',
]


@pytest.mark.parametrize("call", ENQUEUEING)
def test_any_role_enqueues_and_sees_what_it_has_enqueued(db, role, call):
    name = role()
    db.run(f"set role {name}")

    [first, *_] = db.column(f"select net.{call}")

    assert db.one("select enqueued_by from net.http_request_queue where id = %s", first) == name


@pytest.mark.parametrize(
    "call",
    [
        "wake()",
        "worker_restart()",
        "_http_collect_response(1)",
        "http_collect_response(1, false)",
        "_await_response(1)",
        "_urlencode_string('é')",
        "_encode_url_with_params_array('http://x', '{a=1}')",
        "queue_depth()",
        "get_request(1)",
        "list_requests()",
        "list_attempts(1)",
        "get_response(1)",
        "count_requests()",
        "status(1)",
    ],
)
def test_any_role_may_ask(db, role, call):
    db.run(f"set role {role()}; select net.{call}")


def test_each_role_sees_its_own_requests_answers_and_attempts(db, two):
    for name in two:
        db.run(f"set role {name}")

        assert db.column("select enqueued_by from net.http_request_queue") == [name]
        assert db.column("select content from net._http_response") == [name]
        assert db.column("select count(*) from net.http_attempt") == [1]
        [mine] = db.column("select id from net.http_request_queue")
        assert db.rows("select (c).status, (c).response.body from net._http_collect_response(%s) c", mine) == [("SUCCESS", name)]
        assert db.rows(
            "select (c).status, (c).message from net._http_collect_response(%s) c", mine + (1, -1)[name == two[1]]
        ) == [("ERROR", "request matching request_id not found")]


def test_a_role_deletes_its_own_rows_and_no_other(db, two):
    ada, bob = two
    db.run(f"set role {ada}; delete from net.http_request_queue; delete from net._http_response; reset role")

    assert db.column("select enqueued_by from net.http_request_queue") == [bob]
    assert db.column("select enqueued_by from net._http_response") == [bob]


@pytest.mark.parametrize(("column", "value"), SENDERS_COLUMNS.items())
def test_what_senders_write_cannot_be_forged(db, role, refused, column, value):
    db.run(f"set role {role()}")

    with refused("42501"):
        db.run(f"{INSERT}, {column}) values ('GET', 'http://x/', 1, {value})")
    with refused("42501"):
        db.run(f"update net.http_request_queue set {column} = {value}")


def test_every_column_is_either_for_everybody_to_insert_or_named_above(db, role):
    not_insertable = db.column(
        "select attname from pg_attribute where attrelid = 'net.http_request_queue'::regclass and attnum > 0 "
        "and not has_column_privilege(%s, attrelid, attnum, 'insert')",
        role(),
    )

    assert set(not_insertable) == set(SENDERS_COLUMNS)


@pytest.mark.parametrize(
    ("columns", "values", "sqlstate"),
    [
        ("max_attempts", "7", "42501"),
        ("max_attempts, retry", "7, '{\"max_attempts\": 6}'", "42501"),
        ("max_attempts, retry", "2, '[]'", "22023"),
        ("retry", '\'{"statuses": "all"}\'', "22023"),
        ("options", "'{\"max_redirects\": 1000}'", "22023"),
        ("id", "1000000", "42501"),
        ("next_attempt_at", "'-infinity'", "42501"),
        ("next_attempt_at", "'infinity'", "42501"),
        ("give_up_at", "'infinity'", "42501"),
    ],
)
def test_what_http_request_would_refuse_cannot_be_inserted_around_it(db, role, refused, columns, values, sqlstate):
    db.run(f"set role {role()}")

    with refused(sqlstate):
        db.run(f"{INSERT}, {columns}) values ('GET', 'http://x/', 1, {values})")


@pytest.mark.parametrize(
    ("column", "value", "sqlstate"),
    [
        ("body", "convert_to(repeat('x', 67108865), 'UTF8')", "23514"),
        ("url", "'http://x/' || repeat('x', 262136)", "23514"),
        ("timeout_milliseconds", "-1", "23514"),
        ("sign_with", "repeat('x', 65537)", "23514"),
        ("headers", "jsonb_build_object('X', repeat('x', 65537))", "22023"),
        ("headers", "jsonb_build_object('X', to_jsonb(array_fill('x'::text, '{60000}')))", "22023"),
        ("headers", "('{\"X\": ' || repeat('[', 21) || repeat(']', 21) || '}')::jsonb", "22023"),
        ("headers", "('{\"X\": ' || repeat('[', 2000) || repeat(']', 2000) || '}')::jsonb", "22023"),
        ("retry", "('{\"errors\": [\"dns\"' || repeat(', \"dns\"', 10000) || ']}')::jsonb", "22023"),
        ("options", "jsonb_build_object('a', repeat('b', 65536))", "22023"),
    ],
)
def test_what_would_stop_senders_is_not_inserted_directly(db, role, refused, column, value, sqlstate):
    row = {"method": "'GET'", "url": "'http://x/'", "timeout_milliseconds": "1"} | {column: value}
    db.run(f"set role {role()}")

    with refused(sqlstate):
        db.run(f"insert into net.http_request_queue ({', '.join(row)}) values ({', '.join(row.values())})")


def test_headers_of_a_superuser_have_a_limit_too(shared, refused):
    with refused("23514"):
        shared.run(f"{INSERT}, headers) values ('GET', 'http://x/', 1, jsonb_build_object('X', repeat('x', 1048577)))")


def test_the_six_old_columns_may_be_inserted_by_any_role(db, role):
    name = role()
    db.run(f"set role {name}")
    db.run(
        "insert into net.http_request_queue (id, method, url, headers, body, timeout_milliseconds) "
        "values (nextval('net.http_request_queue_id_seq'), 'GET', 'http://x/', '{}', '', 5)"
    )

    assert db.column("select enqueued_by from net.http_request_queue") == [name]


@pytest.mark.parametrize(
    "statement",
    [
        "select * from net.secret",
        "select * from net.config",
        "insert into net.config (name, value) values ('pg_net.ttl', '1')",
        "insert into net._http_response (id) values (1)",
        "update net._http_response set content = 'x'",
        "insert into net.http_attempt (request_id, claim, attempt, started, duration_ms) values (1, 1, 1, now(), 1)",
        "delete from net.http_attempt",
        "truncate net.http_request_queue",
        "select setval('net.http_request_queue_id_seq', 1)",
        "select net.claim_requests(1, 1)",
        "select net.settle_requests('[]')",
        "select net.extend_requests('{1}', '{1}', 1)",
        "select net.ready_requests('{x}')",
        "select net.secrets_for('{x}')",
        "select net.expire()",
        "select net.cancel(1)",
        "select net.retry(1)",
        "select net.redrive()",
        "select net.set_secret('a', 'b', '{c}')",
        "select net.rotate_secret('a', 'b')",
        "select net.drop_secret('a')",
        "select net.set_config('ttl', '1 h')",
        "select net.reset_config('ttl')",
        "select net.show_config()",
        "select net._setting('pg_net.ttl')",
        "select net._apply_access()",
        "select net._settle_access()",
        "select net.grant_http(current_user, 'admin')",
    ],
)
def test_what_an_ordinary_role_may_not_do(db, role, refused, statement):
    db.run(f"set role {role()}")

    with refused("42501"):
        db.run(statement)


def test_everybody_may_call_what_is_listed_as_public_and_nothing_else(db, role):
    allowed = """select distinct proname::text from pg_proc
                 where pronamespace = 'net'::regnamespace and has_function_privilege(%s, oid, 'execute')"""

    assert set(db.column(allowed, role())) == set(db.one("select net._public_functions()"))


def test_two_functions_of_net_run_with_more_rights_than_their_callers(db):
    """The second deletes from supabase_functions.hooks and nowhere else; who may not send may not call it."""
    definers = "select proname::text from pg_proc where pronamespace = 'net'::regnamespace and prosecdef order by 1"

    assert db.column(definers) == ["_apply_access", "_forget_hooks"]


def test_the_answers_of_one_role_are_not_found_by_another_who_knows_the_id(db, two):
    [(theirs,)] = db.rows("select id from net.http_request_queue where enqueued_by = %s", two[0])
    db.run(f"set role {two[1]}")

    for function in ("get_request", "get_response", "list_attempts"):
        assert db.rows(f"select * from net.{function}(%s)", theirs) == []
    assert db.one("select net.status(%s)", theirs) is None


# Senders and admins


SENDING = [
    "claim_requests(9, 30)",
    "settle_requests('[]')",
    "extend_requests('{1}', '{1}', 30)",
    "ready_requests('{x}')",
    "secrets_for('{x}')",
    "expire()",
    "redrive()",
    "show_config()",
]
ADMINISTRATION = [
    "set_secret('a', 'b', '{example.com}')",
    "rotate_secret('a', 'c')",
    "drop_secret('a')",
    "set_config('ttl', '1 h')",
    "reset_config('ttl')",
    "set_config('public_access', 'on')",
    "set_config('public_access', 'off')",
]


@pytest.mark.parametrize("how", ["as a member", "by a grant"])
def test_a_consumer_sends_everybodys_requests_and_changes_no_setting(db, role, two, refused, how):
    sender = role("hanjul_consumer") if how == "as a member" else role()
    if how == "by a grant":
        db.run("select net.grant_http(%s, 'consumer')", sender)
    db.run(f"set role {two[0]}; select net.http_get('http://x/'); set role {sender}")

    claimed = db.rows("select id, claims from net.claim_requests(9, 30)")

    assert len(claimed) == 1
    db.run(
        "select net.settle_requests(%s::json)",
        f'[{{"id": {claimed[0][0]}, "claim": 1, "how": "success", "status_code": 200, "duration_ms": 1}}]',
    )
    for call in SENDING:
        db.run(f"select * from net.{call}")
    for call in ADMINISTRATION:
        with refused("42501"):
            db.run(f"select * from net.{call}")
    db.run(f"set role {two[0]}")
    assert db.one("select count(*) from net._http_response") == 2


@pytest.mark.parametrize("how", ["as a member", "by a grant"])
def test_an_admin_does_everything(db, role, how):
    admin = role("hanjul_admin") if how == "as a member" else role()
    if how == "by a grant":
        db.run("select net.grant_http(%s, 'admin')", admin)
    db.run(f"set role {admin}")

    for call in SENDING + ADMINISTRATION:
        db.run(f"select * from net.{call}")


def test_a_producer_enqueues_where_everybody_else_no_longer_may(db, role, refused):
    website, other = role(), role()
    db.run("select net.grant_http(%s, 'producer')", website)
    db.run("revoke all on all functions in schema net from public; revoke all on schema net from public")
    db.run("revoke all on all tables in schema net from public; revoke all on all sequences in schema net from public")

    for call in ENQUEUEING:
        db.run(f"set role {website}; select net.{call}; set role {other}")
        with refused("42501"):
            db.run(f"select net.{call}")
        db.run("reset role")


def test_what_was_taken_from_everybody_is_not_given_back_by_a_migrate(db, role, refused):
    db.run("revoke all on all functions in schema net from public; revoke all on all tables in schema net from public")
    db.run("grant execute on function net._apply_access(boolean) to public")

    db.run(install_script())

    db.run(f"set role {role()}")
    for statement in ("select net.http_get('http://x/')", "select * from net.http_request_queue", "select net._apply_access()"):
        with refused("42501"):
            db.run(statement)


@pytest.mark.parametrize("kind", ["producer", "consumer", "admin"])
def test_what_is_revoked_is_gone(db, role, refused, kind):
    somebody = role()
    db.run("select net.grant_http(%s, %s)", somebody, kind)
    db.run("select net.revoke_http(%s)", somebody)
    db.run(f"set role {somebody}; select net.http_get('http://x/')")

    for statement in (
        "select * from net.secret",
        "select net.claim_requests(1, 1)",
        "update net.http_request_queue set claims = 1",
    ):
        with refused("42501"):
            db.run(statement)


@pytest.mark.parametrize(
    ("arguments", "sqlstate"),
    [
        ("'no such role', 'producer'", "22023"),
        ("'public', 'producer'", "22023"),
        ("'hanjul_producer', 'owner'", "22023"),
        ("'hanjul_producer', null", "22023"),
        ("null, 'producer'", "22023"),
    ],
)
def test_a_grant_that_cannot_be_is_refused(db, refused, arguments, sqlstate):
    with refused(sqlstate):
        db.run(f"select net.grant_http({arguments})")


def test_a_name_that_needs_quotes_is_quoted(db):
    name = 'a "net" %I ; é'
    quoted = '"' + name.replace('"', '""') + '"'
    db.run(f"create role {quoted}")

    db.run("select net.grant_http(%s, 'admin')", name)
    db.run(install_script())

    db.run(f"set role {quoted}")
    db.run("select net.http_get('http://x/'), net.set_config('ttl', '1 h')")
    db.run(f"reset role; drop owned by {quoted}; drop role {quoted}")


def test_only_migrates_own_role_grants_and_revokes(db, role, refused):
    admin = role("hanjul_admin")
    db.run(f"set role {admin}")

    for call in ("grant_http(current_user, 'admin')", "revoke_http('hanjul_consumer')"):
        with refused("42501"):
            db.run(f"select net.{call}")


def test_a_consumer_cannot_open_the_tables_by_a_setting_of_his_session(db, role, refused):
    sender, other = role("hanjul_consumer"), role()
    db.run(f"set role {sender}; set pg_net.public_access = on; select net._apply_access(true)")

    db.run(f"reset role; set role {other}")

    with refused("42501"):
        db.run("update net.http_request_queue set claims = 1")


# As open as pg_net


def test_public_access_gives_everybody_everything_as_pg_net_does_and_takes_it_back(db, two, refused):
    db.run("select net.set_config('public_access', 'on')")
    db.run(f"set role {two[0]}")
    assert db.one("select count(*) from net.http_request_queue") == 2
    db.run("update net.http_request_queue set url = 'http://y/'; insert into net._http_response (id) values (7)")
    db.run("select net.http_get('http://x/'), setval('net.http_request_queue_id_seq', 100)")
    db.run("truncate net._http_response; truncate net.http_request_queue")
    for table in ("secret", "config"):
        with refused("42501"):
            db.run(f"select * from net.{table}")

    db.run("reset role; select net.http_get('http://x/'), net.reset_config('public_access')")

    db.run(f"set role {two[0]}; select net.http_get('http://x/')")
    assert db.one("select count(*) from net.http_request_queue") == 1
    for table in TABLES:
        with refused("42501"):
            db.run(f"truncate {table}")


def test_public_access_outlives_a_migrate(db, two):
    db.run("select net.set_config('public_access', 'on')")

    db.run(install_script())

    db.run(f"set role {two[0]}")
    assert db.one("select count(*) from net.http_request_queue") == 2


# Others' scripts, others' servers


def test_functions_that_a_script_made_security_definer_work_with_their_owners_rights(db, role, refused):
    anon, other = role(), role()
    for function in (
        "http_get(url text, params jsonb, headers jsonb, timeout_milliseconds integer)",
        "http_post(url text, body jsonb, params jsonb, headers jsonb, timeout_milliseconds integer)",
    ):
        db.run(f"alter function net.{function} security definer; alter function net.{function} set search_path = net")
        db.run(f"revoke all on function net.{function} from public; grant execute on function net.{function} to {anon}")
    db.run("revoke all on all tables in schema net from public")

    db.run(f"set role {anon}; select net.http_get('http://x/a/..', '{{\"a\": 1}}'), net.http_post('http://x/')")

    db.run(f"set role {other}")
    with refused("42501"):
        db.run("select net.http_get('http://x/')")
    db.run("reset role")
    assert db.column("select url from net.http_request_queue order by id") == ["http://x/?a=1", "http://x/"]


def test_who_is_no_superuser_installs_and_everybody_enqueues(empty_dsn, open_session, refused):
    with open_session(empty_dsn) as admin, open_session(empty_dsn) as installer:
        [[database, owner, other]] = admin.rows(
            "select current_database(), 'net_owner_' || current_database(), 'net_other_' || current_database()"
        )
        admin.run(f"create role {owner} createrole; create role {other}; grant create on database {database} to {owner}")
        installer.run(f"set role {owner}")

        installer.run(install_script())
        installer.run(install_script())

        admin.run(f"set role {other}; select net.http_get('http://x/')")
        with refused("42501"):
            admin.run("select * from net.secret")
        admin.run("reset role")
        assert installer.column("select enqueued_by from net.http_request_queue") == [other]
        installer.run("select net.set_config('public_access', 'on'), net.reset_config('public_access')")
        admin.run(f"drop owned by {owner}, {other} cascade; drop role {owner}, {other}")


def test_a_dump_keeps_who_sees_what(dsn, psql, empty_dsn, two, open_session):
    dump = subprocess.run([psql.with_name("pg_dump"), dsn], capture_output=True, text=True, check=True).stdout
    command = [psql, empty_dsn, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1"]
    subprocess.run(command, input=dump, capture_output=True, text=True, check=True)

    with open_session(empty_dsn) as restored:
        restored.run(f"set role {two[0]}")
        assert restored.column("select enqueued_by from net.http_request_queue") == [two[0]]
