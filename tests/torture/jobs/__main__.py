"""`python -m tests.torture.jobs`: so many kills over so many jobs; a verdict, a row for docs/reliability.md, and an exit code."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from tests.torture.adversary import Pace
from tests.torture.jobs.judge import judge_round
from tests.torture.jobs.play import play
from tests.torture.nursery import Nursery
from tests.torture.record import KEPT, Run
from tests.torture.stage import stage

STRUCK = ("kills", "crashes", "freezes", "cuts", "terminated")
SHOWN = 12
"""Violations that are printed."""


def main() -> int:
    """What the command line asks for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.jobs", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000, help="how many (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=100, help="of workers, at least (default: %(default)s)")
    parser.add_argument("--kill-every", type=float, default=0.4, metavar="S", help="on average (default: %(default)s)")
    parser.add_argument("--crash-every", type=float, default=8.0, metavar="S", help="on average (default: %(default)s)")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the server and the workers go too
    pace = Pace(kill_s=asked.kill_every, crash_s=asked.crash_every)
    with tempfile.TemporaryDirectory(prefix="hanjul-torture-") as place, stage() as scene, Nursery() as nursery:
        directory = Path(place, "round")
        progress = _Progress(asked.jobs, asked.kills)
        struck = play(scene, nursery, directory, jobs=asked.jobs, kills=asked.kills, pace=pace, watch=progress)
        violations, size = judge_round(directory)
        if violations:
            kept = KEPT / f"jobs-{datetime.now(UTC):%Y%m%dT%H%M%S}"
            shutil.copytree(directory, kept)
            print("\n".join(f"  {violation}" for violation in violations[:SHOWN]), f"\n  kept in {kept}")
    columns = {name: f"{struck[name]:,}" for name in STRUCK} | {name: f"{number:,}" for name, number in size.items()}
    print(f"\n| date | SQL | {' | '.join(columns)} | violations |\n|{' --- |' * (len(columns) + 3)}")
    run = Run.now()
    print(f"| {run.started[:10]} | {run.sql} | {' | '.join(columns.values())} | {len(violations)} |")
    print(f"VERDICT: {f'{len(violations)} VIOLATIONS' if violations else 'no violation'}")
    return 1 if violations else 0


class _Progress:
    """A line every ten seconds: how far it is, and how long it will take."""

    def __init__(self, jobs: int, kills: int) -> None:
        self._jobs, self._kills = jobs, kills
        self._began = self._told = time.monotonic()

    def __call__(self, count: Counter[str]) -> None:
        """So much was struck and enqueued."""
        now = time.monotonic()
        if now > self._told + 10:
            self._told = now
            share = min(count["kills"] / self._kills, count["jobs"] / self._jobs)
            left_s = (1 / max(share, 0.001) - 1) * (now - self._began)
            print(
                f"{count['jobs']:,} of {self._jobs:,} jobs, {count['kills']:,} of {self._kills:,} kills, "
                f"{count['crashes']} crashes; about {max(left_s, 0) / 60:.1f} minutes to go",
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
