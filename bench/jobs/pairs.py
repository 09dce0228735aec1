"""Two databases of one system, asked in turn: what differs between them is not the minute in which they were measured."""

from statistics import median

from bench.queues import worker
from bench.queues.bench import Bench, Installed

TURNS = 3


def rates(bench: Bench, plain: Installed, changed: Installed) -> tuple[float, float]:
    """Messages a second that one worker handles of each: the medians."""
    found = [(worker.drain(bench, plain)[worker.RATE], worker.drain(bench, changed)[worker.RATE]) for _ in range(TURNS)]
    return median(rate for rate, _ in found), median(rate for _, rate in found)
