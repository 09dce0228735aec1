"""What does one call cost the server, for each message?"""

from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import product

from bench.harness.report import Figure, Samples
from bench.sql import goals
from bench.sql.bench import Bench, Queue
from bench.sql.script import Life, times_us
from bench.sql.states import STATES
from bench.sql.systems import CLIENT, OURS, PUBLIC, statement

THROUGH = (
    Life(("send", "read", "delete"), asked=("send", "read", "delete"), sizes=(1, 10, 100)),
    Life(("send", "pop"), asked=("pop",), sizes=(1, 100)),
)
"""What depends on the state of the table."""
LIVES = (
    *THROUGH,
    Life(("send", "read", "archive"), asked=("archive",), sizes=(1, 100)),
    Life(("send", "read", "set_vt", "delete"), asked=("set_vt",), sizes=(1, 100)),
    Life(("send with headers", "remove"), asked=("send with headers",), sizes=(1, 100)),
    Life(("send with delay", "remove"), asked=("send with delay",), sizes=(1, 100)),
    Life(("send 99 and a rare one", "read the 100th by condition", "remove"), asked=("read the 100th by condition",)),
)
LIMIT_S = 60.0


def lives(state: str) -> tuple[Life, ...]:
    """What is asked about tables in this state."""
    return LIVES if state == "fresh" else THROUGH


def measure(bench: Bench, state: str, life: Life, names: Sequence[str], turns: int) -> Samples:
    """Microseconds for each message, on tables in one of the states.

    The systems take turns within tenths of a second, because a CPU may be twice as fast a moment later.
    """
    samples: dict[Figure, dict[str, list[float]]] = defaultdict(lambda: {name: [] for name in names})
    make, count = STATES[state]
    with ExitStack() as stack:
        queues = [stack.enter_context(bench.queue(name)) for name in names]
        for queue in queues:
            make(queue, count or bench.sizes.backlog)
        for n, _, queue in product(life.sizes, range(turns), queues):
            numbers = both_paths(queue, life, n, bench.sizes.iterations, LIMIT_S)
            for question, us in numbers.items():
                samples[_figure(question, state)][queue.name].append(us / n)
    return samples


def both_paths(queue: Queue, life: Life, n: int, iterations: int, limit_s: float) -> dict[str, float]:
    """Microseconds of the calls, through the public functions and on the client's own path; a peer has one for both."""
    public = _named(times_us(queue, PUBLIC, life, n, iterations, limit_s), n)
    own = public
    other = tuple(call for call in life.asked if statement(CLIENT, call, n) != statement(PUBLIC, call, n))
    if other and queue.name == OURS:
        own = _named(times_us(queue, CLIENT, Life(life.calls, other), n, iterations, limit_s), n)
    asked = [f"{call} {n}" for call in other]
    return public | {question + goals.OWN: own[question] for question in asked if question in own}


def _named(times: dict[str, float], n: int) -> dict[str, float]:
    return {f"{call} {n}": us for call, us in times.items()}


def _figure(question: str, state: str) -> Figure:
    told = question if state == "fresh" else f"{question}, {state} table"
    return Figure(told, "us/message", more_is_better=False, goal=goals.of_call(question))
