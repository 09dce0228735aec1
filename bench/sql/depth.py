"""What does one call cost when many other messages lie in its way?"""

from collections.abc import Callable

from bench.harness.report import Figure, Goal
from bench.sql.bench import Bench, Queue
from bench.sql.calls import both_paths
from bench.sql.script import Life
from bench.sql.states import analysed, delayed, leased

READ = Life(("send", "read", "delete"), asked=("read",))
METRICS = Life(("metrics",), asked=("metrics",))
PLACES: tuple[tuple[str, Life, Callable[[Queue, int], None], int, Goal], ...] = (
    ("read 1 behind 1,000,000 delayed", READ, delayed, 1_000_000, Goal(number=1)),
    ("read 1 behind 100,000 leased", READ, leased, 100_000, Goal(number=2)),
    ("metrics with 100,000 messages", METRICS, analysed, 100_000, Goal(ratio=1.0)),
)


def measure(bench: Bench, name: str) -> dict[Figure, float]:
    """Milliseconds of the call."""
    found: dict[Figure, float] = {}
    for question, life, make, count, goal in PLACES:
        with bench.queue(name) as queue:
            make(queue, count)
            numbers = both_paths(queue, life, 1, bench.sizes.deep_iterations, bench.sizes.limit_s)
        for call, us in numbers.items():
            _, comma, path = call.partition(", ")
            found[Figure(question + comma + path, "ms", more_is_better=False, goal=goal)] = us / 1000
    return found
