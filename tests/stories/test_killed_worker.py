"""Workers that die, freeze, or are ended in an orderly way."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import hanjul

from .workers import Workers, until, workers

LEASE_S = 2.0


@pytest.fixture
def queues(dsn: str) -> Iterator[hanjul.QueuesSync]:
    with hanjul.connect_sync(dsn) as queues:
        queues.create("mail")
        yield queues


@pytest.fixture
def team(dsn: str, tmp_path: Path) -> Iterator[Workers]:
    with workers(dsn, tmp_path) as team:
        yield team


def length(queues: hanjul.QueuesSync) -> int:
    return queues.metrics("mail").queue_length


def test_what_a_killed_worker_held_is_handled_by_another_within_one_lease(queues: hanjul.QueuesSync, team: Workers) -> None:
    queues.send_batch("mail", list(range(400)))
    victim, other = (team.start("sleeper", lease_s=LEASE_S, seconds=0.02) for _ in range(2))
    until(lambda: sum(event.pid == victim.pid for event in team.history()) > 100)

    os.kill(victim.pid, signal.SIGKILL)
    killed_at = time.time()
    until(lambda: length(queues) == 0)

    starts = team.starts()
    again = [events for events in starts.values() if len(events) > 1]
    assert sorted(starts) == list(range(400))
    assert 0 < len(again) <= 20
    for events in again:
        assert [event.pid for event in events] == [victim.pid, other.pid]
        assert [event.attempt for event in events] == [1, 2]
        assert events[1].at >= events[0].at + LEASE_S * 0.9  # never while the lease was live
        assert events[1].at <= killed_at + LEASE_S + 1.5


def test_a_message_that_kills_its_workers_is_given_up_after_its_last_attempt(queues: hanjul.QueuesSync, team: Workers) -> None:
    queues.send_batch("mail", ["poison", "harmless"])

    for _ in range(6):
        process = team.start("poison")
        until(lambda process=process: process.poll() is not None or length(queues) == 0)
        if length(queues) == 0:
            break

    [dead] = queues.dead_letters("mail")
    assert [event.attempt for event in team.starts()["poison"]] == [1, 2, 3]
    assert (dead.message, dead.reason) == ("poison", "max_attempts")
    assert len(team.starts()["harmless"]) == 1


def test_a_worker_frozen_beyond_its_lease_can_settle_nothing(queues: hanjul.QueuesSync, team: Workers, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("create table ledger (key int, pid int)")
    queues.send("mail", 7)
    frozen = team.start("bookkeeper", lease_s=1, seconds=1.0)
    until(lambda: len(team.history()) == 1)

    frozen.send_signal(signal.SIGSTOP)
    other = team.start("bookkeeper", lease_s=1, seconds=0.1)
    until(lambda: length(queues) == 0)
    frozen.send_signal(signal.SIGCONT)
    until(lambda: any(event.pid == frozen.pid and event.what.startswith("failed") for event in team.history()))

    with psycopg.connect(dsn) as conn:
        assert conn.execute("select key, pid from ledger").fetchall() == [(7, other.pid)]
    assert frozen.poll() is None


def test_workers_that_are_replaced_one_by_one_leave_nothing_to_wait_for(queues: hanjul.QueuesSync, team: Workers) -> None:
    queues.send_batch("mail", list(range(3000)))
    running = [team.start("sleeper", seconds=0.02), team.start("sleeper", seconds=0.02)]

    for _ in range(3):
        old = running.pop(0)
        until(lambda old=old: sum(event.pid == old.pid for event in team.history()) > 30)
        old.terminate()
        running.append(team.start("sleeper", seconds=0.02))
        assert old.wait(20) == 0
    until(lambda: length(queues) == 0, seconds=20)  # less than a lease of 30 s

    assert {key: len(events) for key, events in team.starts().items()} == dict.fromkeys(range(3000), 1)
