"""The suite `queues`."""

from functools import partial

from rich.console import Console

from bench.harness.report import Samples
from bench.harness.rounds import ask_all
from bench.harness.server import Server
from bench.queues import enqueue, pickup, worker
from bench.queues.bench import FULL, QUICK, Bench
from bench.queues.systems import OURS, SYSTEMS, settings_of

__all__ = ["OURS", "SYSTEMS", "run", "settings_of"]

LIMIT_S = 480.0
ROUND_S = 300.0
"""How long all rounds may take; if their number was asked for, so long for each."""
QUESTIONS = {"enqueue": enqueue.measure, "worker": worker.measure, "pickup": pickup.measure}


def run(
    server: Server, systems: list[str], progress: Console, *, quick: bool, rounds: int | None, questions: list[str] | None
) -> Samples:
    """Put the questions to every system.  rounds: other than the usual number.  questions: other than all."""
    sizes = QUICK if quick else FULL
    asked = [partial(QUESTIONS[name], Bench(server, sizes)) for name in questions or QUESTIONS]
    return ask_all(asked, systems, rounds or sizes.rounds, rounds * ROUND_S if rounds else LIMIT_S, progress)
