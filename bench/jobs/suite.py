"""The suite `jobs`: the questions of `queues`, put to job queues, and what more workers, history and snapshots change."""

from contextlib import nullcontext
from functools import partial

from rich.console import Console

from bench.harness import redis
from bench.harness.options import Options
from bench.harness.report import Samples
from bench.harness.rounds import ask_all
from bench.harness.server import Server
from bench.jobs import crowd, history, idle, snapshot
from bench.queues import enqueue, pickup, worker
from bench.queues.bench import FULL, QUICK, Bench
from bench.queues.systems import CELERY, JOBS, OUR_JOBS, settings_of

__all__ = ["OURS", "SYSTEMS", "run", "settings_of"]

OURS = OUR_JOBS
SYSTEMS = JOBS
LIMIT_S = 2400.0
ROUND_S = 1200.0
"""How long all rounds may take; if their number was asked for, so long for each."""
QUESTIONS = {
    "enqueue": enqueue.measure,
    "worker": worker.measure,
    "crowd": crowd.measure,
    "pickup": pickup.measure,
    "idle": idle.measure,
    "history": history.measure,
    "snapshot": snapshot.measure,
}


def run(server: Server, systems: list[str], progress: Console, options: Options) -> Samples:
    """Put the questions to every system that can be had."""
    sizes, rounds = QUICK if options.quick else FULL, options.rounds
    asked = [partial(QUESTIONS[name], Bench(server, sizes)) for name in options.questions or QUESTIONS]
    with redis.running(progress) if CELERY in systems else nullcontext(enter_result=False) as there:
        able = [name for name in systems if name != CELERY or there]
        return ask_all(asked, able, rounds or sizes.rounds, rounds * ROUND_S if rounds else LIMIT_S, progress)
