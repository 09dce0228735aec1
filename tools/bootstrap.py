"""Make a virtual environment that holds nothing but uv: `bootstrap.py DIR uv==VERSION`. Standard library only."""

import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

MISSING_VENV = """\
This Python ({python}) was packaged without `venv`. Install it, then run make again:
    apt-get install python3-venv"""


def main(directory: str, installer: str) -> int:
    """Create the environment and install `installer` into it; return the exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036  (this file runs on whatever `python3` is)
        print(f"hanjul needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}. Try: make PYTHON=python3.12")
        return 1
    if importlib.util.find_spec("ensurepip") is None and not _install_venv_package():
        print(MISSING_VENV.format(python=sys.executable))
        return 1
    print(f"creating {directory} with Python {sys.version.split()[0]}")
    venv.create(directory, with_pip=True, clear=True)
    pip = [str(Path(directory, "bin", "python")), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    return subprocess.run([*pip, installer], check=False).returncode


def _install_venv_package() -> bool:
    """Debian keeps `venv` in a package of its own; as root we may fetch it."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    print("installing python3-venv")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", package]):
        done = subprocess.run(["apt-get", *command], check=False, stdout=subprocess.DEVNULL, env=environment)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
