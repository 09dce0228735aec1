"""Does a worker become slower while somebody's transaction stays open?"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from bench.harness.report import Figure, Goal
from bench.jobs import pairs
from bench.queues.bench import Bench
from bench.queues.systems import class_of

RATE = Figure("no-op handler, a snapshot held", "messages/s")
SHARE = Figure("share left with a snapshot held", "of before", goal=Goal(number=0.9))

STEADY = 200
"""Jobs a second that go through in the meantime: as many as every system here can bear."""


def measure(bench: Bench, name: str) -> dict[Figure, float]:
    """The question of the worker, where none is held, and where one has been held for a while and still is."""
    if not class_of(name).on_postgres:
        return {}
    with bench.installed(name) as plain, bench.installed(name) as system, _snapshot(system.dsn):
        with system.working():
            system.send("steadily", bench.sizes.snapshot_s, STEADY)
        before, rate = pairs.rates(bench, plain, system)
    return {RATE: rate, SHARE: rate / before}


@contextmanager
def _snapshot(dsn: str) -> Iterator[None]:
    with psycopg.connect(dsn) as conn:
        conn.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        conn.execute("select")
        yield
