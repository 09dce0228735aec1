"""The processes of the show: a receiver, and a sender as an operator would start it. Both end with the show."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.request import Request, urlopen

START_S = 30.0
STOP_S = 15.0


class Processes:
    """`with Processes(url, diary) as processes: ...`; port: the receiver's."""

    def __init__(self, url: str, diary: Path) -> None:
        self._url, self._diary = url, diary
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def sender(self) -> None:
        """Start the process that sends. This receiver has no public address, so it has to be allowed."""
        command = ["-m", "hanjul", "net", "worker", "--set", f"http_allow=127.0.0.1:{self.port}", "--log-level", "error"]
        self._start("sender", command, DATABASE_URL=self._url)

    def receiver(self, secret: str) -> None:
        """Start the receiver, and wait until it listens."""
        command = ["-m", "examples.webhooks.receiver", "--port", str(self.port), "--diary", str(self._diary)]
        self._start("receiver", command, SECRET=secret)
        deadline = time.monotonic() + START_S
        while not _listens(self.port):
            if self._running["receiver"].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the receiver does not listen: {' '.join(command)}")
            time.sleep(0.05)

    def kill(self, name: str) -> None:
        """End a process without a warning (SIGKILL), as a crash would."""
        self._running[name].kill()
        self._running.pop(name).wait()

    def mood(self, name: str) -> None:
        """Let the receiver be in another mood."""
        urlopen(Request(f"http://127.0.0.1:{self.port}/mood/{name}", method="POST"), timeout=START_S).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, name: str, command: list[str], **variables: str) -> None:
        self._running[name] = subprocess.Popen([sys.executable, *command], env={**os.environ, **variables})


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
