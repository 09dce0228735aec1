"""Workers are seen while they live, and told of when a job does not run."""

import asyncio
import os
import socket
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from hanjul import App, BadInput, JobNotFound, JobsSync, Settings
from hanjul.drivers.presence import Presence, Worker
from hanjul.jobs import Jobs
from hanjul.postgres import Database
from hanjul.postgres.database_sync import DatabaseSync
from hanjul.testing.waiting import until

NOBODY = "01900000-0000-7000-8000-000000000000"


async def seen(jobs: Jobs) -> Any:
    """The one worker there is, as soon as it is seen."""
    async with asyncio.timeout(20):
        while not (workers := await jobs.workers()):
            await asyncio.sleep(0.002)
    [worker] = workers
    return worker


async def test_a_process_is_seen_with_all_that_it_works_on_until_it_stops(app: App, jobs: Jobs) -> None:
    @app.job("mail")
    async def mail(_payload: Any) -> None: ...

    @app.job("print", queue="slow")
    async def print_(_payload: Any) -> None: ...

    app.job_workers({"slow": 1, "slower": 2}, concurrency=3)

    async with app:
        worker = await seen(jobs)

    assert (worker.id, worker.host, worker.pid, worker.live) == ("w1", socket.gethostname(), os.getpid(), True)
    assert (worker.queues, worker.kinds, worker.concurrency) == (["slow", "slower", "default"], ["mail", "print"], 13)
    assert await jobs.workers() == []


async def test_a_process_that_works_on_no_queue_is_no_worker(app: App, jobs: Jobs) -> None:
    app.schedule("@daily", "report")

    async with app:
        assert await jobs.workers() == []


async def test_workers_have_names_of_their_own_and_jobs_tell_them(dsn: str, jobs: Jobs) -> None:
    app = App(config=Settings(database_url=dsn))
    ran = []

    @app.job("mail")
    async def mail(_payload: Any) -> None:
        ran.append(1)

    handle = await jobs.enqueue("mail")
    async with app:
        worker = await seen(jobs)
        await handle.result(timeout_s=20)

    assert (await handle.get()).worker_id == worker.id


async def test_a_worker_that_cannot_say_that_it_lives_goes_on_and_says_so_once(
    dsn: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hanjul.drivers.presence.LISTENING_BEAT_S", 0.01)
    async with Database(dsn) as database, Jobs(Database(dsn)) as jobs:
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("alter table hanjul.worker rename to elsewhere")
            presence = Presence(database, Worker("w1", ["default"], ["mail"], 1), listening=lambda: True)
            presence.open()
            await until(lambda: caplog.records)
            conn.execute("alter table hanjul.elsewhere rename to worker")
        await seen(jobs)
        await presence.close()

    assert [record.name for record in caplog.records] == ["hanjul.jobs"]
    assert "worker w1 is not seen by others" in caplog.text


async def test_a_job_is_explained(jobs: Jobs) -> None:
    handle = await jobs.enqueue("mail", delay=60)

    causes = await handle.explain()

    assert [cause.cause for cause in causes] == ["not_due", "no_worker"]
    assert causes == await jobs.explain(str(handle.id))
    assert causes[0].until == (await handle.get()).run_at


async def test_a_job_that_is_not_there_cannot_be_explained(jobs: Jobs) -> None:
    with pytest.raises(JobNotFound):
        await jobs.explain(NOBODY)
    with pytest.raises(BadInput, match="a job's id is a UUID"):
        await jobs.explain("7")


def test_the_twin_rescues_and_prunes(dsn: str) -> None:
    with JobsSync(DatabaseSync(dsn)) as jobs, psycopg.connect(dsn, autocommit=True) as conn:
        stale = jobs.enqueue("mail", max_retries=0)
        conn.execute("select hanjul.fetch_next_job('w1'); update hanjul.job set leased_until = now()")

        assert (jobs.rescue(), stale.get().status) == (1, "failed")

        conn.execute("select hanjul._make_day('2020-02-28'), hanjul._make_day('2020-02-29')")
        assert jobs.prune(timedelta(days=1)) == 2
        assert jobs.prune(timedelta(0)) == 0  # no day is over
        with pytest.raises(JobNotFound):
            stale.explain()
        with pytest.raises(BadInput, match="older_than must not be negative"):
            jobs.prune(timedelta(days=-1))
        with pytest.raises(BadInput, match="older_than must be a timedelta"):
            jobs.prune(30)  # type: ignore[arg-type]
