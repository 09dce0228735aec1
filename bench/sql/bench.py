"""One run of the suite: a server, the sizes of this run, and a queue in a database of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from bench.harness.server import Server
from bench.sql.body import bodies
from bench.sql.systems import SYSTEMS


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    turns: of the calls; the other questions are asked once.  iterations: of each call that is timed, in a turn.
    deep_iterations: where one call may take a second.  limit_s: for the deep iterations of a call, all together.
    backlog: ready messages of a table that is analysed, or has been bloated.  drained: messages for the WAL.
    snapshot_s: how long it is held open.  burst_s: how long throughput is measured.
    """

    turns: int
    iterations: int
    deep_iterations: int
    limit_s: float
    backlog: int
    drained: int
    snapshot_s: float
    burst_s: float


FULL = Sizes(
    turns=15, iterations=24, deep_iterations=10, limit_s=30.0, backlog=100_000, drained=40_000, snapshot_s=180.0, burst_s=3.0
)
QUICK = Sizes(turns=3, iterations=24, deep_iterations=5, limit_s=4.0, backlog=20_000, drained=10_000, snapshot_s=6.0, burst_s=1.0)


@dataclass(frozen=True)
class Queue:
    """The queue `bench` of one system, and a session that does not wait for the disk."""

    name: str
    dsn: str
    session: psycopg.Connection[tuple[object, ...]]

    def run(self, script: str) -> None:
        """Run a statement, or several."""
        self.session.execute(script.encode())

    def number(self, query: str) -> float:
        """The one number that it gives."""
        [[number]] = self.session.execute(query.encode()).fetchall()
        return float(str(number))


@dataclass(frozen=True)
class Bench:
    """What a question is given."""

    server: Server
    sizes: Sizes

    @contextmanager
    def queue(self, name: str) -> Iterator[Queue]:
        """An empty one; `bench.given` holds messages to send, `took` takes times."""
        with self.server.database() as dsn:
            SYSTEMS[name].install(dsn)
            with psycopg.connect(dsn, autocommit=True) as session:
                found = Queue(name, dsn, session)
                found.run("set synchronous_commit = off")
                found.run("create temp table took (call text, us double precision)")
                found.run("create schema bench; create table bench.given (msgs jsonb[], headers jsonb[])")
                headers = ['{"trace": "00-4bf92f3577b34da6a3ce929d0e0e4736-01"}'] * len(bodies())
                session.execute("insert into bench.given values (%s::jsonb[], %s::jsonb[])", [bodies(), headers])
                found.run("select pgmq.create('bench')")
                yield found
