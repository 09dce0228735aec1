"""Files out of the distribution's packages, which are unpacked and not installed."""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.npm import Unavailable

LONGEST_S = 300


def unpack(packages: Sequence[str], into: Path) -> None:
    """Download packages, and put what is in them under a directory. Raises Unavailable."""
    require()
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch).chmod(0o755)
        apt("download", *packages, cwd=scratch)
        for package in Path(scratch).glob("*.deb"):
            subprocess.run(["dpkg", "-x", package, into], check=True)


def require() -> None:
    """Raises Unavailable where there are no such packages."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise Unavailable("this comes from Debian's packages, and this machine has no apt")


def apt(*words: str, cwd: str | None = None) -> None:
    """Run apt-get. Raises Unavailable."""
    done = subprocess.run(["apt-get", *words], cwd=cwd, check=False, capture_output=True, text=True, timeout=LONGEST_S)
    if done.returncode:
        raise Unavailable(f"apt-get {' '.join(words)}: {done.stderr.strip()}")


def apt_cache(*words: str) -> list[str]:
    """The lines that apt-cache answers."""
    done = subprocess.run(["apt-cache", *words], capture_output=True, text=True, check=False, timeout=LONGEST_S)
    return done.stdout.splitlines()
