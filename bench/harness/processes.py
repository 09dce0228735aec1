"""Child processes: started in sessions of their own, measured, and ended whatever happens."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import psutil

ANSWER_S = 90.0
"""How long a child may take to answer."""


COMPILED = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(Path(sys.prefix) / "bytecode")}
"""Modules are compiled once, as where packages are installed: a process that compiles them takes 2 MiB and a second more."""

_WHILE_WE_LIVE, _OUR_END = os.pipe()
"""The children's stdin. Nothing is ever written: that it ends tells them that we are gone (see child.py)."""


class ChildFailed(Exception):
    """A child ended with an error; its last words."""


@dataclass(frozen=True)
class Usage:
    """What a process and its children have used: CPU seconds so far, resident MiB now."""

    cpu_s: float
    rss_mib: float


def ask(module: str, *args: str, env: Mapping[str, str], timeout_s: float = ANSWER_S) -> str:
    """Run a module to its end; what it printed."""
    with _child(module, args, env, stdout=subprocess.PIPE) as child:
        try:
            answer, _ = child.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise ChildFailed(f"no answer within {timeout_s:g} s") from None
        if child.process.returncode:
            raise ChildFailed(child.last_words())
        return answer


@contextmanager
def running(module: str, *args: str, env: Mapping[str, str]) -> Iterator["Child"]:
    """Keep a module running while the block runs."""
    with _child(module, args, env, stdout=subprocess.DEVNULL) as child:
        yield child


@dataclass(frozen=True)
class Child:
    """A process of ours, and the file that takes what it complains of."""

    process: "subprocess.Popen[str]"
    complaints: IO[str]

    def check(self) -> None:
        """Raises ChildFailed if it has ended."""
        if self.process.poll() is not None:
            raise ChildFailed(self.last_words())

    def usage(self) -> Usage:
        """Of the process and its children."""
        return usage(psutil.Process(self.process.pid))

    def last_words(self) -> str:
        """The end of its complaints."""
        self.complaints.seek(0)
        return "\n".join(self.complaints.read().splitlines()[-6:])


def usage(process: psutil.Process) -> Usage:
    """Of a process, its children, and (CPU only) those of its children that have ended."""
    tree = [process, *process.children(recursive=True)]
    own = process.cpu_times()
    cpu_s, rss = own.children_user + own.children_system, 0
    for one in tree:
        with suppress(psutil.NoSuchProcess):
            times = one.cpu_times()
            cpu_s += times.user + times.system
            rss += one.memory_info().rss
    return Usage(cpu_s, rss / 2**20)


@contextmanager
def _child(module: str, args: Sequence[str], env: Mapping[str, str], stdout: int) -> Iterator[Child]:
    with TemporaryFile("w+") as complaints:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *args],
            env=os.environ | COMPILED | env,
            text=True,
            stdin=_WHILE_WE_LIVE,
            stdout=stdout,
            stderr=complaints,
            start_new_session=True,
        )
        try:
            yield Child(process, complaints)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
