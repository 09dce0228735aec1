"""The PostgreSQL of a run: the embedded one, in a directory of its own, as it comes."""

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from bench.harness.processes import Usage, usage
from hanjul import embedded

SETTINGS = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_level", "shared_buffers", "max_wal_size")


STOP_S = 30.0


class Server:
    """A running server that makes a new database for each measurement."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._names = (f"bench_{n}" for n in itertools.count(1))
        with psycopg.connect(dsn, autocommit=True) as conn:
            rows = conn.execute("select name, current_setting(name) from unnest(%s::text[]) name", [list(SETTINGS)]).fetchall()
            self.settings: dict[str, str] = dict(rows)
            backend = psutil.Process(conn.info.backend_pid)
            self._postmaster = psutil.Process(backend.ppid())

    def usage(self) -> Usage:
        """Of all processes of the server."""
        return usage(self._postmaster)

    def tidy(self, dsn: str) -> None:
        """What autovacuum would have done to a backlog by the time that anybody works on it."""
        with psycopg.connect(dsn, autocommit=True) as conn:
            conn.execute("vacuum (analyze)")

    def gone(self) -> None:
        """Wait until it has stopped, which it does by itself soon after its last user left."""
        psutil.wait_procs([self._postmaster], timeout=STOP_S)

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of an empty database, which is dropped after the block."""
        name = next(self._names)
        base, _, _ = self.dsn.rpartition("/")
        with psycopg.connect(self.dsn, autocommit=True) as conn:
            conn.execute(f"create database {name}")
            try:
                yield f"{base}/{name}"
            finally:
                conn.execute(f"drop database {name} with (force)")


@contextmanager
def server() -> Iterator[Server]:
    """A new server; ended, and its directory removed, after the block."""
    directory = Path(tempfile.mkdtemp(prefix="hanjul-bench-"))
    directory.chmod(0o755)  # as root, PostgreSQL runs as another account
    try:
        with embedded.attach(data_dir=directory / "postgres") as attached:
            found = Server(attached.dsn)
            yield found
        found.gone()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
