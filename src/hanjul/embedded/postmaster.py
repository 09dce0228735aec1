"""PostgreSQL's first process: started, recognised, stopped. Locks tell whether it lives; a pid file never does."""

import contextlib
import os
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

from . import locks
from .account import Account
from .home import Home, last_lines, open_log
from .processes import program_of, users_of
from .wire import HOST

PROGRAM = "postgres"
FAST_STOP_S = 120.0  # a checkpoint of a busy server on a slow disk
IMMEDIATE_STOP_S = 20.0


class Postmaster:
    """The server of one data directory, whether we started it or a guard before us did.

    Two lock files are handed to it. `server.lock`, a flock, is inherited by every process it forks: free means that no
    process of an earlier server touches the data. `postmaster.lock`, a record lock, stays with the first process: free
    means that the postmaster is dead, whatever postmaster.pid says and whoever has its pid now.
    """

    def __init__(self, home: Home, bin_dir: Path, account: Account) -> None:
        self._home = home
        self._bin_dir = bin_dir
        self._account = account
        self._child: subprocess.Popen[bytes] | None = None
        self._claim = locks.open_file(home.lock("postmaster"))
        self._log_start = 0

    def is_alive(self) -> bool:
        """Whether the postmaster runs."""
        if self._child:
            self._child.poll()  # reap it
        return locks.is_claimed(self._claim)

    def start(self, port: int, *, orphans_timeout_s: float) -> None:
        """Start it, once the processes of the last one are gone. Raises TimeoutError if they stay."""
        self._end_orphans()
        server = locks.take(self._home.lock("server"), locks.EXCLUSIVE, timeout_s=orphans_timeout_s)
        try:
            self._drop_stale_pid_file()
            self._spawn(port, server)
        finally:
            os.close(server)

    def stop(self) -> bool:
        """Ask for a fast, then for an immediate shutdown; whether it ended. Committed work is safe."""
        for request, patience_s in ((signal.SIGINT, FAST_STOP_S), (signal.SIGQUIT, IMMEDIATE_STOP_S)):
            self._signal(request)
            if self._has_ended(patience_s):
                return True
        return False

    def was_killed(self) -> bool:
        """Whether a signal ended it, such as the one that the system sends when memory runs out."""
        return self._child is not None and (self._child.poll() or 0) < 0

    def last_words(self) -> str:
        """The end of what it logged since `start`."""
        return last_lines(self._home.log, start=self._log_start)

    def _spawn(self, port: int, server: int) -> None:
        log = open_log(self._home.log)
        self._log_start = self._home.log.stat().st_size
        try:
            self._child = subprocess.Popen(
                [self._bin_dir / "postgres", "-D", self._home.data, *self._settings(port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                pass_fds=(server, self._claim),
                preexec_fn=partial(locks.claim, self._claim),  # noqa: PLW1509  the guard has one thread
                start_new_session=True,
                **self._account.spawn_as(),
            )
        finally:
            os.close(log)

    def _settings(self, port: int) -> list[str]:
        settings = {"listen_addresses": HOST, "port": str(port), "unix_socket_directories": ""}
        if (self._home.major() or 0) >= 18:
            settings["extension_control_path"] = f"$system:{self._home.share}"
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _drop_stale_pid_file(self) -> None:
        """Remove postmaster.pid if a crash left it and its pid is another program's now (usual after a container's
        restart): PostgreSQL would refuse to start. The server lock, which we hold, says that it cannot be one of ours.
        """
        try:
            stale = program_of(self._pid()) != PROGRAM  # it is not if somebody ran pg_ctl by hand
        except FileNotFoundError:
            return
        except ValueError:  # cut short, as a full disk leaves it
            stale = True
        if stale:
            (self._home.data / "postmaster.pid").unlink(missing_ok=True)

    def _signal(self, request: signal.Signals) -> None:
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid(), request)

    def _pid(self) -> int:
        if self._child and self._child.poll() is None:
            return self._child.pid
        return int((self._home.data / "postmaster.pid").read_text().split("\n", 1)[0])

    def _has_ended(self, patience_s: float) -> bool:
        deadline = time.monotonic() + patience_s
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(locks.POLL_S)
        return True

    def _end_orphans(self) -> None:
        """As a postmaster does when one backend crashes: the rest may hold broken memory, and the data must be free."""
        lock = self._home.lock("server")
        for pid in users_of(lock) if locks.is_held(lock) else ():
            if program_of(pid) == PROGRAM:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGQUIT)
