"""The extension pg_partman out of the distribution's package: SQL alone, so it fits every PostgreSQL."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from tools import debian
from tools.npm import ROOT, Unavailable

CACHE = ROOT / ".partman"


def install(extension_dir: Path) -> None:
    """Put pg_partman into a directory where a PostgreSQL looks for extensions. Raises Unavailable."""
    for file in files():
        if not (extension_dir / file.name).exists():
            shutil.copy(file, extension_dir)
            (extension_dir / file.name).chmod(0o644)


def files() -> list[Path]:
    """The control file and the scripts. Raises Unavailable."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes come here at the same time
        if not (CACHE / "pg_partman.control").exists():
            _fetch()
    return [*CACHE.glob("*.sql"), CACHE / "pg_partman.control"]


def _fetch() -> None:
    debian.require()
    with tempfile.TemporaryDirectory() as scratch:
        debian.unpack([_package()], Path(scratch))
        [control] = Path(scratch).glob("usr/share/postgresql/*/extension/pg_partman.control")
        for script in control.parent.glob("pg_partman--*.sql"):
            shutil.copy(script, CACHE)
        shutil.copy(control, CACHE)  # last: it says that all are there


def _package() -> str:
    """Debian names it after its own PostgreSQL: postgresql-15-partman."""
    if not (names := _known()) and os.geteuid() == 0:
        debian.apt("update", "-qq")
        names = _known()
    if not names:
        raise Unavailable("apt knows no package of pg_partman; `apt-get update` may help")
    return names[0]


def _known() -> list[str]:
    return [line.split()[0] for line in debian.apt_cache("search", "--names-only", "^postgresql-[0-9]+-partman$")]
