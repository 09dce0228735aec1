"""The processes of the show, started as an operator would start them, ended with the show."""

import os
import signal
import socket
import subprocess
import sys
import time
from types import TracebackType
from typing import Self

START_S = 60.0
STOP_S = 20.0


class Processes:
    """An API and workers on one database: `with Processes(url) as processes: ...`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def api(self, application: str) -> int:
        """Start an API; its port, when it listens."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        command = ["-m", "uvicorn", application, "--port", str(port), "--log-level", "critical", "--no-access-log"]
        self._start("api", [sys.executable, *command])
        deadline = time.monotonic() + START_S
        while not _listens(port):
            if self._running["api"].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{application} does not listen: {' '.join(command)}")
            time.sleep(0.05)
        return port

    def worker(self, name: str) -> None:
        """Start a worker. It is nice: here, unlike there, the API's machine is also its own."""
        command = [sys.executable, "-m", "hanjul", "worker", "examples.stt.tasks:app", "--log-level", "ERROR"]
        self._start(name, ["nice", "-n", "19", *command], WORKER_ID=name)

    def kill(self, name: str) -> None:
        """End a process without a warning (SIGKILL), as a crash would."""
        self._running[name].kill()
        self._running.pop(name).wait()

    def freeze(self, name: str) -> None:
        """Let a process do nothing more, for now."""
        self._running[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let it go on."""
        self._running[name].send_signal(signal.SIGCONT)

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
        environment = {**os.environ, "DATABASE_URL": self._url, **variables}
        self._running[name] = subprocess.Popen(command, env=environment)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
