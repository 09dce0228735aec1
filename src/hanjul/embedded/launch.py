"""See to it that the data directory has a guard."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import locks
from .account import server_account
from .binaries import Binaries, locate
from .errors import StartFailed
from .home import READY, Home, last_lines, open_log
from .initialise import initialise, make_share
from .reach import reachable

ATTEMPTS = 5  # a guard that dies without an answer was killed, or cannot even run

Say = Callable[[str], None]


def ensure_guard(home: Home, *, timeout_s: float, say: Say) -> None:
    """Start a guard unless one is there; returns when its server takes connections.

    Raises StartFailed, BinariesNotFound, or TimeoutError if somebody else is starting one for longer than timeout_s.
    """
    if locks.is_held(home.lock("guard")):
        return
    start_lock = locks.take(home.lock("start"), locks.EXCLUSIVE, timeout_s=timeout_s)
    try:
        if not locks.is_held(home.lock("guard")):
            _start(home, start_lock, timeout_s, say)
    finally:
        os.close(start_lock)  # not unlocked: a guard that is still starting keeps it


def _start(home: Home, start_lock: int, timeout_s: float, say: Say) -> None:
    account = server_account()
    binaries = locate(home.major())
    if not locks.is_held(home.lock("server")):
        binaries = reachable(binaries, account, home)
    if home.major() is None:
        say(f"initialising PostgreSQL {binaries.version} in {home.path}")
        initialise(home, binaries, account, start_lock=start_lock)
    make_share(home)
    say(f"starting PostgreSQL {binaries.version}")
    for _ in range(ATTEMPTS):
        answer = _answer_of(_spawn(home, binaries, start_lock), timeout_s)
        if answer == READY:
            return
        if answer:
            raise StartFailed(answer)
    raise StartFailed("the guard dies", last_lines(home.guard_log))


def _spawn(home: Home, binaries: Binaries, start_lock: int) -> int:
    """Start a guard; return the pipe in which it answers."""
    reading, writing = os.pipe()
    program = Path(__file__).with_name("__main__.py")
    log = open_log(home.guard_log)
    try:
        guard = subprocess.Popen(
            [sys.executable, "-I", "-S", program, home.path, binaries.bin_dir, str(start_lock)],
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=log,
            pass_fds=(start_lock,),
        )
    finally:
        os.close(log)
        os.close(writing)
    guard.wait()  # it forks and leaves at once
    return reading


def _answer_of(pipe: int, timeout_s: float) -> str:
    answer = b""
    deadline = time.monotonic() + timeout_s
    try:
        while select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
            if not (part := os.read(pipe, 65536)):
                return answer.decode()
            answer += part
    finally:
        os.close(pipe)
    raise StartFailed(f"PostgreSQL is not ready after {timeout_s:g} s; it goes on starting (crash recovery?)")
