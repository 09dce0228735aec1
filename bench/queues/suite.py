"""The suite `queues`."""

from functools import partial

from rich.console import Console

from bench.harness.options import Options
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


def run(server: Server, systems: list[str], progress: Console, options: Options) -> Samples:
    """Put the questions to every system."""
    sizes, rounds = QUICK if options.quick else FULL, options.rounds
    asked = [partial(QUESTIONS[name], Bench(server, sizes)) for name in options.questions or QUESTIONS]
    return ask_all(asked, systems, rounds or sizes.rounds, rounds * ROUND_S if rounds else LIMIT_S, progress)
