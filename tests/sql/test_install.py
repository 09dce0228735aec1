"""The installer's text, as a person would paste it, and as CREATE EXTENSION reads it."""

import fcntl
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from hanjul.sql import extension_files, functions, install_script, migrations

TUTORIAL = """
    select pgmq.create_queue('email_jobs');
    select pgmq.send('email_jobs', '{"to": "ada@example.com", "subject": "Hello"}');
    select * from pgmq.read('email_jobs', 30, 1);
    select * from pgmq.pop('email_jobs');
    select pgmq.archive('email_jobs', 1);
    select * from pgmq.q_info('email_jobs');
"""


@pytest.fixture
def run_psql(psql):
    """Feed a text to psql, stop at the first error, return what it printed."""

    def run(dsn, text):
        command = [psql, dsn, "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.split(), done.stderr

    return run


@pytest.fixture
def fresh(empty_dsn):
    """A session on a database with nothing in it."""
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        yield connection


def test_the_script_installs_with_psql_and_the_tutorial_runs(run_psql, empty_dsn):
    assert run_psql(empty_dsn, install_script()) == (0, [], "")

    code, _, errors = run_psql(empty_dsn, TUTORIAL)

    assert (code, errors) == (0, "")


def test_the_script_can_be_run_again_and_keeps_every_message(fresh):
    fresh.execute(install_script())
    fresh.execute("select pgmq.create('mail'), pgmq.send('mail', '1')")
    applied = fresh.execute("select number, name, checksum, applied_at from hanjul.migration order by 1").fetchall()

    fresh.execute(install_script())

    assert fresh.execute("select msg_id from pgmq.read('mail', 0, 1)").fetchall() == [(1,)]
    assert fresh.execute("select number, name, checksum, applied_at from hanjul.migration order by 1").fetchall() == applied
    assert [(m.number, m.name, m.checksum) for m in migrations()] == [row[:3] for row in applied]


def test_two_installs_at_once_both_succeed(empty_dsn):
    def install(_):
        with psycopg.connect(empty_dsn, autocommit=True) as connection:
            connection.execute(install_script())

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(install, range(3)))


def test_an_install_that_fails_leaves_nothing(fresh):
    fresh.execute("create schema pgmq; create type pgmq.queue_record as enum ('in the way')")

    with pytest.raises(psycopg.errors.DuplicateObject):
        fresh.execute(install_script())
    fresh.execute("rollback")

    assert fresh.execute("select to_regnamespace('hanjul'), to_regtype('pgmq.message_record')").fetchall() == [(None, None)]


def test_the_install_ignores_the_search_path(fresh):
    fresh.execute("create schema evil; create type evil.jsonb as enum ('x'); create type evil.text as enum ('x')")
    fresh.execute("set search_path = evil, pg_catalog")

    fresh.execute(install_script())

    fresh.execute("select pgmq.create('mail'), pgmq.send('mail', '{\"a\": 1}')")
    assert fresh.execute("show search_path").fetchall() == [("evil, pg_catalog",)]


def test_monitoring_roles_see_queues_that_are_made_later(mail):
    sees = "select has_table_privilege('pg_monitor', %s, 'select')"
    assert [mail.one(sees, f"pgmq.{table}") for table in ("meta", "q_mail", "a_mail", "q_mail_msg_id_seq")] == [True] * 4
    assert mail.one("select has_schema_privilege('pg_monitor', 'pgmq', 'usage')") is True


def test_nothing_is_granted_to_everybody(mail):
    granted = """
        select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace, lateral aclexplode(c.relacl) g
        where n.nspname in ('pgmq', 'hanjul') and g.grantee = 0
        union all
        select n.nspname::text from pg_namespace n, lateral aclexplode(n.nspacl) g
        where n.nspname in ('pgmq', 'hanjul') and g.grantee = 0"""
    # the notes of whoever owns a queue, hidden from others, and the number from which reads start
    assert sorted(mail.column(granted)) == ["b_mail", "scan", "scan", "scan"]


def test_each_file_of_functions_stays_within_one_schema():
    assert {file.schema for file in functions()} == {"pgmq", "hanjul", "net"}


def test_a_dumped_database_can_be_restored(mail, dsn, psql, run_psql, empty_dsn):
    mail.run("select pgmq.send_batch('mail', array['1', '2']::jsonb[])")
    mail.run("select pgmq.create_unlogged('post'), pgmq.send('post', '1'), pgmq.archive('mail', 1)")

    dump = subprocess.run([psql.with_name("pg_dump"), dsn], capture_output=True, text=True, check=True).stdout
    code, _, errors = run_psql(empty_dsn, dump)
    assert (code, errors) == (0, "")

    _, rows, _ = run_psql(
        empty_dsn,
        "select msg_id from pgmq.read('mail', 0, 9); select pgmq.send('mail', '3'); select count(*) from pgmq.a_mail;"
        "select pgmq.send('post', '2')",
    )
    assert rows == ["2", "3", "1", "2"]


@pytest.fixture
def extension(extension_dir):
    """The files of the extension, for one test at a time: test processes may share the directory, which is left as it was."""
    directory = os.open(extension_dir, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    files = {extension_dir / name: text for name, text in extension_files().items()}
    try:
        for file, text in files.items():
            file.write_text(text)
        yield
    finally:
        for file in files:
            file.unlink(missing_ok=True)
        os.close(directory)


def test_create_extension_installs_and_reports_the_version_of_pgmq(extension, fresh):
    fresh.execute("create extension if not exists pgmq cascade")

    assert fresh.execute("select extversion from pg_extension where extname = 'pgmq'").fetchall() == [("1.13.0",)]
    fresh.execute("select pgmq.create('mail'), pgmq.send('mail', '1')")
    fresh.execute("create extension if not exists pgmq cascade")


def test_create_extension_over_our_schema_changes_nothing(extension, mail):
    mail.run("select pgmq.send('mail', '1')")

    mail.run("create extension pgmq")

    assert mail.column("select msg_id from pgmq.read('mail', 0, 1)") == [1]


def test_dropping_the_extension_drops_no_queue_and_no_function(extension, fresh):
    fresh.execute("create extension pgmq")
    fresh.execute("select pgmq.create('mail'), pgmq.send('mail', '1')")

    fresh.execute("drop extension pgmq")

    assert fresh.execute("select msg_id from pgmq.read('mail', 0, 1)").fetchall() == [(1,)]


def test_the_installer_updates_what_create_extension_installed(extension, fresh):
    fresh.execute("create extension pgmq")
    fresh.execute("select pgmq.create('mail')")

    fresh.execute(install_script())

    assert fresh.execute("select pgmq.send('mail', '1')").fetchall() == [(1,)]
