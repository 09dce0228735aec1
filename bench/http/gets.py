"""How many GETs a second, from a backlog of rows to answers that are stored; beside libcurl alone."""

import time

import psycopg

from bench.harness import processes
from bench.harness.processes import Child, ChildFailed
from bench.harness.report import Figure, Goal
from bench.http.bench import CHILD, OURS, Bench, all_answered

RATE = Figure("GETs, stored answers", "requests/s", goal=Goal(number=3000, ratio=0.4))
SENDER_CPU = Figure("sender CPU per 10,000", "s", more_is_better=False)
SERVER_CPU = Figure("server CPU per 10,000", "s", more_is_better=False)

AT_ONCE = 100
"""As many as ours sends to one host at once."""
START_S = 20.0
LONGEST_S = 120.0
LOOK_S = 0.005


def measure(bench: Bench, name: str) -> dict[Figure, float]:
    """From the moment in which the first request arrives until the last answer can be seen in the database."""
    count = bench.sizes.gets
    if name != OURS:
        told = processes.ask(CHILD, "raw", bench.site.url("/small"), str(count), str(AT_ONCE), env={})
        seconds, cpu_s = map(float, told.split())
        return {RATE: count / seconds, SENDER_CPU: cpu_s / count * 10_000}
    with bench.installed() as dsn:
        bench.enqueue(dsn, "/small", count)
        bench.server.tidy(dsn)
        first = bench.site.status()["requests"]
        with bench.sending(dsn) as sender:
            _until_it_begins(bench, sender, first)
            began, sender_before, server_before = time.monotonic(), sender.usage(), bench.server.usage()
            until_all_have_ended(dsn, sender)
            seconds, sender_after, server_after = time.monotonic() - began, sender.usage(), bench.server.usage()
        all_answered(dsn, count)
    return {
        RATE: count / seconds,
        SENDER_CPU: (sender_after.cpu_s - sender_before.cpu_s) / count * 10_000,
        SERVER_CPU: (server_after.cpu_s - server_before.cpu_s) / count * 10_000,
    }


def until_all_have_ended(dsn: str, sender: Child) -> None:
    """Wait until no request waits. Raises ChildFailed if that takes too long."""
    end = time.monotonic() + LONGEST_S
    with psycopg.connect(dsn, autocommit=True) as sql:
        while sql.execute(
            "select from net.http_request_queue where finished is null order by next_attempt_at, id limit 1"
        ).fetchall():
            sender.check()
            if time.monotonic() > end:
                raise ChildFailed(f"not all answered within {LONGEST_S:g} s")
            time.sleep(LOOK_S)


def _until_it_begins(bench: Bench, sender: Child, before: int) -> None:
    """Each look is a request, too."""
    looks, end = 1, time.monotonic() + START_S
    while bench.site.status()["requests"] - before <= looks:
        sender.check()
        if time.monotonic() > end:
            raise ChildFailed(f"nothing was sent within {START_S:g} s")
        looks += 1
        time.sleep(LOOK_S)
