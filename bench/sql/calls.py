"""What does one call cost the server, for each message?"""

from bench.harness.report import Figure
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


def measure(bench: Bench, state: str, life: Life, name: str) -> dict[Figure, float]:
    """Microseconds for each message, on tables in one of the states."""
    found: dict[Figure, float] = {}
    with bench.queue(name) as queue:
        make, count = STATES[state]
        make(queue, count or bench.sizes.backlog)
        for n in life.sizes:
            numbers = both_paths(queue, life, n, bench.sizes.iterations, LIMIT_S)
            found |= {_figure(question, state): us / n for question, us in numbers.items()}
    return found


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
