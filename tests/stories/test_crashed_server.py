"""A PostgreSQL that dies under load: nothing that was acknowledged is lost, and no worker gives up."""

import asyncio
import contextlib
import os
import shutil
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import hanjul
from hanjul.embedded import Server
from hanjul.local import embedded_server
from hanjul.postgres.migrate import migrate

from .workers import Workers, workers

CRASHES = int(os.environ.get("STORY_CRASHES", "3"))


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of this story's own, to be killed."""
    place = Path(tempfile.mkdtemp(prefix="hanjul-crash-"))
    place.chmod(0o755)
    with embedded_server(hanjul.Settings(data_dir=str(place / "data"))) as server:
        migrate(server.dsn)
        yield server
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def team(server: Server, tmp_path: Path) -> Iterator[Workers]:
    with workers(server.dsn, tmp_path) as team:
        yield team


def crash(server: Server) -> None:
    """Kill the postmaster; its guard starts it again, which recovers from the log."""
    os.kill(int((server.data_dir / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)


async def send(queues: hanjul.Queues, numbers: Iterator[int], acknowledged: set[int], stop: asyncio.Event) -> None:
    """Send one number after the other; one whose sending failed may or may not be there."""
    for number in numbers:
        if stop.is_set():
            return
        try:
            await queues.send("mail", number)
        except hanjul.Unavailable:
            await asyncio.sleep(0.05)
        else:
            acknowledged.add(number)


async def drained(queues: hanjul.Queues, seconds: float = 40.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(hanjul.Unavailable):
            if (await queues.metrics("mail")).queue_length == 0:
                return True
        await asyncio.sleep(0.05)
    return False


async def test_crashes_under_load_lose_nothing_and_end_no_worker(server: Server, team: Workers) -> None:
    acknowledged: set[int] = set()
    stop = asyncio.Event()
    async with hanjul.connect(server.dsn) as queues:
        await queues.create("mail")
        running = [team.start("sleeper", seconds=0, lease_s=3) for _ in range(2)]
        numbers = iter(range(10_000_000))
        senders = [asyncio.create_task(send(queues, numbers, acknowledged, stop)) for _ in range(10)]

        for _ in range(CRASHES):
            before = len(acknowledged)
            while len(acknowledged) < before + 500:
                await asyncio.sleep(0.02)
            crash(server)
        before = len(acknowledged)
        while len(acknowledged) < before + 500:
            await asyncio.sleep(0.02)
        stop.set()
        await asyncio.gather(*senders)
        assert await drained(queues)

        starts = team.starts()
        fences = [[event.fence for event in events] for events in starts.values()]
        assert acknowledged <= starts.keys()
        assert all(fence == sorted(set(fence)) for fence in fences)  # each attempt once, in order
        assert [process.poll() for process in running] == [None, None]
        assert await pickup_s(queues, team) < 1.0  # notifications arrive again: a poll alone would take seconds


async def pickup_s(queues: hanjul.Queues, team: Workers) -> float:
    """How long an idle worker takes to notice a message: the median of some."""
    waits = []
    for key in range(-5, 0):
        await asyncio.sleep(0.5)
        sent_at = time.time()
        await queues.send("mail", key)
        while key not in team.starts():
            await asyncio.sleep(0.01)
        waits.append(team.starts()[key][0].at - sent_at)
    return statistics.median(waits)
