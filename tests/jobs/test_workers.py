"""Worker processes with jobs: many at once, and workers that die, freeze, last long, or are replaced."""

import os
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from tests.stories.workers import Workers, until, workers

import hanjul

LEASE_S = 2.0


@pytest.fixture
def team(dsn: str, tmp_path: Path) -> Iterator[Workers]:
    with workers(dsn, tmp_path) as team:
        yield team


@pytest.fixture
def jobs(dsn: str) -> Iterator[hanjul.JobsSync]:
    with hanjul.connect_jobs_sync(dsn) as jobs:
        yield jobs


@pytest.fixture
def table(dsn: str) -> Iterator["psycopg.Connection[Any]"]:
    """The jobs as the database has them."""
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as conn:
        yield conn


def waiting(table: "psycopg.Connection[Any]") -> int:
    """Jobs that have not ended."""
    return len(table.execute("select from hanjul.job").fetchall())


def ended(table: "psycopg.Connection[Any]") -> dict[Any, dict[str, Any]]:
    """How each job ended, by its payload."""
    return {row["payload"]: row for row in table.execute("select * from hanjul.job_history")}


def runs(team: Workers) -> dict[Any, int]:
    """How often each job was run."""
    return {key: len(events) for key, events in team.starts().items()}


def test_one_job_is_done_and_its_result_is_there(jobs: hanjul.JobsSync, team: Workers) -> None:
    worker = team.start("deeds")

    handle = jobs.enqueue("deed", 7)

    assert handle.result(timeout_s=30) == worker.pid
    assert runs(team) == {7: 1}


def test_thousands_at_once_over_eight_workers_are_each_done_once(
    jobs: hanjul.JobsSync, team: Workers, table: "psycopg.Connection[Any]"
) -> None:
    processes = [team.start("deeds", seconds=0.002) for _ in range(8)]
    until(lambda: len(table.execute("select from hanjul.worker").fetchall()) == 8, seconds=60)

    jobs.enqueue_many("deed", range(3000))
    until(lambda: waiting(table) == 0, seconds=60)

    assert runs(team) == dict.fromkeys(range(3000), 1)
    assert {event.pid for event in team.history()} == {process.pid for process in processes}
    assert {(row["status"], row["attempt"], row["retry_count"]) for row in ended(table).values()} == {("completed", 1, 0)}


def test_what_a_killed_worker_held_is_done_by_another_within_one_lease(
    jobs: hanjul.JobsSync, team: Workers, table: "psycopg.Connection[Any]"
) -> None:
    jobs.enqueue_many("deed", range(400))
    victim, other = (team.start("deeds", lease_s=LEASE_S, seconds=0.02) for _ in range(2))
    until(lambda: {event.pid for event in team.history()} == {victim.pid, other.pid})

    os.kill(victim.pid, signal.SIGKILL)
    killed_at = time.time()
    until(lambda: waiting(table) == 0)

    again = [events for events in team.starts().values() if len(events) > 1]
    held = [row for row in ended(table).values() if row["attempt"] > 1]
    assert {row["status"] for row in ended(table).values()} == {"completed"}
    assert len(ended(table)) == 400
    assert 0 < len(again) <= len(held) <= 10
    assert {(row["attempt"], row["retry_count"]) for row in held} == {(2, 1)}
    for first, second in again:
        assert (first.pid, second.pid) == (victim.pid, other.pid)
        assert first.at + LEASE_S * 0.9 <= second.at <= killed_at + LEASE_S + 2  # never while the lease was live


def test_a_worker_frozen_beyond_its_lease_cannot_complete_the_job_and_goes_on_with_others(
    jobs: hanjul.JobsSync, team: Workers
) -> None:
    handle = jobs.enqueue("deed", "first")
    frozen = team.start("deeds", lease_s=1, seconds=0.5, concurrency=1, prefetch=1)
    until(lambda: len(team.history()) == 1)

    frozen.send_signal(signal.SIGSTOP)
    other = team.start("deeds", lease_s=1, seconds=0.1, concurrency=1, prefetch=1)
    assert handle.result(timeout_s=30) == other.pid
    other.terminate()
    assert other.wait(20) == 0
    frozen.send_signal(signal.SIGCONT)

    assert jobs.enqueue("deed", "next").result(timeout_s=30) == frozen.pid
    record = handle.get()
    assert (record.status, record.attempt, record.retry_count, record.result) == ("completed", 2, 1, other.pid)


def test_a_job_that_kills_its_workers_fails_after_its_last_retry_and_delays_others_by_a_lease_at_most(
    jobs: hanjul.JobsSync, team: Workers, table: "psycopg.Connection[Any]"
) -> None:
    poison = jobs.enqueue("deed", "poison", max_retries=2)
    jobs.enqueue_many("deed", range(20))
    running = [team.start("deeds", lease_s=LEASE_S) for _ in range(2)]

    def over() -> bool:
        for seat, process in enumerate(running):
            if process.poll() is not None:
                running[seat] = team.start("deeds", lease_s=LEASE_S)
        table.execute("select hanjul.rescue_stale_jobs()")  # whoever leads does so, too, now and then
        return waiting(table) == 0

    until(over, seconds=60)

    record = poison.get()
    assert [event.attempt for event in team.starts()["poison"]] == [1, 2, 3]
    assert (record.status, record.retry_count, record.reason) == ("failed", 2, "max_attempts")
    assert "let the lease of attempt 3 end" in (record.error_message or "")
    neighbours = [events for key, events in team.starts().items() if key != "poison"]
    assert len(neighbours) == 20
    assert {row["status"] for key, row in ended(table).items() if key != "poison"} == {"completed"}
    [*_, last_death] = [event.at for event in team.starts()["poison"]]
    for events in neighbours:
        assert events[-1].at <= last_death + LEASE_S + 3  # and what a new worker takes to start
        assert all(after.at - before.at <= LEASE_S + 3 for before, after in pairwise(events))


def test_jobs_that_last_ten_times_their_lease_are_never_run_twice(
    jobs: hanjul.JobsSync, team: Workers, table: "psycopg.Connection[Any]"
) -> None:
    jobs.enqueue_many("deed", range(40))
    for _ in range(2):
        team.start("deeds", lease_s=1, seconds=10, concurrency=20, prefetch=20)

    until(lambda: waiting(table) == 0, seconds=60)

    assert runs(team) == dict.fromkeys(range(40), 1)
    assert {(row["status"], row["attempt"]) for row in ended(table).values()} == {("completed", 1)}


def test_workers_that_are_replaced_one_by_one_leave_no_lease_to_wait_for(
    jobs: hanjul.JobsSync, team: Workers, table: "psycopg.Connection[Any]"
) -> None:
    jobs.enqueue_many("deed", range(3000))
    running = [team.start("deeds", seconds=0.02) for _ in range(2)]

    for _ in range(4):
        old = running.pop(0)
        until(lambda old=old: sum(event.pid == old.pid for event in team.history()) > 30)
        old.terminate()
        running.append(team.start("deeds", seconds=0.02))
        assert old.wait(20) == 0
    until(lambda: waiting(table) == 0, seconds=25)  # less than a lease of 30 s

    assert runs(team) == dict.fromkeys(range(3000), 1)
    assert {(row["status"], row["retry_count"]) for row in ended(table).values()} == {("completed", 0)}
