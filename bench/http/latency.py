"""How long does a request wait for a sender that has nothing else to do?"""

import random
import time
from statistics import quantiles
from typing import Any

import psycopg

from bench.harness.processes import ChildFailed
from bench.harness.report import Figure, Goal
from bench.http.bench import OURS, Bench

LEAVES_P50 = Figure("commit to arrival at the server, p50", "ms", more_is_better=False, goal=Goal(number=20))
LEAVES_P99 = Figure("commit to arrival at the server, p99", "ms", more_is_better=False)
ANSWER_P50 = Figure("commit to visible answer, p50", "ms", more_is_better=False)
ANSWER_P99 = Figure("commit to visible answer, p99", "ms", more_is_better=False)

SETTLE_S = 3.0
"""For a sender to start and to find that there is nothing to do."""
PAUSE_S = (0.02, 0.06)
LOOK_S = 0.0005
LONGEST_S = 10.0


def measure(bench: Bench, name: str) -> dict[Figure, float]:
    """From just before COMMIT is sent; when it arrived, nginx says in its answer, to the millisecond."""
    if name != OURS:
        return {}
    with bench.installed() as dsn, bench.sending(dsn) as sender, psycopg.connect(dsn) as sql:
        time.sleep(SETTLE_S)
        pauses = random.Random(5)
        waits = []
        for _ in range(bench.sizes.waits + 5):
            time.sleep(pauses.uniform(*PAUSE_S))
            sender.check()
            waits.append(_one(sql, bench.site.url("/now")))
    leaves, answers = (quantiles(some, n=100, method="inclusive") for some in zip(*waits[5:], strict=True))
    return {LEAVES_P50: leaves[49], LEAVES_P99: leaves[98], ANSWER_P50: answers[49], ANSWER_P99: answers[98]}


def _one(sql: psycopg.Connection[Any], url: str) -> tuple[float, float]:
    """Milliseconds until it arrives, and until its answer is there."""
    [(request,)] = sql.execute("select net.http_get(%s)", [url]).fetchall()
    began = time.time()
    sql.commit()
    while time.time() - began < LONGEST_S:
        found = sql.execute("select content from net._http_response where id = %s", [request]).fetchall()
        seen = time.time()
        sql.commit()
        if found:
            return max(0.0, float(found[0][0]) - began) * 1000, (seen - began) * 1000
        time.sleep(LOOK_S)
    raise ChildFailed(f"no answer within {LONGEST_S:g} s")
