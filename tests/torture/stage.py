"""The stage: a server of its own to be crashed, a database a round, and what is left in it at the end."""

import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from tests.torture.messages import checksum, key_of
from tests.torture.scene import BOUND, PARTITIONED, QUEUES
from tests.torture.session import NOW

import hanjul
from hanjul.embedded import Server
from hanjul.local import embedded_server
from hanjul.sql import install_script

TEMPLATE = "torture_template"
ADVISORY = """
    select l.pid, l.mode, a.application_name from pg_locks l left join pg_stat_activity a using (pid)
    where l.locktype = 'advisory' and l.database = (select oid from pg_database where datname = current_database())
"""
SESSIONS = """
    select pid, application_name, coalesce(state, '') from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""
PARTITIONS = """
    select c.oid::regclass::text, case when by_id then high::float8 else extract(epoch from high::timestamptz)::float8 end
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    cross join lateral (select (regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$ TO \\('([^']*)'\\)$re$))[1] as high) e
    cross join lateral (select high ~ '^\\d+$' as by_id) k
    where i.inhparent = to_regclass(%s)
"""
ORPHANS = """
    select c.oid::regclass::text from pg_class c
    where c.relnamespace = 'pgmq'::regnamespace and c.relkind = 'r' and not c.relispartition and c.relname ~ '^[qa]_by_'
"""
_rounds = count(1)


class Stage:
    """One server, and the databases on it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        with psycopg.connect(self._at("postgres"), autocommit=True) as conn:
            conn.execute(f"create database {TEMPLATE}")
        with psycopg.connect(self._at(TEMPLATE), autocommit=True) as conn:
            conn.execute(install_script())
            conn.execute("create table ledger (key text)")
            create_queues(conn)

    @contextmanager
    def database(self, prepare: Callable[["psycopg.Connection[Any]"], None] | None) -> Iterator[str]:
        """The URL of a database for one round.  prepare: what to change in it first."""
        name = f"round_{next(_rounds)}"
        with psycopg.connect(self._at("postgres"), autocommit=True) as conn:
            conn.execute(f"create database {name} template {TEMPLATE}")
        if prepare is not None:
            with psycopg.connect(self._at(name)) as conn:
                prepare(conn)
        yield self._at(name)
        with psycopg.connect(self._at("postgres"), autocommit=True) as conn:
            conn.execute(f"drop database {name} with (force)")

    def kill_postmaster(self) -> None:
        """As a power cut: the guard starts it again, which recovers from its log."""
        os.kill(int((self._server.data_dir / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)

    def _at(self, database: str) -> str:
        return urlsplit(self._server.dsn)._replace(path=f"/{database}").geturl()


@contextmanager
def stage() -> Iterator[Stage]:
    """A new server, gone afterwards."""
    place = Path(tempfile.mkdtemp(prefix="hanjul-torture-"))
    place.chmod(0o755)  # the server may run as another user
    try:
        with embedded_server(hanjul.Settings(data_dir=str(place / "data"))) as server:
            yield Stage(server)
        _wait_until_stopped(server.dsn)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _wait_until_stopped(dsn: str) -> None:
    try:
        while True:
            psycopg.connect(dsn, connect_timeout=2).close()
            time.sleep(0.05)
    except psycopg.OperationalError:
        pass


def unfinished(conn: "psycopg.Connection[Any]") -> int:
    """Messages that are due now or within a minute."""
    each = [f"select count(*) from pgmq.q_{queue} where vt < clock_timestamp() + interval '1 minute'" for queue in QUEUES]
    return sum(row[0] for row in conn.execute(" union all ".join(each)).fetchall())


def create_queues(conn: "psycopg.Connection[Any]") -> None:
    """The queues of a round, and their bindings."""
    for queue in QUEUES:
        if queue in PARTITIONED:
            conn.execute("select pgmq.create_partitioned(%s, %s, %s, 1)", [queue, *PARTITIONED[queue]])
        else:
            conn.execute("select pgmq.create(%s)", [queue])
    for pattern, queue in BOUND:
        conn.execute("select pgmq.bind_topic(%s, %s)", [pattern, queue])


def wait_until_idle(conn: "psycopg.Connection[Any]", within_s: float = 5.0) -> None:
    """Until no session of the actors does anything, or time is up: then what is left will be reported."""
    deadline = time.monotonic() + within_s
    quiet = 0
    while quiet < 3 and time.monotonic() < deadline:
        busy = [row for row in conn.execute(SESSIONS).fetchall() if row[2] != "idle"]
        quiet = 0 if busy else quiet + 1
        time.sleep(0.05)


def final_state(conn: "psycopg.Connection[Any]") -> dict[str, Any]:
    """Everything that a rule asks about, at the quiet point."""
    upkept = _keep_up(conn)
    conn.execute("begin isolation level repeatable read")
    state = {
        "upkept": upkept,
        "partitions": [[*row] for queue in PARTITIONED for row in _partitions(conn, queue)],
        "orphans": [row[0] for row in conn.execute(ORPHANS).fetchall()],
        "at": conn.execute("select extract(epoch from now())::float8").fetchone(),
        "queues": {queue: _queue(conn, queue) for queue in QUEUES},
        "dead": [_dead(row) for row in conn.execute(
            "select queue_name, msg_id, attempts, reason, error, message, headers from hanjul.dead_letter").fetchall()],
        "ledger": [row[0] for row in conn.execute("select key from ledger").fetchall()],
    }  # fmt: skip
    conn.execute("commit")
    return state | {"advisory": conn.execute(ADVISORY).fetchall(), "sessions": conn.execute(SESSIONS).fetchall()}


def _keep_up(conn: "psycopg.Connection[Any]") -> dict[str, Any]:
    """Let partitions be made and dropped, now that nobody is in the way; what was left to do, and from when."""
    at = conn.execute(f"select {NOW}").fetchone()
    for _ in range(10):
        if not (left := [row[0] for row in conn.execute("select hanjul.maintain()").fetchall()]):
            break
    return {"at": at, "left": left}


def _partitions(conn: "psycopg.Connection[Any]", queue: str) -> Iterator[Any]:
    """Queue, table, partition, its end (null: the default partition), how many rows it has."""
    for prefix in ("q", "a"):
        for partition, high in conn.execute(PARTITIONS, [f"pgmq.{prefix}_{queue}"]).fetchall():
            yield queue, prefix, partition, high, *(conn.execute(f"select count(*) from {partition}").fetchone() or ())


def left_behind(conn: "psycopg.Connection[Any]", within_s: float = 5.0) -> dict[str, Any]:
    """What is there when all actors have gone."""
    deadline = time.monotonic() + within_s
    while (sessions := conn.execute(SESSIONS).fetchall()) and time.monotonic() < deadline:
        time.sleep(0.02)
    prepared = conn.execute("select gid from pg_prepared_xacts").fetchall()
    return {"advisory": conn.execute(ADVISORY).fetchall(), "sessions": sessions, "prepared": prepared}


def _queue(conn: "psycopg.Connection[Any]", queue: str) -> dict[str, Any]:
    rows = conn.execute(
        f"select msg_id, read_ct, released, extract(epoch from vt)::float8, vt <= now(), message, headers from pgmq.q_{queue}"
    ).fetchall()
    archived = conn.execute(f"select msg_id, read_ct, message, headers from pgmq.a_{queue}").fetchall()
    info = conn.execute(
        "select queue_length, queue_visible_length, total_messages, in_flight_length, delayed_length, archived_messages"
        " from pgmq.q_info(%s)",
        [queue],
    ).fetchone()
    return {
        "rows": [[*row[:5], key_of(row[5]), checksum(row[5], row[6])] for row in rows],
        "archived": [[*row[:2], key_of(row[2]), checksum(row[2], row[3])] for row in archived],
        "info": info,
    }


def _dead(row: Any) -> list[Any]:
    queue, msg_id, attempts, reason, error, message, headers = row
    return [queue, msg_id, attempts, reason, error, key_of(message), checksum(message, headers)]


def save(directory: Path, state: dict[str, Any]) -> None:
    """Put the final state beside the journals."""
    (directory / "final.json").write_text(json.dumps(state))
