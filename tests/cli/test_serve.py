"""hanjul worker and up: processes that stay, and how they stop."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess, Popen

import pytest

import hanjul

Run = Callable[..., CompletedProcess[str]]

TASKS = """
import asyncio, pathlib
import hanjul

app = hanjul.App()
not_an_app = 1


@app.consumer("mail", concurrency=2, stop_timeout_s=1.0)
async def handle(seconds: float) -> None:
    with open("handled", "a") as file:
        print("started", seconds, file=file, flush=True)
        await asyncio.sleep(seconds)
        print("finished", seconds, file=file, flush=True)
"""


@pytest.fixture
def queues(dsn: str, tmp_path: Path) -> Iterator[hanjul.QueuesSync]:
    (tmp_path / "tasks.py").write_text(TASKS)
    with hanjul.connect_sync(dsn) as queues:
        queues.create("mail")
        yield queues


@contextmanager
def worker(environment: dict[str, str], directory: Path, *arguments: str) -> Iterator["Popen[str]"]:
    command = [sys.executable, "-m", "hanjul", *(arguments or ("worker", "tasks:app"))]
    process = Popen(command, env=environment, cwd=directory, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def handled(directory: Path) -> str:
    file = directory / "handled"
    return file.read_text() if file.exists() else ""


def test_a_worker_handles_messages_and_ends_with_0_on_sigterm(
    queues: hanjul.QueuesSync, environment: dict[str, str], tmp_path: Path
) -> None:
    queues.send("mail", 0.0)

    with worker(environment, tmp_path) as process:
        until(lambda: "finished" in handled(tmp_path))
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=15)

    assert process.returncode == 0
    assert "consuming queue 'mail' with handle: concurrency 2, prefetch 10" in log
    assert queues.metrics("mail").queue_length == 0


def test_a_handler_that_outlasts_the_stop_is_cut_and_its_message_given_back(
    queues: hanjul.QueuesSync, environment: dict[str, str], tmp_path: Path
) -> None:
    queues.send("mail", 60.0)

    with worker(environment, tmp_path) as process:
        until(lambda: "started" in handled(tmp_path))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=15)

    assert process.returncode == 7
    assert queues.metrics("mail").queue_visible_length == 1


def test_a_second_signal_stops_at_once(queues: hanjul.QueuesSync, environment: dict[str, str], tmp_path: Path) -> None:
    slow = TASKS.replace("stop_timeout_s=1.0", "stop_timeout_s=60.0")
    (tmp_path / "tasks.py").write_text(slow)
    queues.send("mail", 60.0)

    with worker(environment, tmp_path, "worker", "tasks:app", "--log-level", "info") as process:
        until(lambda: "started" in handled(tmp_path))
        process.send_signal(signal.SIGINT)
        until(lambda: "stopping" in (process.stdout.readline() if process.stdout else ""))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=15)

    assert process.returncode is not None
    assert queues.metrics("mail").queue_visible_length == 1


def test_up_brings_the_schema_of_a_database_that_exists(environment: dict[str, str], empty_dsn: str, tmp_path: Path) -> None:
    with worker({**environment, "DATABASE_URL": empty_dsn}, tmp_path, "up") as process:
        assert process.stdout is not None
        said = process.stdout.readline()

    assert "its schema is up to date" in said
    with hanjul.connect_sync(empty_dsn) as queues:
        assert queues.list() == []


def test_up_serves_an_app_on_a_database_that_exists(
    queues: hanjul.QueuesSync, environment: dict[str, str], tmp_path: Path
) -> None:
    queues.send("mail", 0.0)

    with worker(environment, tmp_path, "up", "tasks:app") as process:
        until(lambda: "finished" in handled(tmp_path))
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=15)

    assert process.returncode == 0
    assert "using postgresql://" in said


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (":app", "written package.module:app"),
        ("nowhere:app", "No module named 'nowhere'"),
        ("tasks:missing", "has no attribute 'missing'"),
        ("tasks:not_an_app", "is a int, not a hanjul.App"),
    ],
)
def test_a_target_that_is_no_app_is_named(cli: Run, queues: hanjul.QueuesSync, target: str, said: str) -> None:
    answer = cli("worker", target)

    assert answer.returncode == 2
    assert said in answer.stderr


def test_a_setting_given_to_the_command_is_over_those_of_environment_and_file(
    queues: hanjul.QueuesSync, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "hanjul.toml").write_text("job_concurrency = 3\nmax_retries = 7\n")
    (tmp_path / "tasks.py").write_text(
        f"{TASKS}\nprint('settings', app.settings.job_concurrency, app.settings.max_retries, flush=True)"
    )
    environment = {**environment, "HANJUL_JOB_CONCURRENCY": "4"}

    with worker(environment, tmp_path, "worker", "tasks:app", "--set", "job_concurrency=5") as process:
        until(lambda: "settings 5 7" in (process.stdout.readline() if process.stdout else ""))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("no_such=1", "--set no_such: it takes NAME=VALUE, with one of the names api_token, "),
        ("job_concurrency", "--set job_concurrency: it takes NAME=VALUE"),
        ("job_concurrency=", "--set job_concurrency: it takes NAME=VALUE"),
        ("job_concurrency=many", "`$.job_concurrency`"),
        ("job_concurrency=0", "job_concurrency must be from 1 to 1000, not 0"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(cli: Run, queues: hanjul.QueuesSync, given: str, said: str) -> None:
    answer = cli("worker", "tasks:app", "--set", given)

    assert answer.returncode == 2
    assert said in answer.stderr


def test_a_worker_of_a_missing_queue_says_which(cli: Run, queues: hanjul.QueuesSync) -> None:
    queues.drop("mail")

    answer = cli("worker", "tasks:app")

    assert answer.returncode == 4
    assert "queue 'mail' does not exist" in answer.stderr
