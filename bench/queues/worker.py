"""How fast does one worker process handle a backlog of messages whose handler does nothing, and what does it spend?"""

import time

from bench.harness.probe import Probe
from bench.harness.processes import Child, ChildFailed
from bench.harness.report import Figure
from bench.queues.bench import Bench, Installed
from bench.queues.systems import class_of

RATE = Figure("no-op handler, one worker", "messages/s")
WORKER_CPU = Figure("worker CPU per 10,000", "s", more_is_better=False)
SERVER_CPU = Figure("server CPU per 10,000", "s", more_is_better=False)
MEMORY = Figure("worker memory", "MiB", more_is_better=False)

START_S = 20.0
RUN_IN_S = 0.3
"""After the first message, before the measurement begins."""
LOOK_S = 0.005


def measure(bench: Bench, name: str) -> dict[Figure, float]:
    """From a moment after the first message until nearly all are handled, or time is up."""
    with bench.installed(name) as system:
        return drain(bench, system)


def drain(bench: Bench, system: Installed) -> dict[Figure, float]:
    """The same, of a system as it stands."""
    count, _ = system.send("batches", bench.sizes.fill_s, bench.sizes.backlog)
    bench.server.tidy(system.dsn)
    with system.working() as (worker, probe):
        _until(probe, 1, START_S, worker)
        time.sleep(RUN_IN_S)
        began, first, worker_before, server_before = time.monotonic(), probe.total, worker.usage(), bench.server.usage()
        _until(probe, int(count * 0.98), bench.sizes.drain_s, worker)
        seconds, done = time.monotonic() - began, probe.total - first
        worker_after, server_after = worker.usage(), bench.server.usage()
    if not done:
        raise ChildFailed(f"nothing was handled in the time that was measured; the backlog was {count}, the machine is too busy")
    found = {
        RATE: done / seconds,
        WORKER_CPU: (worker_after.cpu_s - worker_before.cpu_s) / done * 10_000,
        MEMORY: worker_after.rss_mib,
    }
    if class_of(system.name).on_postgres:
        found[SERVER_CPU] = (server_after.cpu_s - server_before.cpu_s) / done * 10_000
    return found


def _until(probe: Probe, count: int, seconds: float, worker: Child) -> None:
    """Wait until so many messages are handled, or so much time has passed."""
    end = time.monotonic() + seconds
    while probe.total < count and time.monotonic() < end:
        worker.check()
        time.sleep(LOOK_S)
