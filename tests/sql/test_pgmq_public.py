"""Schema pgmq_public, as Supabase shows it: the last line of section 14 of the contract."""

import pytest

from hanjul.sql import install_script

upstream = pytest.importorskip("pgmq.install", reason="the test group lacks the package pgmq")
ROLES = ("anon", "authenticated", "service_role")
SIGNATURES = [
    ("archive", "queue_name text, message_id bigint", "boolean"),
    ("delete", "queue_name text, message_id bigint", "boolean"),
    ("pop", "queue_name text", "SETOF pgmq.message_record"),
    ("read", "queue_name text, sleep_seconds integer, n integer", "SETOF pgmq.message_record"),
    ("send", "queue_name text, message jsonb, sleep_seconds integer DEFAULT 0", "SETOF bigint"),
    ("send_batch", "queue_name text, messages jsonb[], sleep_seconds integer DEFAULT 0", "SETOF bigint"),
]


@pytest.fixture(scope="module")
def roles(open_session, server):
    """Supabase's roles; they belong to the whole server."""
    with open_session(server) as admin:
        for role in ROLES:
            admin.run(f"create role {role}")
        yield
        for role in ROLES:
            admin.run(f"drop role {role}")


@pytest.fixture
def supabase(roles, mail):
    """A queue `mail` where Supabase's roles exist."""
    mail.run(install_script())
    yield mail
    mail.run("reset role")
    for role in ROLES:
        mail.run(f"drop owned by {role}")


def test_names_arguments_defaults_and_results_are_supabases(shared):
    functions = """
        select proname::text, pg_get_function_arguments(oid), pg_get_function_result(oid)
        from pg_proc where pronamespace = 'pgmq_public'::regnamespace order by proname"""
    assert shared.rows(functions) == SIGNATURES


def test_functions_run_with_the_rights_of_their_caller_on_a_path_of_their_own(shared):
    kinds = "select distinct prosecdef, proconfig from pg_proc where pronamespace = 'pgmq_public'::regnamespace"
    assert shared.rows(kinds) == [(False, ["search_path=pg_catalog, pg_temp"])]


def test_a_message_goes_in_and_comes_out(mail):
    assert mail.column("select pgmq_public.send(queue_name => 'mail', message => '1')") == [1]
    assert mail.column("select pgmq_public.send_batch(queue_name => 'mail', messages => '{2, 3, 4}')") == [2, 3, 4]
    assert mail.column("select pgmq_public.send('mail', '5', 60)") == [5]
    assert mail.column("select pgmq_public.send_batch('mail', '{6}', sleep_seconds => 60)") == [6]

    read = mail.rows("select msg_id, read_ct, message from pgmq_public.read(queue_name => 'mail', sleep_seconds => 60, n => 2)")
    assert read == [(1, 1, 1), (2, 1, 2)]
    assert mail.column("select msg_id from pgmq_public.pop(queue_name => 'mail')") == [3]
    assert mail.column("select pgmq_public.delete(queue_name => 'mail', message_id => 1) from generate_series(1, 2)") == [
        True,
        False,
    ]
    assert mail.column("select pgmq_public.archive(queue_name => 'mail', message_id => 2) from generate_series(1, 2)") == [
        True,
        False,
    ]
    assert mail.column("select msg_id from pgmq_public.read('mail', 60, 9)") == [4]
    assert mail.column("select msg_id from pgmq.q_mail where vt > now() + interval '50 s' order by msg_id") == [4, 5, 6]


def test_nothing_is_granted_to_everybody(shared):
    granted = """
        select p.proname::text from pg_proc p, lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g
        where p.pronamespace = 'pgmq_public'::regnamespace and g.grantee = 0
        union all
        select n.nspname::text from pg_namespace n, lateral aclexplode(n.nspacl) g
        where n.nspname = 'pgmq_public' and g.grantee = 0"""
    assert shared.column(granted) == []


def test_supabases_roles_may_call_the_functions_but_no_queue_is_open_to_them(supabase, refused):
    for role in ROLES:
        supabase.run(f"set role {role}")
        with refused("42501", "permission denied for table q_mail"):
            supabase.run("select pgmq_public.send('mail', '1')")
        supabase.run("reset role")


def test_a_queue_is_opened_by_rights_on_its_table(supabase, refused):
    supabase.run("grant insert, select on pgmq.q_mail to authenticated")
    supabase.run("set role authenticated")

    assert supabase.column("select pgmq_public.send('mail', '1')") == [1]

    with refused("42501"):
        supabase.run("select pgmq_public.pop('mail')")


def test_row_level_security_holds_for_callers_from_outside(supabase, refused):
    supabase.run("grant insert, select on pgmq.q_mail to anon; alter table pgmq.q_mail enable row level security")
    supabase.run("set role anon")

    with refused("42501", 'new row violates row-level security policy for table "q_mail"'):
        supabase.run("select pgmq_public.send('mail', '1')")


def test_another_role_may_not_call(supabase, refused):
    role = f"other_of_{supabase.one('select current_database()')}"
    supabase.run(f"create role {role}; grant usage on schema pgmq, pgmq_public to {role}; set role {role}")

    with refused("42501", "permission denied for function send"):
        supabase.run("select pgmq_public.send('mail', '1')")

    supabase.run(f"reset role; drop owned by {role}; drop role {role}")


def test_where_pgmq_itself_is_installed_the_schema_is_left_out(empty_dsn, open_session):
    with open_session(empty_dsn) as session:
        session.run(upstream.get_embedded_install_sql())

        session.run(install_script())

        assert session.one("select to_regnamespace('pgmq_public')") is None
