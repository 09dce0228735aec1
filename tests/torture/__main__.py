"""`python -m tests.torture`: rounds until enough was killed, or all mutants; a verdict, a table, and an exit code."""

import argparse
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.torture.adversary import Pace
from tests.torture.hunt import hunt
from tests.torture.judge import judge_round
from tests.torture.mutants import MUTANTS, hurry
from tests.torture.nursery import Nursery
from tests.torture.record import KEPT, Record, Run
from tests.torture.rounds import play
from tests.torture.stage import Stage, stage
from tests.torture.verdict import INVARIANTS, Violation

SHOWN = 12
"""Violations of one round that are printed."""


def main() -> int:
    """What the command line asks for; the exit code."""
    asked = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the server and the actors go too
    if asked.check:
        return _check(asked.check)
    with tempfile.TemporaryDirectory(prefix="hanjul-torture-") as place, stage() as scene, Nursery() as nursery:
        failed = 0
        if not asked.mutants or asked.seconds or asked.kills or asked.crashes:
            failed += _torture(scene, nursery, Path(place), asked)
        if asked.mutants:
            chosen = [mutant for mutant in MUTANTS if re.search(asked.only, mutant.name)]
            failed += hunt(scene, nursery, Path(place), chosen)
        return min(failed, 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--seconds", type=float, help="end after the round in which this time is over (default: 60)")
    parser.add_argument(
        "--kills", type=int, default=0, help="go on until so many were killed, in all runs with this SQL together"
    )
    parser.add_argument("--crashes", type=int, default=0, help="go on until the server crashed so often, likewise")
    parser.add_argument(
        "--round", type=float, default=25, metavar="S", help="seconds of torture in a round (default: %(default)s)"
    )
    parser.add_argument("--kill-every", type=float, default=0.35, metavar="S", help="on average (default: %(default)s)")
    parser.add_argument("--crash-every", type=float, default=3.0, metavar="S", help="on average (default: %(default)s)")
    parser.add_argument(
        "--mutants",
        action="store_true",
        help="seed bugs, and see that each is found; after rounds, if there is a number of those",
    )
    parser.add_argument("--only", default="", metavar="PATTERN", help="only mutants with such names")
    parser.add_argument("--check", type=Path, metavar="DIRECTORY", help="judge a round that was kept, once more")
    return parser.parse_args()


def _torture(scene: Stage, nursery: Nursery, place: Path, asked: argparse.Namespace) -> int:
    record, run = Record.load(), Run.now()
    pace = Pace(kill_s=asked.kill_every, crash_s=asked.crash_every)
    seconds = asked.seconds or (60 if not asked.kills and not asked.crashes else float("inf"))
    began = time.monotonic()
    end = began + seconds
    print(f"torture of the SQL {run.sql}: {asked.round:g} s a round; so far {record.total(run.sql)}", flush=True)
    while time.monotonic() < end and not _enough(record, run, asked):
        _round(scene, nursery, place / f"round-{run.rounds + 1}", run, pace, asked.round)
        record.put(run)
        print(f"{run}{_to_go(record.total(run.sql), run, asked, time.monotonic() - began)}", flush=True)
    total = record.total(run.sql)
    print(f"\nall runs with this SQL, for docs/reliability.md:\n{total.table()}")
    print(
        "VERDICT: " + ("no violation" if not run.violations else f"{run.violations} VIOLATIONS; their rounds are kept in {KEPT}")
    )
    return 1 if run.violations else 0


def _enough(record: Record, run: Run, asked: argparse.Namespace) -> bool:
    total = record.total(run.sql)
    return bool(asked.kills or asked.crashes) and run.rounds > 0 and total.kills >= asked.kills and total.crashes >= asked.crashes


def _to_go(total: Run, run: Run, asked: argparse.Namespace, seconds: float) -> str:
    """How long it will go on, if it goes on until enough was struck."""
    shares = [(asked.kills - total.kills, run.kills), (asked.crashes - total.crashes, run.crashes)]
    rest_s = max((left / max(struck, 1) * seconds for left, struck in shares), default=0.0)
    return f"; about {rest_s / 60:.0f} minutes to go" if asked.seconds is None and rest_s > 0 else ""


def _round(scene: Stage, nursery: Nursery, directory: Path, run: Run, pace: Pace, seconds: float) -> None:
    prepare = hurry if run.rounds % 2 else None
    struck = play(scene, nursery, directory, seconds=seconds, pace=pace, prepare=prepare, watch=_Progress(run))
    violations, size = judge_round(directory)
    if violations:
        kept = KEPT / f"{run.started.replace(':', '')}-{directory.name}"
        shutil.copytree(directory, kept)
        _show(violations)
        print(f"  kept in {kept}")
    shutil.rmtree(directory)
    run.add(struck, size, len(violations))


class _Progress:
    """A line that is written again twice a second, where somebody may look at it."""

    def __init__(self, run: Run) -> None:
        self._run, self._next = run, 0.0

    def __call__(self, struck: Counter[str]) -> None:
        """So much was struck in this round."""
        if sys.stdout.isatty() and time.monotonic() > self._next:
            self._next = time.monotonic() + 0.5
            now = ", ".join(f"{self._run.counts[kind] + struck[kind]:,} {kind}" for kind in ("kills", "crashes"))
            print(f"round {self._run.rounds + 1}: {now}, {self._run.violations} violations so far ", end="\r", flush=True)


def _show(violations: Sequence[Violation]) -> None:
    for violation in violations[:SHOWN]:
        print(f"  {violation}")
    if len(violations) > SHOWN:
        print(f"  and {len(violations) - SHOWN} more")


def _check(directory: Path) -> int:
    violations, size = judge_round(directory)
    _show(violations)
    broken = sorted({violation.invariant for violation in violations})
    print(", ".join(f"{count:,} {what}" for what, count in size.items()))
    print("\n".join(f"{name}: {INVARIANTS[name]}" for name in broken) or "no violation")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
