"""Jobs are a source of the loop like any other: they pass the suite of the drivers, but for what they do not have."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from hanjul.drivers.jobs import JobSource
from hanjul.drivers.postgres import PostgresDriver
from hanjul.jobs import Jobs
from hanjul.model.outcome import Ack
from hanjul.postgres import Database
from hanjul.testing.driver_suite import (
    QUEUE,
    Attempts,
    Dead,
    Flow,
    Grouping,
    Harness,
    Leases,
    Limits,
    Outcomes,
    Settlement,
    Stopping,
    consuming,
)
from hanjul.testing.handlers import Recorder
from hanjul.testing.waiting import until


class JobHarness:
    def __init__(self, driver: PostgresDriver, jobs: Jobs) -> None:
        self.driver, self.jobs = driver, jobs

    async def create(self, queue: str) -> None:
        pass

    async def send(self, queue: str, body: object, *, headers: dict[str, Any] | None = None, delay_s: float = 0.0) -> object:
        return await self.jobs.enqueue("k", body, queue=queue, metadata=headers, delay=delay_s, max_retries=100)

    def source(self, queue: str, *, ordered: bool = False, topics: Any = ()) -> JobSource:
        return JobSource(self.driver, {queue: 1}, worker_id="suite")

    async def size(self, queue: str) -> int:
        return sum(count.n for count in await self.jobs.counts() if count.status in {"pending", "processing"})

    async def dead_letters(self, queue: str) -> list[Dead]:
        return [
            Dead(job.payload, job.retry_count + 1, job.reason or "", job.error_message or "")
            for job in await self.jobs.list("failed")
        ]

    async def redrive(self, queue: str) -> int:
        failed = await self.jobs.list("failed")
        for job in failed:
            await self.jobs.retry(job.id)
        return len(failed)


@pytest.fixture(params=[True, False], ids=["listening", "polling"])
async def harness(dsn: str, request: pytest.FixtureRequest) -> AsyncIterator[JobHarness]:
    async with Jobs(Database(dsn)) as jobs:
        driver = PostgresDriver(jobs._database, jobs._database, listen_url=dsn if request.param else None)
        yield JobHarness(driver, jobs)
        await driver.close()


class TestJobs(Attempts, Flow, Grouping, Leases, Limits, Outcomes, Settlement, Stopping):
    """All but Order and Topics, which jobs do not have and say so."""

    async def test_a_queue_that_does_not_exist_is_refused_at_the_start(self, harness: Harness) -> None:
        """Queues of jobs need not be made: one that nobody has used yet is waited for."""
        handler = Recorder()

        async with consuming(harness.source(QUEUE), handler):
            await harness.send(QUEUE, 1)
            await until(lambda: handler.seen)

    @pytest.mark.parametrize("at", range(5))
    async def test_a_result_that_cannot_be_stored_keeps_no_other_from_its_own(self, harness: JobHarness, at: int) -> None:
        handles = [await harness.jobs.enqueue("k", number, queue=QUEUE) for number in range(5)]
        source = harness.source(QUEUE)
        await source.open()
        jobs = await source.fetch(5, 30)

        refused = await source.settle([(job, Ack(r'"a\u0000b"' if job.id == str(handles[at].id) else job.raw)) for job in jobs])

        records = [await handle.get() for handle in handles]
        odd = records.pop(at)
        assert refused == []
        assert [(record.status, record.result) for record in records] == [("completed", n) for n in range(5) if n != at]
        assert (odd.status, odd.attempt, odd.retry_count) == ("pending", 1, 1)
        assert "InvalidMessage: the result cannot be stored" in (odd.error_message or "")

    async def test_large_results_are_stored_one_by_one(self, harness: JobHarness, dsn: str) -> None:
        """Together they would take longer than an answer may take, however often they are sent."""
        handles = [await harness.jobs.enqueue("k", number, queue=QUEUE) for number in range(4)]
        source = harness.source(QUEUE)
        await source.open()
        jobs = await source.fetch(4, 30)
        large = f'"{"x" * (3 << 20)}"'

        assert await source.settle([(job, Ack(large if index else "1")) for index, job in enumerate(jobs)]) == []

        assert {(await handle.get()).status for handle in handles} == {"completed"}
        async with await psycopg.AsyncConnection.connect(dsn) as conn:
            commits = await (await conn.execute("select count(distinct xmin::text) from hanjul.job_history")).fetchone()
        assert commits == (3,)

    async def test_to_settle_it_again_because_the_answer_was_lost_changes_nothing(self, harness: JobHarness) -> None:
        handle = await harness.jobs.enqueue("k", 1, queue=QUEUE)
        source = harness.source(QUEUE)
        await source.open()
        [job] = await source.fetch(1, 30)
        await source.settle([(job, Ack(r'"\u0000"'))])
        once = await handle.get()

        refused = await source.settle([(job, Ack(r'"\u0000"'))])

        assert (refused, await handle.get()) == ([], once)
