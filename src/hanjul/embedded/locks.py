"""Kernel locks on files: whoever dies, however it dies, lets go of them.

Two kinds, because they differ where we need them to. A *flock* belongs to the open file: children inherit it, and it is
free when the last of them is gone. A *record lock* belongs to one process: exec keeps it, fork does not pass it on.
"""

import os
import time
from pathlib import Path

from .errors import Unsupported

try:
    import fcntl
except ImportError:
    raise Unsupported("the embedded PostgreSQL needs the file locks of Linux or macOS") from None

SHARED = fcntl.LOCK_SH
EXCLUSIVE = fcntl.LOCK_EX
POLL_S = 0.01


def open_file(path: Path) -> int:
    """A descriptor of the lock file at `path`, made if missing, closed on exec."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(fd: int, kind: int) -> bool:
    """Take the flock of `fd` if that needs no wait."""
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def take(path: Path, kind: int, *, timeout_s: float) -> int:
    """Wait for a flock; return the descriptor whose closing gives it back. Raises TimeoutError."""
    fd = open_file(path)
    deadline = time.monotonic() + timeout_s
    while not try_lock(fd, kind):  # polled: a thread blocked in flock() could be neither timed out nor called back
        if time.monotonic() > deadline:
            os.close(fd)
            raise TimeoutError(f"{path} stayed locked for {timeout_s:g} s")
        time.sleep(POLL_S)
    return fd


def unlock(fd: int) -> None:
    """Give the flock of `fd` back and keep the descriptor."""
    fcntl.flock(fd, fcntl.LOCK_UN)


def is_held(path: Path) -> bool:
    """Whether somebody holds the flock at `path` exclusively."""
    fd = open_file(path)
    try:
        return not try_lock(fd, SHARED)
    finally:
        os.close(fd)


def claim(fd: int) -> None:
    """Take the record lock of `fd` for the calling process."""
    fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_claimed(fd: int) -> bool:
    """Whether another process holds the record lock of `fd`."""
    try:
        claim(fd)
    except (BlockingIOError, PermissionError):
        return True
    fcntl.lockf(fd, fcntl.LOCK_UN)
    return False
