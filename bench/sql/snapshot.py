"""What becomes of a queue's throughput while somebody holds a snapshot open, so that nothing dead can be removed?"""

import statistics
import time

import psycopg

from bench.harness.report import Figure, Goal
from bench.sql.bench import Bench, Queue
from bench.sql.script import repeat
from bench.sql.states import fill
from bench.sql.systems import PUBLIC

STEP = 100
"""Messages of one step of the traffic meanwhile."""
PER_S = 4_000
READY = 60_000
"""Messages that wait when throughput is measured."""
SLICE = 20
"""Calls between two looks at the clock."""
BURSTS = 5
"""How often throughput is measured: a checkpoint halves one or two; the median is taken."""
HOLD = b"begin isolation level repeatable read; select count(*) from pg_class"


def measure(bench: Bench, name: str) -> dict[Figure, float]:
    """Read and delete by ten: messages a second before, and while it has been held for that long."""
    held_s, burst_s = bench.sizes.snapshot_s, bench.sizes.burst_s
    with bench.queue(name) as queue, psycopg.connect(queue.dsn, autocommit=True) as holder:
        _throughput(queue, burst_s)  # a first time, for warmth
        before = _median(queue, burst_s)
        holder.execute(HOLD)
        _traffic(queue, held_s)
        after = _median(queue, burst_s)
        return {
            Figure("read 10 + delete 10", "messages/s"): before,
            Figure(f"the same, a snapshot held for {held_s:g} s", "messages/s"): after,
            Figure(f"share left after {held_s:g} s", "of before", goal=Goal(number=0.9)): after / before,
        }


def _traffic(queue: Queue, seconds: float) -> None:
    """Send, read and delete at a steady rate, or as fast as it still goes."""
    began, done = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        if done < passed * PER_S:
            repeat(queue, PUBLIC, ("send", "read", "delete"), STEP, 1)
            done += STEP
        else:
            time.sleep(STEP / PER_S / 4)


def _median(queue: Queue, seconds: float) -> float:
    return statistics.median(_throughput(queue, seconds) for _ in range(BURSTS))


def _throughput(queue: Queue, seconds: float) -> float:
    """Messages a second out of a queue with many ready ones, which is empty afterwards."""
    fill(queue, READY)
    began, calls = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds and calls * 10 < READY:
        repeat(queue, PUBLIC, ("read", "delete"), 10, SLICE)
        calls += SLICE
    repeat(queue, PUBLIC, ("read", "delete"), 1000, READY // 1000)
    return calls * 10 / passed
