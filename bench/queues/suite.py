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

QUESTIONS = (enqueue.measure, worker.measure, pickup.measure)


def run(server: Server, systems: list[str], progress: Console, *, quick: bool, rounds: int | None) -> Samples:
    """Ask every question to every system.  rounds: other than the usual number."""
    sizes = QUICK if quick else FULL
    return ask_all([partial(ask, Bench(server, sizes)) for ask in QUESTIONS], systems, rounds or sizes.rounds, progress)
