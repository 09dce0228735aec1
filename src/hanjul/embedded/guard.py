"""The guard: one small process per data directory that keeps PostgreSQL running while anybody uses it.

Run by __main__.py, which launch.py starts. Says "ready" on stdout, or why not.
README.md argues why this is safe.
"""

import contextlib
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from . import locks, ports, wire
from .account import server_account
from .errors import EmbeddedError, StartFailed
from .home import READY, Home
from .postmaster import Postmaster

TICK_S = 0.2
GRACE_S = 1.0
ATTEMPTS = 3
LONGEST_BACKOFF_S = 10.0
STEADY_S = 30.0

logger = logging.getLogger("hanjul.embedded.guard")


class Guard:
    """Brings the server up, again if it dies, and down when nobody uses it."""

    def __init__(self, home: Home, bin_dir: Path) -> None:
        self._home = home
        self._postmaster = Postmaster(home, bin_dir, server_account())
        self._users = locks.open_file(home.lock("users"))
        self._quiet_since: float | None = None
        self._backoff_s = 0.0
        self._last_start = 0.0

    def bring_up(self) -> None:
        """Start the server, or adopt the one that a killed guard left. Raises StartFailed."""
        if self._postmaster.is_alive():
            logger.info("adopting the server that runs already")
            with contextlib.suppress(StartFailed):  # it died meanwhile
                self._wait_until_ready(self._home.port() or 0)
                return
        for attempt in range(1, ATTEMPTS + 1):
            port = ports.choose(self._home.port())
            self._home.keep_port(port)
            try:
                self._start(port)
            except StartFailed:
                own_fault = ports.is_free(port) and not self._postmaster.was_killed()
                if own_fault or attempt == ATTEMPTS:
                    raise
            else:
                return

    def watch(self) -> None:
        """Return when nobody has used the server for a while, with the users lock held exclusively."""
        while not self._has_been_quiet():
            if not self._postmaster.is_alive():
                self._revive()
            self._home.trim_logs()
            time.sleep(TICK_S)

    def stop(self) -> None:
        """Stop the server."""
        logger.info("stopping")
        if not self._postmaster.stop():
            logger.error("the server does not stop; leaving it to the next guard")

    def let_newcomers_in(self) -> None:
        """Give the users lock back; they find no guard then, and start one."""
        locks.unlock(self._users)

    def _start(self, port: int) -> None:
        self._postmaster.start(port, orphans_timeout_s=10.0)
        self._wait_until_ready(port)

    def _wait_until_ready(self, port: int) -> None:
        pause_s = locks.POLL_S
        while not wire.is_ready(port):  # crash recovery takes what it takes; users have their own patience
            if not self._postmaster.is_alive():
                raise StartFailed("PostgreSQL did not start", self._postmaster.last_words())
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, TICK_S)  # each question is a line in the server's log

    def _has_been_quiet(self) -> bool:
        if not locks.try_lock(self._users, locks.EXCLUSIVE):
            self._quiet_since = None
            return False
        now = time.monotonic()
        self._quiet_since = self._quiet_since or now
        if now - self._quiet_since >= GRACE_S:
            return True  # the lock is kept: a newcomer waits until we are gone, and then starts anew
        locks.unlock(self._users)
        return False

    def _revive(self) -> None:
        now = time.monotonic()
        if now - self._last_start > STEADY_S:
            self._backoff_s = 0.0
        if now - self._last_start < self._backoff_s:
            return
        self._last_start = now
        self._backoff_s = min(self._backoff_s * 2 or TICK_S, LONGEST_BACKOFF_S)
        try:
            logger.warning("the server died: %s", self._postmaster.last_words())
            self._start(self._home.port() or 0)  # the same port: users hold its URL
            logger.info("the server is back")
        except (EmbeddedError, OSError) as error:
            logger.warning("restart failed: %s", error)


def main() -> None:
    """Be the guard of the data directory that the command line names."""
    home, bin_dir, start_lock = Home(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])
    _detach()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s [%(process)d] %(message)s")
    guarding = locks.take(home.lock("guard"), locks.EXCLUSIVE, timeout_s=5.0)
    signal.signal(signal.SIGTERM, _exit)
    guard = Guard(home, bin_dir)
    try:
        if _came_up(guard, start_lock):
            guard.watch()
    finally:
        guard.stop()
        os.close(guarding)  # before the users lock: a newcomer must not take us for a guard
        guard.let_newcomers_in()


def _came_up(guard: Guard, start_lock: int) -> bool:
    try:
        guard.bring_up()
        answer = READY
    except (EmbeddedError, OSError) as error:
        logger.warning("giving up: %s", error)
        answer = str(error)
    os.close(start_lock)
    _report(answer)
    return answer == READY


def _detach() -> None:
    if os.fork():
        os._exit(0)  # the user that starts us need not reap us
    os.setsid()
    os.chdir("/")
    os.umask(0o077)


def _report(answer: str) -> None:
    try:
        os.write(1, answer.encode())
    except BrokenPipeError:
        logger.info("whoever started us is gone")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.close(silence)


def _exit(_signal: int, _frame: object) -> NoReturn:
    sys.exit(0)
