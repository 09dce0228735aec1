"""Programs that the server's account can reach: where they are, or a copy if a directory on the way is closed to it."""

import hashlib
import shutil
from pathlib import Path

from . import locks
from .account import Account
from .binaries import Binaries
from .home import Home


def reachable(binaries: Binaries, account: Account, home: Home) -> Binaries:
    """The same programs in a place that `account` may enter; permissions of others' directories stay as they are.

    Call it with the start lock held.
    """
    if account.obstacle(binaries.bin_dir.resolve() / "postgres") is None:
        return binaries
    prefix = binaries.prefix.resolve()
    copy = home.path / "programs" / f"{binaries.version}-{_fingerprint(prefix)}"
    if not copy.exists():
        if not locks.is_held(home.lock("server")):
            shutil.rmtree(copy.parent, ignore_errors=True)  # of versions that are gone
        _copy(prefix, copy)
    return Binaries(copy / prefix.parent.name / prefix.name / binaries.bin_dir.name, binaries.version)


def _copy(prefix: Path, copy: Path) -> None:
    draft = copy.with_name("new")
    shutil.rmtree(draft, ignore_errors=True)  # the half of an earlier try that was killed
    package = prefix.parent
    shutil.copytree(prefix, draft / package.name / prefix.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():  # programs find them relative to themselves, so the copy keeps the layout
        shutil.copytree(libraries, draft / libraries.name, symlinks=True)
    _open_to_all(copy.parent)
    draft.rename(copy)


def _open_to_all(root: Path) -> None:
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _fingerprint(prefix: Path) -> str:
    changed = (prefix / "bin" / "postgres").stat().st_mtime_ns
    return hashlib.sha256(f"{prefix} {changed}".encode()).hexdigest()[:8]
