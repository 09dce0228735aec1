"""A disk that fills up under senders: a clear error, nothing acknowledged is lost, and work goes on once there is room."""

import asyncio
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import hanjul
from hanjul.local import embedded_server
from hanjul.postgres.migrate import migrate

MEGABYTES = 120
BODY = {"pad": random.Random(5).randbytes(100_000).hex()}  # what does not compress


@pytest.fixture
def disk() -> Iterator[Path]:
    """A small disk of its own; needs the right to mount, which CI has."""
    disk = Path(tempfile.mkdtemp(prefix="hanjul-disk-"))
    disk.chmod(0o755)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "none", disk], check=False)
    if mounted.returncode != 0:
        shutil.rmtree(disk)
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)
    shutil.rmtree(disk, ignore_errors=True)


async def send_until_it_fails(queues: hanjul.Queues, acknowledged: list[int]) -> hanjul.HanjulError:
    """Fill the disk with messages; the error that the sender was given."""
    for _ in range(100_000):
        try:
            acknowledged.append(await queues.send("mail", BODY))
        except hanjul.HanjulError as error:
            return error
    raise AssertionError("the disk did not fill")


async def send_again(queues: hanjul.Queues) -> int:
    """Send as soon as the server takes it; it may have to recover first."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return await queues.send("mail", "after")
        except hanjul.Unavailable:
            assert time.monotonic() < deadline, "the server did not come back"
            await asyncio.sleep(0.1)


async def test_a_full_disk_loses_nothing_that_was_acknowledged(disk: Path) -> None:
    ballast = disk / "ballast"
    with embedded_server(hanjul.Settings(data_dir=str(disk / "data"))) as server:
        migrate(server.dsn)
        ballast.write_bytes(b"\0" * (20 << 20))
        async with hanjul.connect(server.dsn) as queues:
            await queues.create("mail")
            acknowledged: list[int] = []

            error = await send_until_it_fails(queues, acknowledged)
            ballast.unlink()
            last = await send_again(queues)

            with psycopg.connect(server.dsn) as conn:
                ids = {msg_id for (msg_id,) in conn.execute("select msg_id from pgmq.q_mail")}
            assert isinstance(error, hanjul.Unavailable)
            assert acknowledged
            assert set(acknowledged) | {last} <= ids
            assert len(ids - set(acknowledged) - {last}) <= 1  # the one whose outcome was unknown
