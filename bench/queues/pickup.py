"""How long does a message wait for a worker that has nothing to do?"""

import time
from statistics import quantiles

from bench.harness.report import Figure
from bench.queues.bench import Bench

P50 = Figure("idle pickup, p50", "ms", more_is_better=False)
P99 = Figure("idle pickup, p99", "ms", more_is_better=False)

SETTLE_S = 2.0
"""For a worker to start and to find its queue empty."""
LATE_S = 1.0


def measure(bench: Bench, name: str) -> dict[Figure, float]:
    """From just before the send to the first line of the handler; another process sends, every 20 to 60 ms."""
    with bench.installed(name) as system, system.working() as (worker, probe):
        time.sleep(SETTLE_S)
        system.send("trickle", bench.sizes.pickups)
        time.sleep(LATE_S)
        worker.check()
        cuts = quantiles(probe.latencies_ms(), n=100, method="inclusive")
    return {P50: cuts[49], P99: cuts[98]}
