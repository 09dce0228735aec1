"""The guard: one small process per data directory that keeps PostgreSQL running while anybody uses it.

Run by launch.py as `python -m hanjul.embedded.guard HOME BIN_DIR START_LOCK_FD`. Says "ready" on stdout, or why not.
README.md argues why this is safe.
"""

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
PORTS_TO_TRY = 3
LONGEST_BACKOFF_S = 10.0

logger = logging.getLogger("hanjul.embedded.guard")


class Guard:
    """Brings the server up, again if it dies, and down when nobody uses it."""

    def __init__(self, home: Home, bin_dir: Path) -> None:
        self._home = home
        self._postmaster = Postmaster(home, bin_dir, server_account())
        self._quiet_since: float | None = None
        self._backoff_s = 0.0
        self._next_start = 0.0

    def bring_up(self) -> None:
        """Start the server, or adopt the one that a killed guard left. Raises StartFailed."""
        if self._postmaster.is_alive():
            logger.info("adopting the server that runs already")
            self._wait_until_ready(self._home.port() or 0)
            return
        for _ in range(PORTS_TO_TRY):
            port = ports.choose(self._home.port())
            self._home.keep_port(port)
            try:
                self._start(port)
            except StartFailed:
                if ports.is_free(port):  # so that was not the reason
                    raise
            else:
                return
        raise StartFailed("others took every port that PostgreSQL was given", self._postmaster.last_words())

    def watch(self) -> int:
        """Return when nobody has used the server for a while; the result is the users lock, held exclusively."""
        while True:
            if (users := self._nobodys_turn()) is not None:
                return users
            if not self._postmaster.is_alive():
                self._revive()
            self._home.trim_logs()
            time.sleep(TICK_S)

    def stop(self) -> None:
        """Stop the server."""
        logger.info("stopping")
        if not self._postmaster.stop():
            logger.error("the server does not stop; leaving it to the next guard")

    def _start(self, port: int) -> None:
        self._postmaster.start(port, orphans_timeout_s=10.0)
        self._wait_until_ready(port)

    def _wait_until_ready(self, port: int) -> None:
        while not wire.is_ready(port):  # crash recovery takes what it takes; users have their own patience
            if not self._postmaster.is_alive():
                raise StartFailed("PostgreSQL did not start", self._postmaster.last_words())
            time.sleep(locks.POLL_S)

    def _nobodys_turn(self) -> int | None:
        users = locks.open_file(self._home.lock("users"))
        if not locks.try_lock(users, locks.EXCLUSIVE):
            os.close(users)
            self._quiet_since = None
            return None
        now = time.monotonic()
        self._quiet_since = self._quiet_since or now
        if now - self._quiet_since >= GRACE_S:
            return users  # kept: a newcomer waits until we are gone, and then starts anew
        os.close(users)
        return None

    def _revive(self) -> None:
        if time.monotonic() < self._next_start:
            return
        logger.warning("the server died: %s", self._postmaster.last_words())
        self._backoff_s = min(self._backoff_s * 2 or TICK_S, LONGEST_BACKOFF_S)
        self._next_start = time.monotonic() + self._backoff_s
        try:
            self._start(self._home.port() or 0)  # the same port: users hold its URL
        except (StartFailed, TimeoutError, OSError) as error:
            logger.warning("restart failed: %s", error)
        else:
            self._backoff_s = 0.0
            logger.info("the server is back")


def main() -> None:
    """Be the guard of the data directory that the command line names."""
    home, bin_dir, start_lock = Home(Path(sys.argv[1])), Path(sys.argv[2]), int(sys.argv[3])
    _detach()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s [%(process)d] %(message)s")
    guarding = locks.take(home.lock("guard"), locks.EXCLUSIVE, timeout_s=5.0)
    signal.signal(signal.SIGTERM, _exit)
    guard = Guard(home, bin_dir)
    users: int | None = None
    try:
        guard.bring_up()
        _report(READY, start_lock)
        users = guard.watch()
    except (EmbeddedError, OSError) as error:
        logger.exception("giving up")
        _report(str(error), start_lock)
    finally:
        guard.stop()
        os.close(guarding)  # before the users lock: a newcomer must not take us for a guard
        if users is not None:
            os.close(users)


def _detach() -> None:
    if os.fork():
        os._exit(0)  # the user that starts us need not reap us
    os.setsid()
    os.chdir("/")
    os.umask(0o077)


def _report(answer: str, start_lock: int) -> None:
    os.close(start_lock)
    try:
        os.write(1, answer.encode())
    except BrokenPipeError:
        logger.info("whoever started us is gone")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.close(silence)


def _exit(_signal: int, _frame: object) -> NoReturn:
    sys.exit(0)


if __name__ == "__main__":
    main()
