"""Run the core tests on every other CPython found here, and once with the oldest packages that pyproject.toml allows."""

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
UV = Path(sys.executable).parent / "uv"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
CORE = ("tests/config", "tests/model", "tests/queues", "tests/runtime")
QUICK = ("-q", "-n", "2", "-p", "no:cacheprovider", "--no-header", "--deselect", "tests/queues/test_pooler.py")

EVERYTHING = ("--editable", ".[all]", "--group", "test")
"""What the oldest packages are chosen for."""


def main() -> int:
    """Run the matrix and print what was run and found; return the exit code."""
    here = ".".join(platform.python_version_tuple()[:2])
    others = {version: python for version, python in interpreters().items() if version != here}
    if not others:
        print(f"matrix: this machine has no other CPython of {', '.join(VERSIONS)} than {here}")
    results = [_run(f"CPython {version}", _locked(version, python)) for version, python in others.items()]
    results.append(_run(f"CPython {here}, oldest packages allowed", _oldest(sys.executable)))
    print("\n".join(["matrix:", *[f"  {line}" for line in results]]))
    return 0 if all(": passed" in line for line in results) else 1


def interpreters() -> dict[str, str]:
    """Version -> program, of the CPythons on PATH, in pyenv's directory, and of those that uv has installed."""
    listed = _output(UV, "python", "list", "--only-installed", "--offline")
    candidates = re.findall(r"cpython-\S+\s+(\S+)", listed)
    roots = {Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))}
    roots |= {Path(entry).parent for entry in os.environ["PATH"].split(os.pathsep) if entry.endswith(("/shims", ".pyenv/bin"))}
    roots |= {Path(sys.base_prefix).parent.parent}  # our own interpreter may have neighbours
    candidates += sorted(str(path) for root in roots for path in root.glob("versions/3.*/bin/python"))
    candidates += [path for version in VERSIONS if (path := shutil.which(f"python{version}"))]
    found: dict[str, str] = {}
    for path in candidates:  # a program on PATH may be a mere shim, so each is asked
        found.setdefault(_output(path, "-c", "import platform as p; print(p.python_implementation(), p.python_version())"), path)
    return {version: path for version in VERSIONS for told, path in found.items() if told.startswith(f"CPython {version}.")}


def _locked(version: str, python: str) -> Path | None:
    """An environment of that interpreter with the locked packages; None if it cannot be made."""
    environment = ROOT / f".venv-{version}"
    made = _said(UV, "venv", "--quiet", "--clear", "--python", python, environment)
    synced = made and _said(UV, "pip", "sync", "--quiet", "--require-hashes", "requirements/dev.txt", into=environment)
    return environment if synced and _said(UV, "pip", "install", "--quiet", "--no-deps", "-e", ".", into=environment) else None


def _oldest(python: str) -> Path | None:
    """An environment with the lowest version of each direct dependency; None if it cannot be made."""
    environment = ROOT / ".venv-oldest"
    made = _said(UV, "venv", "--quiet", "--clear", "--python", python, environment)
    lowest = ("pip", "install", "--quiet", "--resolution", "lowest-direct", *EVERYTHING)
    return environment if made and _said(UV, *lowest, into=environment) else None


def _run(name: str, environment: Path | None) -> str:
    """Run the core tests there; the line that tells how it went."""
    if environment is None:
        return f"{name}: the environment could not be made"
    began = time.monotonic()
    tests = [folder for folder in CORE if (ROOT / folder).is_dir()]
    print(f"matrix: {name}: {' '.join(tests)}", flush=True)
    done = subprocess.run([environment / "bin" / "python", "-m", "pytest", *QUICK, *tests], cwd=ROOT, check=False)
    return f"{name}: {'failed' if done.returncode else 'passed'} in {time.monotonic() - began:.0f} s"


def _said(*command: str | Path, into: Path | None = None) -> bool:
    variables = dict(os.environ) | ({"VIRTUAL_ENV": str(into)} if into else {})
    return subprocess.run(command, cwd=ROOT, check=False, env=variables).returncode == 0


def _output(*command: str | Path) -> str:
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
