"""Worker processes of a story, and what they write down: each handler's start and end, one JSON object a line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

APPS = Path(__file__).parent / "apps"


@dataclass(frozen=True)
class Event:
    """One line: a handler of worker `pid` that starts or ends with a delivery."""

    what: str
    key: Any
    attempt: int
    fence: int
    pid: int
    at: float


@dataclass
class Workers:
    """The processes of one story. `app` is a module of tests/stories/apps."""

    dsn: str
    directory: Path
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, app: str, **settings: object) -> "subprocess.Popen[bytes]":
        """Start a worker; settings reach the app as STORY_... variables."""
        variables = {f"STORY_{name.upper()}": str(value) for name, value in settings.items()}
        environment = {**os.environ, "DATABASE_URL": self.dsn, "STORY_DIRECTORY": str(self.directory), "PYTHONPATH": str(APPS)}
        command = [sys.executable, "-m", "hanjul", "worker", f"{app}:app", "--log-level", "WARNING"]
        with (self.directory / "log").open("ab") as log:
            process = subprocess.Popen(command, env={**environment, **variables}, cwd=self.directory, stderr=log)
        self.processes.append(process)
        return process

    def history(self) -> list[Event]:
        """All that was written down, in the order of time."""
        lines = [line for file in self.directory.glob("worker-*") for line in file.read_text().splitlines(keepends=True)]
        events = [Event(**json.loads(line)) for line in lines if line.endswith("\n")]
        return sorted(events, key=lambda event: event.at)

    def starts(self) -> dict[Any, list[Event]]:
        """Each key's deliveries, in the order of time."""
        found: dict[Any, list[Event]] = defaultdict(list)
        for event in self.history():
            if event.what == "start":
                found[event.key].append(event)
        return found

    def log(self) -> str:
        """What the workers have logged."""
        return (self.directory / "log").read_text()


@contextmanager
def workers(dsn: str, directory: Path) -> Iterator[Workers]:
    """Workers that are ended with the block, however it ends."""
    found = Workers(dsn, directory)
    try:
        yield found
    finally:
        for process in found.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


def until(condition: Callable[[], bool], *, seconds: float = 30.0) -> None:
    """Wait for something that must come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)
