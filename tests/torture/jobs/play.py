"""A round of jobs: enqueued as the workers are struck and get on, then all of it drains, then it is looked at."""

import json
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from tests.proxy import Proxy
from tests.torture.adversary import Adversary, Company, Pace
from tests.torture.jobs.worker import job
from tests.torture.nursery import Nursery
from tests.torture.rounds import Prepare, connected, ticks
from tests.torture.scene import Scene
from tests.torture.stage import Stage, left_behind, save

CAST = {"job worker": (8, ("jobs",))}
CHUNK = 500
"""Jobs that are enqueued at once."""
BACKLOG = 3000
"""While so many wait or run, no more are enqueued."""
TEND_S = 1.0
"""How often jobs of the dead are rescued, counts added up, and what is left is counted."""
JOBS = """
    select id::text, key, queue, status, attempt, retry_count, max_retries, reason, payload, result from hanjul.job_queue
"""
KNOWN = "select coalesce(max(key::integer) + 1, 0), count(*) filter (where completed_at is null) from hanjul.job_queue"
THERE = "select queue, kind, status, count(*) from hanjul.job_queue group by 1, 2, 3 order by 1, 2, 3"


def play(
    stage: Stage,
    nursery: Nursery,
    directory: Path,
    *,
    jobs: int,
    kills: int,
    pace: Pace,
    patience_s: float = 60.0,
    prepare: Prepare | None = None,
    watch: Callable[[Counter[str]], None] = lambda _: None,
) -> Counter[str]:
    """Play until so many workers were killed over so many jobs; what is to be judged is in `directory` afterwards.

    patience_s: how long the workers may take for what is left without that a job ends.
    prepare: what to change in the schema before.
    watch: is told all the time how often was struck, and how many jobs were enqueued. Returns the same.
    """
    directory.mkdir(parents=True)
    with stage.database(prepare) as dsn, Proxy(dsn) as link:
        company = Company(nursery, Scene(str(directory), dsn, "", ("jobs",)), link, cast=CAST)
        company.assemble()
        try:
            return _acts(company, Adversary(company, stage, pace), jobs, kills, patience_s, watch)
        finally:
            company.dismiss()


def _acts(
    company: Company, adversary: Adversary, jobs: int, kills: int, patience_s: float, watch: Callable[[Counter[str]], None]
) -> Counter[str]:
    keeper, struck = Keeper(company.scene.dsn), adversary.count
    for _ in ticks(company, float("inf")):
        adversary.strike()
        keeper.tend(min(jobs, CHUNK + jobs * struck["kills"] // kills))
        watch(struck | Counter(jobs=keeper.enqueued))
        if struck["kills"] >= kills and keeper.enqueued == jobs:
            break
    adversary.heal()
    company.thaw(all_of_them=True)
    patience, left = time.monotonic() + patience_s, jobs
    for _ in ticks(company, float("inf")):
        keeper.tend(jobs)
        if keeper.left < left:
            patience, left = time.monotonic() + patience_s, keeper.left
        if left == 0 or time.monotonic() > patience:
            break
    keeper.close()
    company.dismiss()
    with connected(company.scene.dsn) as conn:
        save(Path(company.scene.directory), {"enqueued": jobs, **_final_state(conn), "left": left_behind(conn)})
    struck["kills"] += company.deaths
    return struck


class Keeper:
    """Enqueues, each job once, whatever becomes of the connection; and keeps house."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: psycopg.Connection[Any] | None = None
        self._tend_at = 0.0
        self.enqueued = self.left = 0

    def tend(self, target: int) -> None:
        """Enqueue as many as there should be by now, a chunk at once, while few wait; now and then, rescue, count and look."""
        with suppress(psycopg.OperationalError):
            conn = self._connected()
            if self.enqueued < target and self.left < BACKLOG:
                upto = min(target, self.enqueued + CHUNK)
                conn.execute("select hanjul.enqueue_jobs(%s)", [json.dumps([job(n) for n in range(self.enqueued, upto)])])
                self.left += upto - self.enqueued
                self.enqueued = upto
            if time.monotonic() > self._tend_at:
                conn.execute("select hanjul.rescue_stale_jobs(), hanjul.roll_up()")
                [[self.left]] = conn.execute("select count(*) from hanjul.job")
                self._tend_at = time.monotonic() + TEND_S

    def close(self) -> None:
        """Go."""
        if self._conn is not None:
            self._conn.close()

    def _connected(self) -> "psycopg.Connection[Any]":
        """A connection; a new one finds out what the lost one had still enqueued."""
        if self._conn is None or self._conn.closed or self._conn.broken:
            self._conn = psycopg.connect(self._dsn, autocommit=True, connect_timeout=2, application_name="keeper")
            [[self.enqueued, self.left]] = self._conn.execute(KNOWN)
        return self._conn


def _final_state(conn: "psycopg.Connection[Any]") -> dict[str, Any]:
    names = ("id", "key", "queue", "status", "attempt", "retry_count", "max_retries", "reason", "payload", "result")
    return {
        "jobs": [dict(zip(names, row, strict=True)) for row in conn.execute(JOBS)],
        "there": conn.execute(THERE).fetchall(),
        "counted": conn.execute("select queue, kind, status, n from hanjul.job_counts()").fetchall(),
    }
