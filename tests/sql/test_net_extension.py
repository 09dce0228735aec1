"""CREATE EXTENSION pg_net, and pgmq beside it: in either order, twice, over what is there, and dropped again."""

import fcntl
import os

import psycopg
import pytest

from hanjul.sql import extension_files, install_script

INSTALLED = (
    "select (select count(*) from hanjul.migration), to_regprocedure('net.http_get(text, jsonb, jsonb, integer)') is not null"
)
LEFT_BEHIND = """
    select e.extname, pg_describe_object(d.classid, d.objid, d.objsubid) from pg_depend d
    join pg_extension e on e.oid = d.refobjid and d.refclassid = 'pg_extension'::regclass
    where d.deptype = 'e' and e.extname in ('pgmq', 'pg_net')"""


@pytest.fixture
def extension(extension_dir):
    """The files of both, for one test at a time: test processes may share the directory, which is left as it was."""
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


@pytest.fixture
def fresh(empty_dsn):
    """A session on a database with nothing in it."""
    with psycopg.connect(empty_dsn, autocommit=True) as connection:
        yield connection


def works(connection):
    """Whether requests and messages are taken."""
    connection.execute("select net.http_get('http://x/'), pgmq.create('works_' || txid_current())")
    return connection.execute("select count(*) > 0 from net.http_request_queue").fetchone() == (True,)


@pytest.mark.parametrize("names", [["pg_net"], ["pgmq"], ["pg_net", "pgmq"], ["pgmq", "pg_net"]])
def test_either_extension_installs_everything_and_both_may_be_there(extension, fresh, names):
    for name in names * 2:
        fresh.execute(f"CREATE EXTENSION IF NOT EXISTS {name};")

    versions = {"pg_net": "0.20.4", "pgmq": "1.13.0"}
    found = fresh.execute("select extname, extversion from pg_extension where extname in ('pgmq', 'pg_net')").fetchall()
    assert dict(found) == {name: versions[name] for name in names}
    assert fresh.execute(LEFT_BEHIND).fetchall() == []
    assert works(fresh)


@pytest.mark.parametrize("name", ["pg_net", "pgmq"])
def test_over_a_migrated_database_it_changes_nothing(extension, db, name):
    db.run("select net.http_get('http://x/')")

    db.run(f"create extension {name}")

    assert db.one("select count(*) from net.http_request_queue") == 1
    assert db.rows(LEFT_BEHIND) == []


@pytest.mark.parametrize("names", [["pg_net"], ["pgmq"], ["pg_net", "pgmq"], ["pgmq", "pg_net"]])
def test_dropping_drops_no_request_and_no_function(extension, fresh, names):
    for name in names:
        fresh.execute(f"create extension {name}")
    fresh.execute("select net.http_get('http://x/')")
    before = fresh.execute(INSTALLED).fetchall()

    for name in names:
        fresh.execute(f"drop extension {name} cascade")

    assert fresh.execute(INSTALLED).fetchall() == before
    assert works(fresh)
    fresh.execute(f"create extension {names[0]}")


def test_the_installer_updates_what_create_extension_installed(extension, fresh):
    fresh.execute("create extension pg_net")

    fresh.execute(install_script())

    assert works(fresh)


def test_over_an_older_hanjul_it_says_what_is_missing(extension, fresh):
    fresh.execute(install_script())
    fresh.execute("drop schema net cascade; delete from hanjul.migration where name in ('net', 'net_webhook')")

    with pytest.raises(psycopg.errors.RaiseException, match="is older, and has no schema net: run hanjul migrate"):
        fresh.execute("create extension pg_net")


def test_where_pg_net_itself_is_in_charge_the_script_leaves_its_schema_alone(fresh):
    fresh.execute("create schema net; create function net.http_get(url text) returns bigint language sql as 'select 7::bigint'")

    fresh.execute(install_script())
    fresh.execute(install_script())

    assert fresh.execute("select net.http_get('x'), to_regclass('net.http_request_queue')").fetchall() == [(7, None)]
    assert fresh.execute("select name from hanjul.migration where name like 'net%'").fetchall() == []
    fresh.execute("select pgmq.create('mail'), pgmq.send('mail', '1'), hanjul.enqueue_job('k')")


def test_an_empty_schema_net_is_nobodys(fresh):
    fresh.execute("create schema net")

    fresh.execute(install_script())

    assert works(fresh)
