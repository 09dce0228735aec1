"""The leader of maintenance dies or freezes: another follows, no tick is lost, and none is enqueued twice."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from .workers import Workers, until, workers

LEADER = "select split_part(holder, ':', 2)::int from hanjul.leader where leased_until > clock_timestamp()"
TICKS = "select metadata ->> 'tick' from hanjul.job_queue order by 1"


@pytest.fixture
def team(dsn: str, tmp_path: Path) -> Iterator[Workers]:
    with workers(dsn, tmp_path) as team:
        yield team


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_leader_that_is_gone_is_followed_within_its_lease_and_each_tick_is_enqueued_once(
    dsn: str, team: Workers, signal_number: signal.Signals
) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:

        def rows(query: str) -> list[Any]:
            return [value for (value,) in connection.execute(query.encode()).fetchall()]

        pids = {team.start("clock").pid for _ in range(2)}
        until(lambda: len(rows(TICKS)) >= 2)
        [lost] = rows(LEADER)

        os.kill(lost, signal_number)
        lost_at = time.monotonic()
        until(lambda: set(rows(LEADER)) == pids - {lost})
        followed_after_s = time.monotonic() - lost_at
        so_far = len(rows(TICKS))
        until(lambda: len(rows(TICKS)) > so_far)
        if signal_number == signal.SIGSTOP:
            os.kill(lost, signal.SIGCONT)
        seen = len(rows(TICKS))
        until(lambda: len(rows(TICKS)) >= seen + 3)

        ticks = [datetime.fromisoformat(tick) for tick in rows(TICKS)]

    assert {later - earlier for earlier, later in pairwise(ticks)} == {timedelta(seconds=1)}
    assert followed_after_s < 15 + 3  # its lease, and a busy machine
