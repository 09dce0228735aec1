"""What ships for tests of applications that have jobs."""

from dataclasses import dataclass
from typing import Any

import pytest

from hanjul import App, InvalidSettings, Job, Retry, Unique
from hanjul.jobs import Jobs
from hanjul.testing import assert_enqueued, move_time, run_jobs


async def test_what_is_due_runs_with_what_it_enqueues_and_is_returned_in_its_order(app: App, jobs: Jobs) -> None:
    ran = []

    @app.job("first")
    async def first(payload: Any) -> str:
        ran.append("first")
        await app.jobs.enqueue("second", payload)
        return "done"

    @app.job("second", queue="other")
    def second(job: Job[Any]) -> None:
        ran.append(f"second {job.payload}")

    await jobs.enqueue("first", 7)
    later = await jobs.enqueue("second", 8, delay=60)

    records = await run_jobs(app)

    assert ran == ["first", "second 7"]
    assert [(record.kind, record.status, record.result) for record in records] == [
        ("first", "completed", "done"),
        ("second", "completed", None),
    ]
    assert (await later.get()).status == "pending"
    assert await run_jobs(app) == []


async def test_a_job_that_fails_is_told_and_runs_again_when_its_time_has_come(app: App, jobs: Jobs) -> None:
    @app.job("mail", retry=Retry(base_s=60))
    async def mail(job: Job[Any]) -> None:
        if job.attempt == 1:
            raise ConnectionError("no route")

    await jobs.enqueue("mail")

    [failed] = await run_jobs(app)
    assert (failed.status, failed.error_message) == ("pending", "ConnectionError: no route")
    assert await run_jobs(app) == []

    await move_time(jobs._database, 120)
    [completed] = await run_jobs(app)
    assert completed.status == "completed"


async def test_time_passes_for_leases_and_unique_keys_too(app: App, jobs: Jobs) -> None:
    unique = Unique(key="k", for_s=60, over=("pending", "processing", "completed"))

    @app.job("mail", unique=unique)
    async def mail(_payload: Any) -> None: ...

    first = await jobs.enqueue("mail", unique=unique)
    async with jobs._database.transaction() as conn:
        await conn.execute("select hanjul.fetch_next_job('w', lease_s => 50)")

    await move_time(jobs._database, 55)
    [record] = await run_jobs(app)
    assert (record.id, record.retry_count) == (first.id, 1)
    assert (await jobs.enqueue("mail", unique=unique)).id == first.id

    await move_time(jobs._database, 6)
    assert (await jobs.enqueue("mail", unique=unique)).id != first.id


@dataclass
class Mail:
    to: str


async def test_jobs_that_were_enqueued_are_found_by_all_that_is_said(jobs: Jobs) -> None:
    await jobs.enqueue("mail", {"to": "ada"}, queue="slow", key="k")
    await jobs.enqueue("mail", {"to": "bob"})

    assert len(await assert_enqueued(jobs, "mail")) == 2
    [job] = await assert_enqueued(jobs, "mail", {"to": "ada"}, queue="slow", key="k", count=1)
    assert job.payload == {"to": "ada"}
    await assert_enqueued(jobs, "mail", Mail("ada"), count=1)
    await assert_enqueued(jobs, "print", count=0)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("print", {}),
        ("mail", {"payload": {"to": "eve"}}),
        ("mail", {"queue": "slow"}),
        ("mail", {"key": "k"}),
        ("mail", {"count": 2}),
        ("mail", {"count": 0}),
    ],
)
async def test_a_job_that_was_not_enqueued_is_missed_and_what_was_is_told(jobs: Jobs, kind: str, asked: dict[str, Any]) -> None:
    await jobs.enqueue("mail", {"to": "ada"})

    with pytest.raises(AssertionError, match=r"mail \{'to': 'ada'\}, queue 'default', key None"):
        await assert_enqueued(jobs, kind, **asked)


async def test_an_app_that_runs_or_has_no_jobs_is_refused(app: App) -> None:
    with pytest.raises(InvalidSettings, match="declares no jobs"):
        await run_jobs(app)

    @app.job("mail")
    async def mail(_payload: Any) -> None: ...

    async with app:
        with pytest.raises(InvalidSettings, match="this app runs"):
            await run_jobs(app)
