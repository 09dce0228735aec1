"""One run of the suite: a server, the sizes of this run, and the processes of a system."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.harness import processes
from bench.harness.probe import Probe
from bench.harness.processes import Child
from bench.harness.server import Server

CHILD = "bench.queues.child"


@dataclass(frozen=True)
class Sizes:
    """How much of everything.  Seconds are for one system in one round.

    backlog: messages that lie ready for a worker, or as many as can be sent in fill_s.  drain_s: how long it may work.
    pickups: messages sent to an idle worker.  history: finished ones.  snapshot_s: how long a transaction stays open.
    """

    rounds: int
    send_s: float
    backlog: int
    fill_s: float
    drain_s: float
    pickups: int
    history: int
    snapshot_s: float


FULL = Sizes(rounds=3, send_s=1.5, backlog=120_000, fill_s=5.0, drain_s=5.0, pickups=60, history=5_000_000, snapshot_s=60.0)
QUICK = Sizes(rounds=1, send_s=0.6, backlog=60_000, fill_s=1.0, drain_s=1.5, pickups=20, history=200_000, snapshot_s=6.0)


@dataclass(frozen=True)
class Bench:
    """What a question is given."""

    server: Server
    sizes: Sizes

    @contextmanager
    def installed(self, name: str) -> Iterator["Installed"]:
        """A system in a database of its own."""
        with self.server.database() as dsn:
            found = Installed(name, dsn)
            found.ask("install")
            yield found


@dataclass(frozen=True)
class Installed:
    """One system, ready to send and to work."""

    name: str
    dsn: str

    def ask(self, role: str, *numbers: float) -> str:
        """Run one role to its end; what it printed."""
        return processes.ask(CHILD, self.name, role, self.dsn, *map(str, numbers), env={})

    def send(self, way: str, *numbers: float) -> tuple[int, float]:
        """Send in a way; how many messages, in how many seconds."""
        count, seconds = self.ask(way, *numbers).split()[-2:]
        return int(count), float(seconds)

    @contextmanager
    def working(self) -> Iterator[tuple[Child, Probe]]:
        """A worker process, and what it tells."""
        with tempfile.NamedTemporaryFile(prefix="hanjul-bench-probe-") as file:
            probe = Probe(Path(file.name))
            with processes.running(CHILD, self.name, "work", self.dsn, env={"BENCH_PROBE": file.name}) as worker:
                yield worker, probe
