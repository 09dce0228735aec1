"""Where actors come from: a process that has imported everything, and forks one actor for each line that it reads.

So an actor is there in milliseconds, however often it is killed. When the parent goes, all of them go.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.torture import keeper, leaser, producer, reader, worker
from tests.torture.jobs import worker as job_worker
from tests.torture.scene import Scene

ROLES = {
    "producer": producer.main,
    "reader": reader.main,
    "leaser": leaser.main,
    "worker": worker.main,
    "keeper": keeper.main,
    "job worker": job_worker.main,
}


class Nursery:
    """The parent's end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            start_new_session=True,
        )

    def start(self, role: str, scene: Scene) -> int:
        """Start an actor; its pid."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([role, vars(scene)]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def alive(pid: int) -> bool:
    """Whether an actor is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _serve() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them: the system clears them away
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while line := sys.stdin.readline():
        role, scene = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _act(role, Scene(**scene))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
    os.killpg(0, signal.SIGKILL)


def _act(role: str, scene: Scene) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(os.open(f"{scene.directory}/errors.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), 1)
    os.dup2(1, 2)
    try:
        ROLES[role](scene)
    except BaseException:  # the fork must not go on as the nursery
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(1)


if __name__ == "__main__":
    _serve()
