"""Real servers in fresh directories, and users of them in processes of their own, to be killed."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hanjul.embedded import Server, attach, locks

USER = """
import json, os, sys
from hanjul import embedded

said = []
try:
    server = embedded.attach(sys.argv[1] or None, say=said.append)
except embedded.EmbeddedError as error:
    print(json.dumps({"error": type(error).__name__, "text": str(error)}), flush=True)
    sys.exit(1)
told = {"dsn": server.dsn, "data_dir": str(server.data_dir), "port": server.port, "version": server.version}
print(json.dumps({**told, "said": said, "modules": sorted(sys.modules)}), flush=True)
sys.stdin.readline()
server.close()
"""


def wait_until(condition: Callable[[], Any], *, within_s: float = 15.0) -> Any:
    deadline = time.monotonic() + within_s
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.03)
    return answer


class User:
    """A process that uses the server until it is told to leave, or killed."""

    def __init__(self, data_dir: Path | str, **how: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **how,
        )

    def told(self) -> dict[str, Any]:
        """What it found out by attaching; waits for it."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the user said nothing"
        return json.loads(line)

    def leave(self) -> None:
        with self.process:  # closes its stdin and waits
            pass

    def kill(self) -> None:
        with self.process:
            self.process.kill()


class Place:
    """A data directory, and what runs on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data_dir = root / "pg"
        self._users: list[User] = []

    def user(self, data_dir: Path | str | None = None, **how: Any) -> User:
        user = User(self.data_dir if data_dir is None else data_dir, **how)
        self._users.append(user)
        return user

    def attach(self, **how: Any) -> Server:
        return attach(self.data_dir, **how)

    def guards(self) -> list[int]:
        return _processes("hanjul/embedded/__main__.py", str(self.root))

    def postmasters(self) -> list[int]:
        return _processes("-D", str(self.root), "listen_addresses")

    def is_quiet(self) -> bool:
        """No guard, and no PostgreSQL process that touches the data."""
        held = (lock.exists() and locks.is_held(lock) for lock in (self.data_dir / "server.lock", self.data_dir / "guard.lock"))
        return not any(held) and not self.guards() and not self.postmasters()

    def stop(self) -> None:
        """Stop the server at once, for a test that is about what comes after."""
        for guard in self.guards():
            kill(guard, signal.SIGTERM)
        wait_until(self.is_quiet)

    def clean(self) -> None:
        for user in self._users:
            user.kill()
        with contextlib.suppress(AssertionError):
            self.stop()
        for left in (*self.guards(), *self.postmasters()):
            kill(left)
        wait_until(self.is_quiet)
        shutil.rmtree(self.root)


def _processes(*words: str) -> list[int]:
    """Processes with these words in their command; not the children that still carry their parent's."""
    parents = {}
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (directory / "cmdline").read_text().replace("\0", " ")
            if all(word in command for word in words):
                parents[int(directory.name)] = int((directory / "stat").read_text().rpartition(")")[2].split()[1])
    return [pid for pid, parent in parents.items() if parent not in parents]


def kill(pid: int, how: signal.Signals = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, how)


def query(dsn: str, statement: str) -> list[Any]:
    """Rows of one committed statement."""
    with psycopg.connect(dsn, autocommit=True, connect_timeout=10) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def new_place() -> Iterator[Place]:
    root = Path(tempfile.mkdtemp(prefix="hanjul-", dir="/tmp"))  # a directory that the account `nobody` can reach
    root.chmod(0o755)
    place = Place(root)
    try:
        yield place
    finally:
        place.clean()


@pytest.fixture
def place() -> Iterator[Place]:
    with new_place() as place:
        yield place
