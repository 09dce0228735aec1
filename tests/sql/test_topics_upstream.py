"""Topics, untyped calls and notifications beside PGMQ's own SQL: the same statements, the same answers."""

import psycopg
import pytest

upstream = pytest.importorskip("pgmq.install", reason="the test group lacks the package pgmq")

PREPARE = """
    select pgmq.create('mail'); select pgmq.create('Post'); select pgmq.create('fast');
    select pgmq.bind_topic('logs.*', 'mail'); select pgmq.bind_topic('logs.#', 'Post'); select pgmq.bind_topic('#', 'mail');
    select pgmq.bind_topic('lo#', 'fast'); select pgmq.bind_topic('a*b', 'fast')"""
PATTERNS = ["a", "*", "#", "a.*", "a.#", "#.a", "a.#.b", "lo#", "a*b", "*.*", "a-b_c.9", "", ".a", "a.", "a..b", "a b", "**"]
PATTERNS += ["a.##", "*#", "#*", "a" * 255, "a" * 256, ".a b", "..**", "a+", "[a]", "a\n", "é"]
KEYS = [
    "a",
    "logs",
    "logs.x",
    "logs.x.y",
    "lo",
    "axb",
    "ab",
    "",
    ".a",
    "a.",
    "a..b",
    "a b",
    "*",
    "a" * 255,
    "a" * 256,
    "..",
    "a\n",
]
CALLS = [
    *(f"validate_topic_pattern({pattern!r})" for pattern in PATTERNS if "\n" not in pattern),
    *(f"validate_routing_key({key!r})" for key in KEYS if "\n" not in key),
    *(f"test_routing({key!r})" for key in KEYS if "\n" not in key),
    *(f"send_topic({key!r}, '1'::jsonb)" for key in KEYS if "\n" not in key),
    *(f"send_batch_topic({key!r}, array['1', '2']::jsonb[])" for key in KEYS if "\n" not in key),
    "validate_topic_pattern(null)",
    "validate_routing_key(null)",
    "test_routing(null)",
    "bind_topic(null, 'mail')",
    "bind_topic('a', null)",
    "bind_topic('a', '')",
    "bind_topic('a', 'none')",
    "bind_topic('a', 'post')",
    "bind_topic('..', 'none')",
    "bind_topic('logs.*', 'mail')",
    "unbind_topic('logs.*', 'mail')",
    "unbind_topic('logs.*', 'Mail')",
    "unbind_topic('', 'mail')",
    "unbind_topic('a', null)",
    "send_topic('logs.x', null)",
    "send_topic('logs.x', null, null, -1)",
    "send_topic('logs.x', '1'::jsonb, -1)",
    "send_topic('logs.x', '1'::jsonb, '5')",
    "send_topic('logs.x', '1'::jsonb, null)",
    "send_topic('none', '1'::jsonb, null::integer)",
    "send_batch_topic('logs.x', null)",
    "send_batch_topic('logs.x', '{}')",
    "send_batch_topic('logs.x', array['1']::jsonb[], '{}'::jsonb[])",
    "send_batch_topic('logs.x', array['1']::jsonb[], -5)",
    "enable_notify_insert('mail', -1)",
    "enable_notify_insert('none')",
    "enable_notify_insert('MAIL')",
    "enable_notify_insert('mail', null)",
    "enable_notify_insert('a;b')",
    "update_notify_insert('mail', -1)",
    "update_notify_insert('none', 1)",
    "update_notify_insert('mail', 1)",
    "disable_notify_insert('mail')",
    "list_notify_insert_throttles()",
]


@pytest.fixture(scope="module")
def ours(open_database):
    """Our schema, with queues and bindings."""
    with open_database() as session:
        session.run(PREPARE)
        yield session


@pytest.fixture(scope="module")
def theirs(server, open_session):
    """PGMQ's schema, with the same queues and bindings."""
    with open_session(server) as admin:
        admin.run("create database upstream_topics template template0")
        with open_session(server.rpartition("/")[0] + "/upstream_topics") as session:
            session.run(upstream.get_embedded_install_sql())
            session.run(PREPARE)
            yield session
        admin.run("drop database upstream_topics with (force)")


def answer(session, call):
    """The rows or the error of a call that leaves nothing behind, but ids."""
    session.run("begin")
    try:
        return session.rows(f"select * from pgmq.{call}")
    except psycopg.Error as error:
        return error.sqlstate, error.diag.message_primary
    finally:
        session.run("rollback")


def without_ids(rows):
    """Ids are not taken back by a rollback; their order and their queues are compared."""
    return [(row[0], type(row[1])) if len(row) == 2 else row for row in rows] if isinstance(rows, list) else rows


@pytest.mark.parametrize("call", CALLS)
def test_a_call_answers_as_pgmq_does(ours, theirs, call):
    assert without_ids(answer(ours, call)) == without_ids(answer(theirs, call))


def test_bindings_compile_as_in_pgmq(ours, theirs):
    compiled = "select pattern, queue_name, compiled_regex from pgmq.topic_bindings order by 1, 2"
    assert ours.rows(compiled) == theirs.rows(compiled)


CATALOG = {
    "columns": """
        select attrelid::regclass::text, attname::text, atttypid::regtype::text, attnotnull from pg_attribute
        where attrelid in ('pgmq.topic_bindings'::regclass, 'pgmq.notify_insert_throttle'::regclass) and attnum > 0
        order by attrelid::regclass::text, attnum""",
    "constraints": """
        select conname::text, contype::text, confdeltype::text from pg_constraint
        where conrelid in ('pgmq.topic_bindings'::regclass, 'pgmq.notify_insert_throttle'::regclass) and contype in ('u', 'f')
        order by conname""",
    "functions": """
        select p.oid::regprocedure::text, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), provolatile::text
        from pg_proc p
        where pronamespace = 'pgmq'::regnamespace and proname ~ 'topic|notify|routing|poll$' and proname !~ '^_'
          and array_position(proargtypes::oid[], 25) is not null  -- text
        order by 1""",
}
OURS_ALONE = ["pgmq.send_batch_topic(text,jsonb[],jsonb[],text)", "pgmq.send_batch_topic(text,jsonb[],text)"]
OURS_ALONE += ["pgmq.send_topic(text,jsonb,jsonb)", "pgmq.send_topic(text,jsonb,text)"]


@pytest.mark.parametrize("what", CATALOG)
def test_the_catalog_shows_what_pgmqs_shows(ours, theirs, what):
    assert [row for row in ours.rows(CATALOG[what]) if row[0] not in OURS_ALONE] == theirs.rows(CATALOG[what])
