"""What does a worker that has nothing to do ask of the server?"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from bench.harness.report import Figure, Goal
from bench.queues.bench import Bench
from bench.queues.systems import class_of

RATE = Figure("idle worker", "transactions/s", more_is_better=False, goal=Goal(number=1.0))

SETTLE_S = 12.0
"""For a worker to start, and to find that there is nothing to do."""
LOOK_S = 10.0


def measure(bench: Bench, name: str) -> dict[Figure, float]:
    """Transactions of its database over ten seconds: outside of one, each query is one. Those of autovacuum are nobody's."""
    if not class_of(name).on_postgres:
        return {}
    with _autovacuum_off(bench), bench.installed(name) as system, system.working() as (worker, _):
        time.sleep(SETTLE_S)
        first = _transactions(bench, system.dsn)
        time.sleep(LOOK_S)
        worker.check()
        return {RATE: (_transactions(bench, system.dsn) - first) / LOOK_S}


@contextmanager
def _autovacuum_off(bench: Bench) -> Iterator[None]:
    with psycopg.connect(bench.server.dsn, autocommit=True) as conn:
        conn.execute("alter system set autovacuum = off")
        conn.execute("select pg_reload_conf()")
        try:
            yield
        finally:
            conn.execute("alter system reset autovacuum")
            conn.execute("select pg_reload_conf()")


def _transactions(bench: Bench, dsn: str) -> int:
    """Asked from another database, so as not to be counted."""
    with psycopg.connect(bench.server.dsn, autocommit=True) as conn:
        asked = "select xact_commit + xact_rollback from pg_stat_database where datname = %s"
        [(count,)] = conn.execute(asked, [dsn.rpartition("/")[2]]).fetchall()
        return int(count)
