"""What a system must be able to do to be measured."""

import os
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from bench.harness.probe import Probe

QUEUE = "bench"
CONCURRENCY = 50
"""Handlers that may run at once, where a system has such a setting."""
CONNECTIONS = 10
"""Connections that a producer may have, where a system has such a setting."""
PAD = "x" * 120
"""Makes a body about as large as a real one."""


class System(ABC):
    """One way to send and to handle messages.

    settings: what was chosen, for the report.  batch: messages in one call of send_batch.
    concurrent: whether many coroutines may send at once.
    finished: SQL that puts `%s` jobs that are done into its own history, each as its worker would have left it; empty
    where there is no history in PostgreSQL, or where nobody asks for it.  on_postgres: whether it lives there.
    """

    settings: ClassVar[str]
    batch: ClassVar[int] = 1000
    concurrent: ClassVar[bool] = True
    finished: ClassVar[str] = ""
    on_postgres: ClassVar[bool] = True

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn

    @abstractmethod
    async def install(self) -> None:
        """Make the schema and the queue in an empty database."""

    @abstractmethod
    async def open(self) -> None:
        """Connect a producer."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect it."""

    @abstractmethod
    async def send(self, body: dict[str, Any]) -> None:
        """Send one message; returns when it is durable."""

    @abstractmethod
    async def send_batch(self, bodies: list[dict[str, Any]]) -> None:
        """Send messages in one call."""

    @abstractmethod
    async def work(self) -> None:
        """Handle messages, each with `handled`, until the process is ended."""


def body(*, timed: bool = False) -> dict[str, Any]:
    """A message, with the time when it was sent if that will be asked."""
    return {"t": time.monotonic_ns() if timed else 0, "pad": PAD}


_probe = Probe(Path(os.environ["BENCH_PROBE"])) if "BENCH_PROBE" in os.environ else None


def handled(sent: int) -> None:
    """The whole handler: a message that carries the time `sent` is here."""
    if _probe is not None:
        _probe.hit(time.monotonic_ns() - sent if sent else 0)
