"""The suite `sql`."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from rich.console import Console

from bench.harness.options import Options
from bench.harness.report import Figure, Samples
from bench.harness.rounds import ask_all
from bench.harness.server import Server
from bench.sql import calls, depth, groups, snapshot, wal
from bench.sql.bench import FULL, QUICK, Bench
from bench.sql.states import STATES
from bench.sql.systems import OURS, SYSTEMS, settings_of

__all__ = ["OURS", "SYSTEMS", "run", "settings_of"]

LIMIT_S = 300.0
ONCE: dict[str, Callable[[Bench, str], dict[Figure, float]]] = {
    "depth": depth.measure,
    "groups": groups.measure,
    "wal": wal.measure,
    "snapshot": snapshot.measure,
}
"""Questions that take long and vary little: one round."""
QUESTIONS = ("calls", *ONCE)


def run(server: Server, systems: list[str], progress: Console, options: Options) -> Samples:
    """Put the questions to both systems."""
    bench = Bench(server, QUICK if options.quick else FULL)
    asked = options.questions or QUESTIONS
    states = [name for name in STATES if name in (options.states or ["fresh"])]
    samples: dict[Figure, Mapping[str, Sequence[float]]] = {}
    for state, life in [(name, life) for name in states for life in calls.lives(name) if "calls" in asked]:
        with progress.status(f"{', '.join(life.asked)}: {state} tables"):
            samples.update(calls.measure(bench, state, life, systems, options.rounds or bench.sizes.turns))
        progress.print(f"measured: {', '.join(life.asked)}, {state} tables")
    once = [partial(question, bench) for name, question in ONCE.items() if name in asked]
    return {**samples, **ask_all(once, systems, 1, LIMIT_S, progress)}
