"""Installing the schema: what is pending is applied, functions are created again, all in one transaction.

Two that migrate at once wait for one another by an advisory lock; the second finds nothing left to do.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from hanjul.model.errors import HanjulError, SchemaMismatch
from hanjul.postgres.conninfo import conninfo
from hanjul.postgres.errors import translate
from hanjul.sql import ADVISORY_LOCK, EXTENSIONS, Migration, functions, functions_mark, has_functions, migrations, registry

OLDEST_SERVER = 140000
"""PostgreSQL 14, as `server_version_num` tells it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One migration as this database stands to it.

    state: applied, pending, or left to pgmq or to pg_net (the extension, or its SQL, is in charge of the schema).
    """

    migration: Migration
    state: str
    applied_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What `migrate` has to do, or has done.

    foreign: the schemas, of pgmq and net, of which another installation is in charge.
    """

    steps: tuple[Step, ...]
    foreign: frozenset[str]
    functions_are_current: bool

    @property
    def pending(self) -> list[Migration]:
        """The migrations that are not applied yet."""
        return [step.migration for step in self.steps if step.state == "pending"]

    @property
    def is_current(self) -> bool:
        """Whether a migrate would change nothing."""
        return self.functions_are_current and not self.pending


def plan(url: str) -> Plan:
    """How the database stands, without changing anything. Raises SchemaMismatch, Unavailable."""
    with transaction(url) as conn:
        return standing(conn)


def migrate(url: str, told: Callable[[str], None] = lambda _line: None) -> Plan:
    """Bring the schema to this package's; the plan as it was carried out.

    told: is told each step, as it begins.  Raises SchemaMismatch if the schema is newer or was changed by hand,
    PermissionDenied, Unavailable; then nothing was changed.
    """
    with transaction(url) as conn:
        conn.execute("select pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
        conn.execute("set local client_min_messages = warning")
        conn.execute(registry())
        todo = standing(conn)
        install(conn, todo, told)
        return todo


def install(conn: psycopg.Connection[Any], todo: Plan, told: Callable[[str], None]) -> None:
    """Carry out a plan, in a transaction that holds the lock of migrations."""
    for migration in todo.pending:
        told(f"migration {migration.number:04} {migration.name}")
        conn.execute(migration.text.encode())
        record = "insert into hanjul.migration (number, name, checksum) values (%s, %s, %s)"
        conn.execute(record, [migration.number, migration.name, migration.checksum])
    told("functions")
    for file in functions():
        if file.schema not in todo.foreign:
            conn.execute(file.text.encode())
    conn.execute(f"comment on schema hanjul is '{functions_mark()}'".encode())


def ensure_current(url: str) -> None:
    """Migrate if there is anything to do: for those who own the database, at every start."""
    if not plan(url).is_current:
        migrate(url)


@contextmanager
def database_of_its_own(url: str, name: str) -> Iterator[str]:
    """The address of a new, empty database on the same server, which is dropped at the end. For servers that are ours."""
    with psycopg.connect(conninfo(url), autocommit=True) as conn:
        conn.execute(f'create database "{name}"'.encode())
    try:
        yield url.rpartition("/")[0] + f"/{name}"
    finally:
        with psycopg.connect(conninfo(url), autocommit=True) as conn:
            conn.execute(f'drop database "{name}" with (force)'.encode())


def set_search_path(url: str, path: str) -> None:
    """Let new sessions of the user look for names along `path`; for servers that are ours alone."""
    with transaction(url) as conn:
        if conn.execute("show search_path").fetchone() != (path,):
            conn.execute("select pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])  # two at once would fail
            conn.execute(f"alter role current_user set search_path = {path}".encode())


@contextmanager
def transaction(url: str) -> Iterator[psycopg.Connection[Any]]:
    """One transaction on a server that can have the schema."""
    try:
        with psycopg.connect(conninfo(url), prepare_threshold=None) as conn:
            if conn.info.server_version < OLDEST_SERVER:
                raise SchemaMismatch(
                    f"hanjul needs PostgreSQL 14 or newer; this is {conn.info.parameter_status('server_version')}"
                )
            [standby] = conn.execute("select pg_is_in_recovery()").fetchone() or [False]
            if standby:
                raise SchemaMismatch("this server is a standby, which takes no writes; use the address of the primary")
            yield conn
    except HanjulError:
        raise
    except (psycopg.Error, OSError) as error:
        raise translate(error) from error


def standing(conn: psycopg.Connection[Any], *, leaves: str | None = None) -> Plan:
    """How the database stands. leaves: a schema; as it will stand when those who are in charge of it are out of the way."""
    applied = _applied(conn)
    known = migrations()
    if newer := [number for number in applied if number > len(known)]:
        raise SchemaMismatch(
            f"the database has migration {max(newer)}, this hanjul knows {len(known)}: the schema is newer; update the package"
        )
    foreign = frozenset(schema for schema in EXTENSIONS if schema != leaves and _is_foreign(conn, schema, applied))
    mark = conn.execute("select obj_description(to_regnamespace('hanjul'), 'pg_namespace')").fetchone()
    steps = tuple(_step(migration, applied, foreign) for migration in known)
    return Plan(steps, foreign, functions_are_current=mark == (functions_mark(),))


def _step(migration: Migration, applied: dict[int, tuple[str, datetime]], foreign: frozenset[str]) -> Step:
    if migration.number not in applied:
        return Step(migration, f"left to {EXTENSIONS[migration.schema][0]}" if migration.schema in foreign else "pending")
    checksum, applied_at = applied[migration.number]
    if checksum != migration.checksum:
        raise SchemaMismatch(
            f"migration {migration.number:04} {migration.name} is not the one that was applied on {applied_at:%Y-%m-%d}: "
            f"checksum {migration.checksum[:12]}, in the database {checksum[:12]}"
        )
    return Step(migration, "applied", applied_at)


def _applied(conn: psycopg.Connection[Any]) -> dict[int, tuple[str, datetime]]:
    [exists] = conn.execute("select to_regclass('hanjul.migration') is not null").fetchone() or [False]
    if not exists:
        return {}
    rows = conn.execute("select number, checksum, applied_at from hanjul.migration order by number").fetchall()
    return {number: (checksum, applied_at) for number, checksum, applied_at in rows}


def _is_foreign(conn: psycopg.Connection[Any], schema: str, applied: dict[int, tuple[str, datetime]]) -> bool:
    if any(migration.schema == schema and migration.number in applied for migration in migrations()):
        return False
    [foreign] = conn.execute(f"select {has_functions(schema)}".encode()).fetchone() or [False]
    return bool(foreign)
