"""The suite `http`."""

from functools import partial

from rich.console import Console
from tools import nginx

from bench.harness.options import Options
from bench.harness.report import Samples
from bench.harness.rounds import ask_all
from bench.harness.server import Server
from bench.http import enqueue, gets, latency, memory
from bench.http.bench import FULL, OURS, QUICK, RAW, Bench

__all__ = ["NOTES", "OURS", "SYSTEMS", "run", "settings_of"]

SYSTEMS = [OURS, RAW]
LIMIT_S = 600.0
ROUND_S = 300.0
"""How long all rounds may take; if their number was asked for, so long for each."""
QUESTIONS = {"gets": gets.measure, "latency": latency.measure, "enqueue": enqueue.measure, "memory": memory.measure}
NOTES = (
    "pg_net 0.20.4 was measured at another time, on 2 busy cores; its tables do not survive a crash",
    "pg_net sends 190 requests/s as it comes, 800 with the highest batch_size with which none failed (1,000)",
    "pg_net answers after 15 ms, or a second later, if another request was committed within the same second",
    "pg_net enqueues 14,000 to 18,000 a second by one statement",
)
_SETTINGS = {
    OURS: "App.send_http() as it comes: 500 requests at once, 100 of them to one host; every answer and attempt in logged tables",
    RAW: "pycurl's multi interface, 100 at once over kept connections, each option set for each request; no database",
}


def run(server: Server, systems: list[str], progress: Console, options: Options) -> Samples:
    """Put the questions to both. Raises Unavailable where there is no nginx."""
    sizes, rounds = QUICK if options.quick else FULL, options.rounds
    with nginx.running() as site:
        asked = [partial(QUESTIONS[name], Bench(server, site, sizes)) for name in options.questions or QUESTIONS]
        return ask_all(asked, systems, rounds or sizes.rounds, rounds * ROUND_S if rounds else LIMIT_S, progress)


def settings_of(name: str) -> str:
    """What was chosen for it."""
    return _SETTINGS[name]
