"""One run of the suite: a server, an nginx, the sizes of this run, and a sender in a process of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from tools.nginx import Nginx

from bench.harness import processes
from bench.harness.processes import Child, ChildFailed
from bench.harness.server import Server

CHILD = "bench.http.child"
OURS, RAW = "hanjul", "pycurl alone"


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    gets: requests of the backlog.  waits: requests whose latency is measured.  enqueued: requests by one statement.
    commits: requests each in a transaction of its own.  few, many: requests after which memory is looked at.
    """

    rounds: int
    gets: int
    waits: int
    enqueued: int
    commits: int
    few: int
    many: int


FULL = Sizes(rounds=3, gets=20_000, waits=200, enqueued=20_000, commits=2_000, few=20_000, many=200_000)
QUICK = Sizes(rounds=1, gets=5_000, waits=50, enqueued=10_000, commits=300, few=3_000, many=30_000)


@dataclass(frozen=True)
class Bench:
    """What a question is given."""

    server: Server
    site: Nginx
    sizes: Sizes

    @contextmanager
    def installed(self) -> Iterator[str]:
        """The URL of a database with our schema."""
        with self.server.database() as dsn:
            processes.ask(CHILD, "install", dsn, env={})
            yield dsn

    @contextmanager
    def sending(self, dsn: str) -> Iterator[Child]:
        """An app that sends, with the settings it comes with, but that it may reach this machine."""
        with processes.running(CHILD, "send", dsn, env={}) as child:
            yield child

    def enqueue(self, dsn: str, path: str, count: int) -> None:
        """So many GETs, in one statement."""
        with psycopg.connect(dsn, autocommit=True) as sql:
            sql.execute("select net.http_get(%s) from generate_series(1, %s)", [self.site.url(path), count])


def all_answered(dsn: str, count: int) -> None:
    """Raises ChildFailed unless there are so many answers with status 200, and each request has succeeded at once."""
    asked = """
        select (select count(*) from net._http_response where status_code = 200),
               (select count(*) from net.http_request_queue where status = 'SUCCESS' and attempts = 1)"""
    with psycopg.connect(dsn) as sql:
        [found] = sql.execute(asked).fetchall()
    if found != (count, count):
        raise ChildFailed(f"{found[0]} answers and {found[1]} successes of {count} requests")
