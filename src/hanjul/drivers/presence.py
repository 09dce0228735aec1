"""A worker shows that it lives: its row in hanjul.worker, which it renews. It is for whoever looks; leases decide.

open -> seen -> (10 s, or 30 s where we have to poll) -> seen -> ... -> close: the row is gone
"""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version

from hanjul.drivers import job_calls
from hanjul.model.errors import HanjulError
from hanjul.postgres import Database

_log = logging.getLogger("hanjul.jobs")

LISTENING_BEAT_S = 10.0
POLLING_BEAT_S = 30.0
"""How often: who is not seen for a minute is taken for dead (sql/jobs/workers.sql)."""
ANSWER_S = 5.0
"""How long a beat may take before its connection counts as dead."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What one process says of itself.  kinds: of jobs that it can run.  concurrency: jobs that it runs at once."""

    id: str
    queues: Sequence[str]
    kinds: Sequence[str]
    concurrency: int


class Presence:
    """One process, seen by others from `open` to `close`."""

    def __init__(self, database: Database, worker: Worker, *, listening: Callable[[], bool]) -> None:
        self._database, self._worker, self._listening = database, worker, listening
        self._host, self._pid = socket.gethostname(), os.getpid()
        self._said = ""
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Start to be seen."""
        self._task = asyncio.create_task(self._live())

    async def close(self) -> None:
        """Be seen no more."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        with suppress(HanjulError):  # then the row grows old
            gone = job_calls.worker_stopped(self._worker.id, self._host, self._pid)
            await self._database.rows(gone, timeout_s=ANSWER_S)

    async def beat(self) -> None:
        """Say once that we live. Raises Unavailable, PermissionDenied."""
        worker = self._worker
        seen = job_calls.worker_seen(
            worker.id, worker.queues, worker.kinds, worker.concurrency, self._host, self._pid, version("hanjul")
        )
        await self._database.rows(seen, timeout_s=ANSWER_S)

    async def _live(self) -> None:
        while True:
            try:
                await self.beat()
                self._said = ""
            except HanjulError as error:
                self._say(str(error))
            await asyncio.sleep(LISTENING_BEAT_S if self._listening() else POLLING_BEAT_S)

    def _say(self, what: str) -> None:
        if what != self._said:
            self._said = what
            _log.warning("worker %s is not seen by others: %s; trying again", self._worker.id, what)
