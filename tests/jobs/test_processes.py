"""Jobs that run in processes of their own."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from tests.jobs import work

from hanjul import App, Handle, InvalidSettings, JobFailed
from hanjul.jobs import Jobs


async def read_pid(file: Path) -> int:
    async with asyncio.timeout(30):
        while not file.exists() or not file.read_text():
            await asyncio.sleep(0.02)
    return int(file.read_text())


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(20):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.02)


async def failure(handle: Handle) -> str:
    with pytest.raises(JobFailed) as failed:
        await handle.result(timeout_s=30)
    return str(failed.value.error_message)


async def test_the_function_runs_in_another_process_and_its_result_comes_back(app: App) -> None:
    app.job("squares", executor="process")(work.sum_of_squares)
    app.job("coroutine", executor="process")(work.pid_of_a_coroutine)
    app.job_workers("default", concurrency=1)

    async with app:
        first, second = [await (await app.jobs.enqueue("squares", n)).result(timeout_s=30) for n in (3, 4)]
        pid = await (await app.jobs.enqueue("coroutine")).result(timeout_s=30)

    assert (first["sum"], second["sum"]) == (5, 14)
    assert first["pid"] == second["pid"]  # one child serves one job after the other
    assert os.getpid() not in {first["pid"], pid}
    await until_gone(first["pid"])


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (work.dies, "its process ended: SIGKILL"),
        (work.fails, "ValueError: no such word"),
        (work.rejects, "nobody speaks"),
        (work.sum_of_squares, "Expected `int`, got `str`"),
    ],
    ids=["dies", "fails", "rejects", "wrong payload"],
)
async def test_a_failure_there_is_the_jobs_failure(app: App, jobs: Jobs, function: Any, words: str) -> None:
    app.job("k", executor="process", max_retries=0)(function)
    app.job("after", executor="process")(work.sum_of_squares)

    async with app:
        handle = await jobs.enqueue("k", "text")  # this client does not know of which type the payload must be
        assert words in await failure(handle)
        assert (await (await app.jobs.enqueue("after", 2)).result(timeout_s=30))["sum"] == 1


async def test_progress_is_seen_while_it_runs(app: App, tmp_path: Path) -> None:
    app.job("pages", executor="process")(work.with_progress)

    async with app:
        handle = await app.jobs.enqueue("pages", {"file": str(tmp_path / "go")})
        async with asyncio.timeout(30):
            while (record := await handle.get()).progress is None:
                await asyncio.sleep(0.02)
        (tmp_path / "go").touch()
        await handle.result(timeout_s=30)

    assert (record.progress, record.progress_note) == (pytest.approx(0.4), "page 3 of 8")


async def test_a_job_that_takes_too_long_is_stopped_and_its_process_with_it(app: App, tmp_path: Path) -> None:
    app.job("busy", executor="process", timeout_s=3, max_retries=0)(work.busy_for_ever)

    async with app:
        handle = await app.jobs.enqueue("busy", {"file": str(tmp_path / "pid")})
        pid = await read_pid(tmp_path / "pid")
        assert await failure(handle) == "timeout: the handler took longer than 3 s"
        await until_gone(pid)


async def test_a_job_that_is_cancelled_is_stopped_and_its_process_with_it(app: App, tmp_path: Path) -> None:
    app.job("busy", executor="process")(work.busy_for_ever)
    app.job_workers("default", lease_s=1)

    async with app:
        handle = await app.jobs.enqueue("busy", {"file": str(tmp_path / "pid")})
        pid = await read_pid(tmp_path / "pid")
        assert await handle.cancel() == "processing"
        assert await failure(handle) == "cancelled on request"
        await until_gone(pid)


async def test_a_busy_process_neither_blocks_the_loop_nor_loses_its_lease(app: App, tmp_path: Path) -> None:
    app.job("pages", executor="process")(work.with_progress)
    app.job_workers("default", lease_s=0.6)

    async with app:
        handle = await app.jobs.enqueue("pages", {"file": str(tmp_path / "go")})
        async with asyncio.timeout(30):
            while (await handle.get()).progress is None:
                await asyncio.sleep(0.02)
        await asyncio.sleep(1.5)
        (tmp_path / "go").touch()
        await handle.result(timeout_s=30)

    assert (await asyncio.to_thread(lambda: app.consumers[0].counts.acked)) == 1


def test_an_executor_that_does_not_exist_is_refused(app: App) -> None:
    with pytest.raises(InvalidSettings, match="executor must be 'here'"):
        app.job("k", executor="thread")(work.fails)  # type: ignore[arg-type]  # that is it
