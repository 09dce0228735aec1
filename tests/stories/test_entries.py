"""One application in YAML, as the issue writes it, on memory and on postgres: only the driver's entry differs."""

import asyncio
import signal
import sys
from pathlib import Path
from subprocess import PIPE, STDOUT, Popen

import pytest

import hanjul

DECLARED = """\
version: "1.0"
namespace: app.queue
entries:
  - {name: memory_driver, kind: queue.driver.memory, lifecycle: {auto_start: true}}
  - {name: tasks, kind: queue.queue, driver: app.queue:memory_driver}
  - {name: task_handler, kind: function.python, source: file://task_handler.py}
  - {name: task_consumer, kind: queue.consumer, queue: app.queue:tasks, func: app.queue:task_handler, concurrency: 4, prefetch: 20, lifecycle: {auto_start: true, depends_on: [app.queue:tasks]}}
"""  # noqa: E501
ON_POSTGRES = DECLARED.replace("kind: queue.driver.memory,", 'kind: queue.driver.postgres, dsn: "${env:DATABASE_URL}",')

HANDLER = """
import asyncio
import hanjul

handled, failed, most = [], set(), [0, 0]

async def main(task: dict) -> None:
    most[0] += 1
    most[1] = max(most)
    try:
        await asyncio.sleep(0.002)
        if task["n"] % 10 == 0 and task["n"] not in failed:
            failed.add(task["n"])
            raise RuntimeError("the first time it fails")
        if task.get("poison"):
            raise hanjul.Reject("poison")
        handled.append(task["n"])
        print("handled", task["n"], flush=True)
    finally:
        most[0] -= 1
"""


def declare(directory: Path, entries: str) -> Path:
    app = directory / "app"
    app.mkdir()
    (app / "_index.yaml").write_text(entries)
    (app / "task_handler.py").write_text(HANDLER)
    return app


@pytest.mark.parametrize("driver", ["memory", "postgres"])
async def test_an_app_of_entries_delivers_retries_and_dead_letters_alike_on_each_driver(
    driver: str, dsn: str, tmp_path: Path
) -> None:
    quick = ", retry: {initial_delay: 1ms, max_delay: 1ms}}"
    entries = (DECLARED if driver == "memory" else ON_POSTGRES).replace(
        "app.queue:memory_driver}", "app.queue:memory_driver" + quick
    )
    app = hanjul.load_app(declare(tmp_path, entries), environment={"DATABASE_URL": dsn})
    module = sys.modules["hanjul_entries.app.queue.task_handler"]

    async with app:
        send = app.queues.send if app.memory is None else app.memory.send
        for n in range(100):
            await send("tasks", {"n": n})
        await send("tasks", {"n": 101, "poison": True})
        async with asyncio.timeout(30):
            while sum(consumer.counts.acked + consumer.counts.rejected for consumer in app.consumers) < 101:
                await asyncio.sleep(0.01)

    [consumer] = app.consumers
    assert sorted(module.handled) == list(range(100))
    assert module.most[1] == 4
    assert (consumer.counts.acked, consumer.counts.nacked, consumer.counts.rejected) == (100, 10, 1)
    assert (consumer.spec.concurrency, consumer.spec.prefetch) == (4, 20)


@pytest.mark.parametrize("command", ["up", "worker"])
def test_the_command_line_runs_a_directory_of_entries(command: str, dsn: str, tmp_path: Path) -> None:
    app = declare(tmp_path, ON_POSTGRES)
    with hanjul.connect_sync(dsn) as queues:
        queues.create("tasks")
        queues.send("tasks", {"n": 7})
    environment = {"DATABASE_URL": dsn, "HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error"}
    arguments = [command, f"{app}/", *(["--no-api"] if command == "up" else [])]

    process = Popen(
        [sys.executable, "-m", "hanjul", *arguments], env=environment, cwd=tmp_path, text=True, stdout=PIPE, stderr=STDOUT
    )
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any(line == "handled 7\n" for line in lines)
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=15)
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 0
    assert "acked=1" in rest


async def test_decorators_add_to_what_yaml_declares(tmp_path: Path) -> None:
    app = hanjul.load_app(declare(tmp_path, DECLARED))
    seen: list[object] = []

    @app.consumer("more")
    async def more(body: str) -> None:
        seen.append(body)

    async with app:
        assert app.memory is not None
        await app.memory.send("more", "x")
        async with asyncio.timeout(10):
            while not seen:
                await asyncio.sleep(0.01)

    assert [spec.queue for spec in app.specs] == ["tasks", "more"]


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ("", "standard"),
        ("driver_options: {postgres: {unlogged: true}}", "unlogged"),
        ("options: {partitioned: true}", "partitioned"),
    ],
)
async def test_a_queue_is_made_at_the_start_as_it_is_declared(dsn: str, tmp_path: Path, more: str, kind: str) -> None:
    queue = f"app.queue:memory_driver, queue_name: errands, {more}}}".replace(", }", "}")
    entries = ON_POSTGRES.replace("app.queue:memory_driver}", queue)
    app = hanjul.load_app(declare(tmp_path, entries), environment={"DATABASE_URL": dsn})

    for _ in range(2):  # a second start finds it
        async with app:
            [found] = await app.queues.list()

    assert found.queue_name == "errands"
    assert (found.is_partitioned, found.is_unlogged) == (kind == "partitioned", kind == "unlogged")


async def test_a_queue_that_must_be_there_and_is_not_is_named(dsn: str, tmp_path: Path) -> None:
    entries = ON_POSTGRES.replace("app.queue:memory_driver}", "app.queue:memory_driver, declare: verify}")
    app = hanjul.load_app(declare(tmp_path, entries), environment={"DATABASE_URL": dsn})

    with pytest.raises(hanjul.QueueNotFound, match="'tasks'"):
        await app.start()


def test_what_is_declared_is_what_the_loop_is_told(tmp_path: Path) -> None:
    entries = (
        ON_POSTGRES.replace(
            "app.queue:memory_driver}",
            "app.queue:memory_driver, visibility_timeout: 45s, ordering: {by: x-pgmq-group}, dead_letter: {max_attempts: 6}, "
            "retry: {initial_delay: 2s, max_delay: 10m, jitter: 0}}",
        )
        .replace("prefetch: 20,", "prefetch: 20, timeout: 30s,")
        .replace("auto_start: true, dep", "auto_start: true, stop_timeout: 40s, dep")
    )
    entries = entries.replace("dsn:", "archive: on_ack, pool: {max: 7}, listen: false, poll_interval: 2s, dsn:")

    app = hanjul.load_app(declare(tmp_path, entries), environment={"DATABASE_URL": "postgresql://h/d"})

    [spec] = app.specs
    assert (spec.lease_s, spec.timeout_s, spec.stop_timeout_s, spec.archive, spec.ordered) == (45, 30, 40, True, True)
    assert [spec.retry.delay_s(n) for n in (1, 2, 20)] == [2, 4, 600]
    assert spec.retry.max_attempts == 6
    assert app.settings is not None
    assert (app.settings.database_url, app.settings.max_connections) == ("postgresql://h/d", 7)
    assert (app.settings.listen, app.settings.poll_interval_s) == (False, 2)


def test_without_dead_letters_attempts_have_no_end_and_in_memory_no_wait(tmp_path: Path) -> None:
    [spec] = hanjul.load_app(declare(tmp_path, DECLARED)).specs

    assert spec.retry.max_attempts == 2**31 - 1
    assert [spec.retry.delay_s(n) for n in (1, 2, 3)] == [0, 0.1, 0.1]
