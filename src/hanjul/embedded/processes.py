"""What the system tells about other processes: by /proc on Linux, by `ps` elsewhere."""

import contextlib
import os
import subprocess
from pathlib import Path

PROC = Path("/proc")


def program_of(pid: int) -> str:
    """The name of the program that runs as `pid`; empty if none does, also if only its zombie is left."""
    if (PROC / "self").exists():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if (PROC / str(pid) / "cmdline").read_bytes():  # empty for a zombie
                return (PROC / str(pid) / "comm").read_text().strip()
        return ""
    answer = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return Path(answer.stdout.strip()).name


def users_of(path: Path) -> set[int]:
    """The other processes that have `path` open, where /proc tells; elsewhere none."""
    found = set()
    for link in PROC.glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if link.readlink() == path:
                found.add(int(link.parts[2]))
    return found - {os.getpid()}
