"""Attach to the embedded server: start it if nobody has, keep it while we are here."""

import logging
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from . import locks, wire
from .account import server_account
from .errors import BadDataDirectory, EmbeddedError, StartFailed
from .home import Home, choose, prepare
from .launch import Say, ensure_guard

DATABASE = "hanjul"
NO_SUCH_DATABASE = "3D000"
WRONG_PASSWORD = "28P01"  # noqa: S105  a SQLSTATE
LONGEST_LOGIN_WAIT_S = 0.2
WATCH_S = 1.0
LONGEST_WATCH_S = 30.0

logger = logging.getLogger("hanjul.embedded")


class Server:
    """One use of the server. It stops about a second after the last use ended, by `close` or by the user's death."""

    def __init__(self, home: Home, users_lock: int, version: str) -> None:
        self._home = home
        self._users_lock = users_lock
        self._closing = threading.Lock()
        self._left = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="hanjul-embedded", daemon=True)
        self._watcher.start()
        self.version = version

    @property
    def dsn(self) -> str:
        """The URL of the database `hanjul`, with user, password and port."""
        return f"postgresql://{wire.USER}:{self._home.password()}@{wire.HOST}:{self.port}/{DATABASE}"

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1; the same after a restart, unless somebody else took it meanwhile."""
        return self._home.port() or 0

    @property
    def data_dir(self) -> Path:
        """The directory that holds everything of this server."""
        return self._home.path

    @property
    def extension_dir(self) -> Path | None:
        """Where `create extension` also looks: put control files and scripts here. None before PostgreSQL 18."""
        return self._home.share / "extension" if (self._home.major() or 0) >= 18 else None

    def close(self) -> None:
        """Leave. The server goes on while others use it."""
        with self._closing:
            if self._left.is_set():
                return
            self._left.set()
            self._watcher.join()
            self._replace_lost_guard()  # otherwise nobody would stop the server
            os.close(self._users_lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _e: BaseException | None, _at: TracebackType | None) -> None:
        self.close()

    def _watch(self) -> None:
        wait_s = WATCH_S
        while not self._left.wait(wait_s):
            wait_s = WATCH_S if self._replace_lost_guard() else min(wait_s * 2, LONGEST_WATCH_S)

    def _replace_lost_guard(self) -> bool:
        try:
            ensure_guard(self._home, timeout_s=60.0, say=logger.info)
        except (EmbeddedError, OSError) as error:
            logger.warning("the guard of %s is gone and cannot be replaced yet: %s", self._home.path, error)
            return False
        return True


def attach(data_dir: str | os.PathLike[str] | None = None, *, timeout_s: float = 60.0, say: Say | None = None) -> Server:
    """Use the server of `data_dir`, and start it if it does not run.

    data_dir: default is HANJUL_DATA_DIR, else a place of our own per user and major version.
    timeout_s: how long to wait for a server that starts, recovers or stops.
    say: is told in a few words what takes time; default is the logger `hanjul.embedded`.
    Raises EmbeddedError: BinariesNotFound, Unsupported, BadDataDirectory or StartFailed.
    """
    home = choose(data_dir)
    try:
        prepare(home, server_account())
        return _attach(home, timeout_s, say or logger.info)
    except TimeoutError as error:
        raise StartFailed(f"another process starts or stops this server, and does not come to an end: {error}") from error
    except OSError as error:
        raise BadDataDirectory(home.path, str(error)) from error


def _attach(home: Home, timeout_s: float, say: Say) -> Server:
    deadline = time.monotonic() + timeout_s
    users_lock = locks.take(home.lock("users"), locks.SHARED, timeout_s=timeout_s)
    try:
        return Server(home, users_lock, _log_in(home, deadline, say))
    except BaseException:
        os.close(users_lock)
        raise


def _log_in(home: Home, deadline: float, say: Say) -> str:
    """Wait for a server that knows our password; return its version."""
    wait_s = locks.POLL_S
    while True:
        ensure_guard(home, timeout_s=max(0.1, deadline - time.monotonic()), say=say)
        try:
            return _version_of(home)
        except (OSError, wire.Refused) as error:
            if isinstance(error, wire.Refused) and error.code == WRONG_PASSWORD:
                raise BadDataDirectory(home.path, "the server does not accept the password in its file") from None
            if time.monotonic() > deadline:
                raise StartFailed(f"PostgreSQL on port {home.port()} does not let us in: {error}") from error
        time.sleep(wait_s)
        wait_s = min(wait_s * 2, LONGEST_LOGIN_WAIT_S)


def _version_of(home: Home) -> str:
    port, password = home.port() or 0, home.password()
    try:
        with wire.Connection(port, password, DATABASE) as connection:
            return connection.parameters["server_version"].split()[0]
    except wire.Refused as refusal:
        if refusal.code != NO_SUCH_DATABASE:
            raise
    with wire.Connection(port, password, wire.USER) as connection:
        connection.execute(f"create database {DATABASE}")
    return _version_of(home)
