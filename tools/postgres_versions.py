"""Run the SQL tests on PostgreSQL 14 to 17, which come from npm: `python -m tools.postgres_versions [MAJOR...]`."""

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

from tools import npm, partman

MAJORS = (14, 15, 16, 17)
BETWEEN = (15, 16)
"""Of these, unless they are asked for by number, without the tests of HTTP, which run on 14, 17 and 18: all take too long."""
WITHOUT_HTTP = ("--ignore-glob=*/test_net_*", "--ignore-glob=*/test_webhooks*")
PYTEST = ("-m", "pytest", "tests/sql", "-q", "-n", "3", "--dist", "loadgroup", "-p", "no:cacheprovider")


def main(arguments: list[str]) -> int:
    """Run the given major versions, or all; return the exit code."""
    majors = [int(argument) for argument in arguments] or list(MAJORS)
    places, missing = _places()
    shortened = [] if arguments else BETWEEN
    results = [_run(major, places[major], WITHOUT_HTTP if major in shortened else ()) for major in majors if major in places]
    missing += [f"PostgreSQL {major}: NOT TESTED, no programs of it" for major in majors if major not in places]
    print("\n".join(["older PostgreSQL:", *(f"  {line}" for line in [*results, *missing])]))
    return 0 if all(": passed" in line for line in results) else 1


def _places() -> tuple[dict[int, Path], list[str]]:
    """Major version -> bin directory; and what cannot be had, with the reason."""
    missing: list[str] = []
    try:
        modules = npm.install()
    except npm.Unavailable as error:
        missing.append(f"npm: {error}")
        return _of_the_package(), missing
    trees = {major: modules / f"postgres-{major}" / "native" for major in MAJORS}
    trees = {major: tree for major, tree in trees.items() if tree.is_dir()}
    if not trees:
        missing.append(f"npm has these programs for x86-64 Linux; this is {platform.machine()} {platform.system()}")
        return _of_the_package(), missing
    for tree in trees.values():
        _link(tree)
    return {major: tree / "bin" for major, tree in trees.items()}, missing + _partman()


def _of_the_package() -> dict[int, Path]:
    """The one older PostgreSQL that the embedded package brings."""
    from hanjul.embedded import locate

    return {16: locate(16).bin_dir}


def _link(tree: Path) -> None:
    """Make the symbolic links that an npm package cannot hold; the package lists them."""
    for link in json.loads((tree / "pg-symlinks.json").read_text()):
        target = tree.parent / link["target"]
        if not target.is_symlink():
            target.symlink_to(Path(link["source"]).name)


def _partman() -> list[str]:
    """Fetch it now, so that its absence is told at the end; a fixture of the tests puts it where the server looks."""
    try:
        partman.files()
    except npm.Unavailable as error:
        return [f"pg_partman: NOT TESTED WITH: {error}"]
    return []


def _run(major: int, bin_dir: Path, without: tuple[str, ...]) -> str:
    what = "SQL tests" + (" without those of HTTP" if without else "")
    print(f"{what} on PostgreSQL {major}", flush=True)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *PYTEST, *without], cwd=npm.ROOT, check=False, env=os.environ | {"HANJUL_PG_BIN": str(bin_dir)}
    )
    return f"PostgreSQL {major}, {what}: {'FAILED' if done.returncode else 'passed'} in {time.monotonic() - began:.0f} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
