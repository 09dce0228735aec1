"""Jobs that run in processes of their own."""

import asyncio
import os
import signal
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.jobs import work

from hanjul import App, Handle, InvalidSettings, Job, JobFailed
from hanjul.jobs import Jobs
from hanjul.model.errors import LeaseLost, Unavailable
from hanjul.model.job import TOLD
from hanjul.model.outcome import Ack, Release
from hanjul.runtime.processes import ProcessHandler


async def read_pid(file: Path) -> int:
    async with asyncio.timeout(30):
        while not file.exists() or not file.read_text():
            await asyncio.sleep(0.02)
    return int(file.read_text())


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(20):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.02)


async def until_dead(pid: int) -> None:
    """Until it has ended with all of its threads, though its parent has not looked after it yet."""
    process = Path(f"/proc/{pid}")
    async with asyncio.timeout(20):
        while (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z" or len(list((process / "task").iterdir())) > 1:
            await asyncio.sleep(0.02)


async def until_started(place: Path, count: int) -> list[int]:
    """The pids of that many processes of work.StartsSlowly."""
    async with asyncio.timeout(30):
        while len(files := list(place.glob("*.pid"))) < count:
            await asyncio.sleep(0.02)
    return [int(file.stem) for file in files]


def job_of(raw: str, error: Exception | None = None) -> Job[Any]:
    """A job in nobody's database; its progress meets the error."""

    def tell(_job: Job[Any], _fraction: float, _note: str | None) -> Awaitable[None]:
        if error is not None:
            raise error
        return TOLD

    return Job(
        "default", "1", kind="k", attempt=1, fence=1, max_retries=0, timeout_s=None, created_at=datetime.now(UTC), key=None,
        raw=raw, metadata=None, lease_until=float("inf"), tell=tell,
    )  # fmt: skip


async def failure(handle: Handle) -> str:
    with pytest.raises(JobFailed) as failed:
        await handle.result(timeout_s=30)
    return str(failed.value.error_message)


async def test_the_function_runs_in_another_process_and_its_result_comes_back(app: App) -> None:
    app.job("squares", executor="process")(work.sum_of_squares)
    app.job("coroutine", executor="process")(work.pid_of_a_coroutine)
    app.job("acks", executor="process")(work.acks)
    app.job_workers("default", concurrency=1)

    async with app:
        assert await (await app.jobs.enqueue("acks")).result(timeout_s=30) == [7]
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
        (work.fails_in_words_that_are_none, r"ValueError: a half \ud800"),
        (work.fails_without_words, "Mute: (RuntimeError in its text)"),
        (work.acks_no_text, "Ack(result) takes JSON text, not "),
        (work.rejects_in_words_that_are_none, r"nobody\0speaks \ud800"),
        (work.sum_of_squares, "Expected `int`, got `str`"),
    ],
    ids=["dies", "fails", "rejects", "no Unicode", "no text", "acks, no Unicode", "rejects, no Unicode", "wrong payload"],
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


async def test_a_job_that_is_cancelled_while_its_process_starts_does_not_run(app: App, tmp_path: Path) -> None:
    app.job("slow", executor="process")(work.StartsSlowly(tmp_path))
    app.job_workers("default", concurrency=1, lease_s=1)

    async with app:
        handle = await app.jobs.enqueue("slow")
        [pid] = await until_started(tmp_path, 1)
        assert await handle.cancel() == "processing"
        assert await failure(handle) == "cancelled on request"  # the gate is still shut: nobody has waited for it
        await until_gone(pid)

        (tmp_path / "gate").touch()
        await (await app.jobs.enqueue("slow", key="after")).result(timeout_s=30)

    assert len(await until_started(tmp_path, 2)) == 2


async def test_processes_start_side_by_side(app: App, tmp_path: Path) -> None:
    app.job("slow", executor="process")(work.StartsSlowly(tmp_path))
    app.job_workers("default", concurrency=2)

    async with app:
        handles = [await app.jobs.enqueue("slow") for _ in range(2)]
        pids = await until_started(tmp_path, 2)
        (tmp_path / "gate").touch()
        for handle in handles:
            await handle.result(timeout_s=30)

    for pid in pids:
        await until_gone(pid)


def test_a_job_that_was_given_up_before_its_thread_began_does_not_run(tmp_path: Path) -> None:
    handler, job = ProcessHandler(work.StartsSlowly(tmp_path)), job_of("null")

    handler.give_up(job)

    with pytest.raises(Release):
        handler.function(job)
    assert list(tmp_path.iterdir()) == []


async def test_a_process_that_was_killed_while_idle_costs_no_job_its_attempt(app: App) -> None:
    app.job("squares", executor="process", max_retries=0)(work.sum_of_squares)
    app.job_workers("default", concurrency=1)

    async with app:
        first = await (await app.jobs.enqueue("squares", 3)).result(timeout_s=30)
        os.kill(first["pid"], signal.SIGKILL)
        await until_dead(first["pid"])
        second = await (await app.jobs.enqueue("squares", 4)).result(timeout_s=30)

    assert second["sum"] == 14
    assert second["pid"] != first["pid"]
    await until_gone(first["pid"])


async def test_a_process_that_ends_while_it_starts_is_the_jobs_failure(app: App) -> None:
    app.job("k", executor="process", max_retries=0)(work.EndsAtStart())

    async with app:
        assert await failure(await app.jobs.enqueue("k")) == "its process ended: exit code 3, before it was ready"


async def test_a_process_that_works_while_its_handler_closes_ends_after_its_job(tmp_path: Path) -> None:
    handler = ProcessHandler(work.pid_when_told)
    running = asyncio.create_task(asyncio.to_thread(handler.function, job_of(f'{{"place": "{tmp_path}"}}')))
    pid = await read_pid(tmp_path / "pid")

    handler.close()
    (tmp_path / "go").touch()

    assert (await running).result == str(pid)
    await until_gone(pid)


async def test_progress_that_cannot_be_recorded_leaves_the_job_running(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    handler = ProcessHandler(work.with_progress)
    (tmp_path / "go").touch()

    outcome = await asyncio.to_thread(handler.function, job_of(f'{{"file": "{tmp_path / "go"}"}}', Unavailable("no server")))
    handler.close()

    assert isinstance(outcome, Ack)
    assert "progress is not recorded: no server" in caplog.text


async def test_progress_of_a_job_that_was_lost_ends_it(tmp_path: Path) -> None:
    handler = ProcessHandler(work.pid_then_progress)

    with pytest.raises(LeaseLost):
        await asyncio.to_thread(handler.function, job_of(f'{{"place": "{tmp_path}"}}', LeaseLost("default", "1", 1, 2)))

    await until_gone(await read_pid(tmp_path / "pid"))


def test_an_executor_that_does_not_exist_is_refused(app: App) -> None:
    with pytest.raises(InvalidSettings, match="executor must be 'here'"):
        app.job("k", executor="thread")(work.fails)  # type: ignore[arg-type]  # that is it


async def test_a_failure_leaves_the_process_to_the_next_job(app: App, jobs: Jobs) -> None:
    app.job("k", executor="process", max_retries=0)(work.fails_or_tells_its_pid)
    app.job_workers("default", concurrency=1)

    async with app:
        words = await failure(await jobs.enqueue("k", "fail"))
        pid = await (await jobs.enqueue("k", "tell")).result(timeout_s=30)

    assert words == f"ValueError: {pid}"
