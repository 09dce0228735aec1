"""Does a worker become slower when millions of jobs have ended?"""

import psycopg

from bench.harness.report import Figure, Goal
from bench.jobs import pairs
from bench.queues.bench import Bench, Installed
from bench.queues.systems import class_of

RATE = Figure("no-op handler, long history", "messages/s")
SHARE = Figure("share left with a long history", "of before", goal=Goal(number=0.9))


def measure(bench: Bench, name: str) -> dict[Figure, float]:
    """The question of the worker, without a history and with a long one."""
    if not class_of(name).finished:
        return {}
    with bench.installed(name) as plain, bench.installed(name) as system:
        _fill(system, bench.sizes.history)
        before, rate = pairs.rates(bench, plain, system)
    return {RATE: rate, SHARE: rate / before}


def _fill(system: Installed, count: int) -> None:
    """The statistics are made when the backlog is tidied, and what is written then belongs to nobody's throughput."""
    with psycopg.connect(system.dsn, autocommit=True) as conn:
        conn.execute((class_of(system.name).finished % count).encode())
        conn.execute("checkpoint")
