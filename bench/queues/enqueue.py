"""How fast can messages be sent: one after the other, by 50 callers at once, in batches?"""

from bench.harness.report import Figure
from bench.queues.bench import Bench

ONE_BY_ONE = Figure("enqueue one by one", "messages/s")
MANY_CALLERS = Figure("enqueue from 50 coroutines", "messages/s")
BATCHES = Figure("enqueue in batches of 1,000", "messages/s")


def measure(bench: Bench, name: str) -> dict[Figure, float]:
    """Each way for a while, into one queue."""
    ways = {ONE_BY_ONE: "one_by_one", MANY_CALLERS: "many_callers", BATCHES: "batches"}
    found = {}
    with bench.installed(name) as system:
        for figure, way in ways.items():
            count, seconds = system.send(way, bench.sizes.send_s)
            if count:  # the synchronous client has no coroutines
                found[figure] = count / seconds
    return found
