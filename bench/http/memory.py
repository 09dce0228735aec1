"""Does a sender grow with the number of requests that it has sent?"""

from bench.harness.report import Figure, Goal
from bench.http.bench import OURS, Bench, all_answered
from bench.http.gets import until_all_have_ended

FEW = Figure("sender memory, after a tenth", "MiB", more_is_better=False)
MANY = Figure("sender memory, after all", "MiB", more_is_better=False)
GROWTH = Figure("sender memory, growth", "of before", more_is_better=False, goal=Goal(number=1.1))


def measure(bench: Bench, name: str) -> dict[Figure, float]:
    """Resident, of one process, after 20,000 requests and after 200,000 (with `--quick` 3,000 and 30,000)."""
    if name != OURS:
        return {}
    few, many = bench.sizes.few, bench.sizes.many
    with bench.installed() as dsn, bench.sending(dsn) as sender:
        after = []
        for count in (few, many - few):
            bench.enqueue(dsn, "/small", count)
            until_all_have_ended(dsn, sender)
            after.append(sender.usage().rss_mib)
        all_answered(dsn, many)
    return {FEW: after[0], MANY: after[1], GROWTH: after[1] / after[0]}
