"""A round of jobs: enqueued as fast as the workers are struck, then all of it drains, then it is looked at."""

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
TEND_S = 1.0
"""How often jobs of the dead are rescued, and counts added up."""
JOBS = """
    select id::text, key, queue, status, attempt, retry_count, max_retries, reason, payload, result from hanjul.job_queue
"""
THERE = "select queue, kind, status, count(*) from hanjul.job_queue group by 1, 2, 3 order by 1, 2, 3"


def play(
    stage: Stage,
    nursery: Nursery,
    directory: Path,
    *,
    jobs: int,
    kills: int,
    pace: Pace,
    drain_s: float = 120.0,
    prepare: Prepare | None = None,
    watch: Callable[[Counter[str]], None] = lambda _: None,
) -> Counter[str]:
    """Play until so many workers were killed over so many jobs; what is to be judged is in `directory` afterwards.

    drain_s: how long the workers may take for what is left.  prepare: what to change in the schema before.
    watch: is told all the time how often was struck, and how many jobs were enqueued. Returns the same.
    """
    directory.mkdir(parents=True)
    with stage.database(prepare) as dsn, Proxy(dsn) as link:
        company = Company(nursery, Scene(str(directory), dsn, "", ("jobs",)), link, cast=CAST)
        company.assemble()
        try:
            return _acts(company, Adversary(company, stage, pace), jobs, kills, drain_s, watch)
        finally:
            company.dismiss()


def _acts(
    company: Company, adversary: Adversary, jobs: int, kills: int, drain_s: float, watch: Callable[[Counter[str]], None]
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
    for _ in ticks(company, drain_s):
        keeper.tend(jobs)
        if keeper.is_done():
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
        self.enqueued = 0

    def tend(self, target: int) -> None:
        """Enqueue as many as there should be by now, at most a chunk; now and then, rescue and count."""
        with suppress(psycopg.OperationalError):
            conn = self._connected()
            if self.enqueued < target:
                upto = min(target, self.enqueued + CHUNK)
                conn.execute("select hanjul.enqueue_jobs(%s)", [json.dumps([job(n) for n in range(self.enqueued, upto)])])
                self.enqueued = upto
            if time.monotonic() > self._tend_at:
                conn.execute("select hanjul.rescue_stale_jobs(), hanjul.roll_up()")
                self._tend_at = time.monotonic() + TEND_S

    def is_done(self) -> bool:
        """Whether no job waits or runs."""
        with suppress(psycopg.OperationalError):
            return not self._connected().execute("select from hanjul.job limit 1").fetchall()
        return False

    def close(self) -> None:
        """Go."""
        if self._conn is not None:
            self._conn.close()

    def _connected(self) -> "psycopg.Connection[Any]":
        """A connection; a new one finds out what the lost one had still enqueued."""
        if self._conn is None or self._conn.closed or self._conn.broken:
            self._conn = psycopg.connect(self._dsn, autocommit=True, connect_timeout=2, application_name="keeper")
            [[known]] = self._conn.execute("select max(key::integer) from hanjul.job_queue")
            self.enqueued = 0 if known is None else known + 1
        return self._conn


def _final_state(conn: "psycopg.Connection[Any]") -> dict[str, Any]:
    names = ("id", "key", "queue", "status", "attempt", "retry_count", "max_retries", "reason", "payload", "result")
    return {
        "jobs": [dict(zip(names, row, strict=True)) for row in conn.execute(JOBS)],
        "there": conn.execute(THERE).fetchall(),
        "counted": conn.execute("select queue, kind, status, n from hanjul.job_counts()").fetchall(),
    }
