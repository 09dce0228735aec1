"""Install what tests/node/package-lock.json names, with the system's npm or, where there is none, with one from PyPI."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tests" / "node"
MODULES = FOLDER / "node_modules"
OWN_NODE = ROOT / ".venv-node"
OPTIONS = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retry-maxtimeout=5000")
LONGEST_S = 600


class Unavailable(Exception):
    """What is needed cannot be had on this machine; the message says why."""


def install() -> Path:
    """The folder node_modules, complete. Raises Unavailable. Scripts that packages bring are not run."""
    lock = FOLDER / "package-lock.json"
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # test processes come here at the same time
        ready = MODULES / ".ready"
        if not ready.exists() or ready.read_bytes() != lock.read_bytes():
            print("installing the locked npm packages (once)", flush=True)
            _run([str(node().with_name("npm")), "ci", *OPTIONS])
            ready.write_bytes(lock.read_bytes())
    return MODULES


def node() -> Path:
    """The program `node`, with `npm` beside it. Raises Unavailable."""
    for directory in os.environ["PATH"].split(os.pathsep):
        if shutil.which("node", path=directory) and shutil.which("npm", path=directory):
            return Path(directory, "node")
    if not (OWN_NODE / ".ready").exists():
        print(f"no npm here: installing one from PyPI into {OWN_NODE.name} (once)", flush=True)
        uv = Path(sys.executable).with_name("uv")
        _run([str(uv), "venv", "--quiet", "--clear", "--python", sys.executable, str(OWN_NODE)])
        requirements = ROOT / "requirements" / "node.txt"
        _run([str(uv), "pip", "sync", "--quiet", "--python", f"{OWN_NODE}/bin/python", "--require-hashes", str(requirements)])
        (OWN_NODE / ".ready").touch()
    return OWN_NODE / "bin" / "node"


def _run(command: list[str]) -> None:
    variables = os.environ | {"PATH": f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"}  # npm looks for node there
    try:
        subprocess.run(command, cwd=FOLDER, env=variables, check=True, timeout=LONGEST_S, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(f"{' '.join(command[:3])}: {error}") from error
