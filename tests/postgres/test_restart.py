"""A server that goes away and comes back."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from hanjul import Database, Queues, Unavailable
from hanjul.embedded import Server, attach
from hanjul.postgres.migrate import migrate


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server for this test alone, because it is going to be killed."""
    directory = Path(tempfile.mkdtemp(prefix="hanjul-test-"), "data")
    directory.parent.chmod(0o755)
    with attach(directory) as server:
        migrate(server.dsn)
        yield server
    shutil.rmtree(directory.parent, ignore_errors=True)


@pytest.fixture
async def queues(own_server: Server) -> AsyncIterator[Queues]:
    async with Queues(Database(own_server.dsn, timeout_s=5)) as queues:
        await queues.create("mail")
        yield queues


async def test_acknowledged_messages_survive_a_crash_of_the_server_and_the_client_comes_back(
    queues: Queues, own_server: Server
) -> None:
    sent = await asyncio.gather(*[queues.send("mail", n) for n in range(50)])
    [pid_file] = own_server.data_dir.rglob("postmaster.pid")
    os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)

    async with asyncio.timeout(60):
        while True:
            try:
                later = await queues.send("mail", "later")
            except Unavailable:
                continue
            break

    stored = {message.msg_id for message in await queues.peek("mail", qty=100)}
    assert {*sent, later} <= stored
