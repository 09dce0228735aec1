"""What do grouped reads cost when a queue has many groups?"""

from bench.harness.report import Figure, Goal
from bench.sql.bench import Bench, Queue
from bench.sql.script import Life, times_us
from bench.sql.states import grouped
from bench.sql.systems import PUBLIC

QTY = 10
CALLS = ("read_grouped", "read_grouped_rr", "read_grouped_head")
SHAPES = ((1_000, 300, Goal(number=5)), (20_000, 1, Goal(number=20)))


def measure(bench: Bench, name: str) -> dict[Figure, float]:
    """Milliseconds of a call for ten messages; where none was done in time, the limit."""
    found: dict[Figure, float] = {}
    for groups, per_group, goal in SHAPES:
        with bench.queue(name) as queue:
            grouped(queue, groups, per_group)
            for call in CALLS:
                told = f"{call} {QTY}, {groups:,} groups of {per_group}"
                figure = Figure(told, "ms", more_is_better=False, goal=goal, limit=bench.sizes.limit_s * 1000)
                found[figure] = _ms(bench, queue, call)
    return found


def _ms(bench: Bench, queue: Queue, call: str) -> float:
    life, limit_s = Life((call,), asked=(call,)), bench.sizes.limit_s
    times = times_us(queue, PUBLIC, life, QTY, bench.sizes.deep_iterations, limit_s)
    return times.get(call, limit_s * 1e6) / 1000
