"""Who PostgreSQL runs as: ourselves, or, since it refuses root, the account `nobody`."""

import os
import pwd
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from .errors import Unsupported

UNPRIVILEGED = "nobody"
KEPT_VARIABLES = ("PATH", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class SpawnAs(TypedDict, total=False):
    """What `subprocess.Popen` needs to know to run a program as the account."""

    user: int
    group: int
    extra_groups: list[int]
    env: Mapping[str, str]


@dataclass(frozen=True)
class Account:
    """The account that runs the server; `other` if it is not the caller's."""

    name: str
    uid: int
    gid: int
    other: bool

    def spawn_as(self) -> SpawnAs:
        """Arguments for Popen. The environment is short: no secrets of ours, no PG* settings, English messages."""
        env = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ} | {"LC_ALL": "C"}
        if not self.other:
            return SpawnAs(env=env)
        return SpawnAs(user=self.uid, group=self.gid, extra_groups=[], env=env)

    def give(self, path: Path) -> None:
        """Make the account the owner of `path`, which must be ours."""
        if self.other:
            shutil.chown(path, self.uid, self.gid)

    def obstacle(self, path: Path) -> Path | None:
        """The first directory on the way to `path` (itself included) that the account may not enter."""
        if not self.other:
            return None
        way = [*reversed(path.parents), path]
        return next((step for step in way if step.is_dir() and not self._may_enter(step.stat())), None)

    def _may_enter(self, status: os.stat_result) -> bool:
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def server_account() -> Account:
    """The account for the server. Raises Unsupported for root where there is no account `nobody`."""
    if os.geteuid() != 0:
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError:
            raise Unsupported(f"PostgreSQL wants a name for user id {os.geteuid()}, which has none here") from None
        return Account(str(os.geteuid()), os.geteuid(), os.getegid(), other=False)
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise Unsupported(f"PostgreSQL refuses to run as root, and there is no account {UNPRIVILEGED!r}") from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, other=True)
