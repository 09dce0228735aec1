"""How fast do four worker processes handle a backlog together?"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from bench.harness.probe import Probe
from bench.harness.processes import Child
from bench.harness.report import Figure
from bench.queues.bench import Bench
from bench.queues.worker import LOOK_S, RUN_IN_S, START_S

WORKERS = 4
RATE = Figure("no-op handler, four workers", "messages/s")

Crowd = Sequence[tuple[Child, Probe]]


def measure(bench: Bench, name: str) -> dict[Figure, float]:
    """From a moment after the last of them handled its first job until nearly all are handled, or time is up."""
    with bench.installed(name) as system, ExitStack() as stack:
        count, _ = system.send("batches", bench.sizes.fill_s, bench.sizes.backlog)
        bench.server.tidy(system.dsn)
        crowd = [stack.enter_context(system.working()) for _ in range(WORKERS)]
        _until(lambda: all(probe.total for _, probe in crowd), START_S, crowd)
        time.sleep(RUN_IN_S)
        began, first = time.monotonic(), _total(crowd)
        _until(lambda: _total(crowd) >= count * 0.95, bench.sizes.drain_s, crowd)
        return {RATE: (_total(crowd) - first) / (time.monotonic() - began)}


def _total(crowd: Crowd) -> int:
    return sum(probe.total for _, probe in crowd)


def _until(done: Callable[[], bool], seconds: float, crowd: Crowd) -> None:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        for worker, _ in crowd:
            worker.check()
        time.sleep(LOOK_S)
