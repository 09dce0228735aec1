"""Is every seeded bug found? Rounds of each mutant until its mistake is, and some of the SQL as it is, which must pass."""

import shutil
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.torture.adversary import Pace
from tests.torture.judge import judge_round
from tests.torture.mutants import Mutant, Prepare, hurry
from tests.torture.nursery import Nursery
from tests.torture.record import KEPT
from tests.torture.rounds import play
from tests.torture.scene import QUEUES
from tests.torture.stage import Stage

PACE = Pace(kill_s=0.4, crash_s=0, freeze_s=0.5, cut_s=1.0, terminate_s=0)
CALM = Pace(kill_s=0, crash_s=0, freeze_s=0, cut_s=0, terminate_s=0)
SECONDS = 4.0
"""How long a round is."""
ROUNDS = 12
"""How many rounds a mutant may stay undetected."""


def hunt(stage: Stage, nursery: Nursery, place: Path, mutants: Sequence[Mutant]) -> int:
    """Print a table of what was found; 0 if all were, and nothing in the SQL as it is."""
    print(f"| {'mutant':40} | {'must be':10} | {'found as':24} | {'s':>4} |\n|{'-' * 42}|{'-' * 12}|{'-' * 26}|{'-' * 6}|")
    missed = [] if _is_clean(stage, nursery, place, mutants) else ["as it is"]
    for number, mutant in enumerate(mutants):
        seen, seconds = pursue(stage, nursery, place / f"mutant-{number}", mutant)
        caught = is_caught(mutant, seen)
        missed += [] if caught else [mutant.name]
        print(
            f"| {mutant.name:40} | {mutant.found_as:10} | {_listed(seen):24} | {seconds:4.0f} |{'' if caught else ' MISSED'}",
            flush=True,
        )
    print(f"\n{len(mutants) - len([name for name in missed if name != 'as it is'])} of {len(mutants)} mutants were caught")
    print("VERDICT: " + (f"MISSED: {', '.join(missed)}" if missed else "every seeded bug is found, and none where there is none"))
    return 1 if missed else 0


def _is_clean(stage: Stage, nursery: Nursery, place: Path, mutants: Sequence[Mutant]) -> bool:
    """Whether nothing is found in the SQL as it is, wherever mistakes are looked for."""
    started, seen = time.monotonic(), Counter[str]()
    for number, queues in enumerate({tuple(mutant.queues): None for mutant in mutants}):
        found, words = look(stage, nursery, place / f"as-it-is-{number}", hurry, queues)
        seen += found
        print("".join(f"  {word}\n" for word in words[:3]), end="")
    seconds = time.monotonic() - started
    print(f"| {'the SQL as it is':40} | {'nothing':10} | {_listed(seen):24} | {seconds:4.0f} |", flush=True)
    return not seen


def pursue(stage: Stage, nursery: Nursery, place: Path, mutant: Mutant) -> tuple[Counter[str], float]:
    """Rounds until the mutant is caught; what was violated, and how long it took."""
    started, seen = time.monotonic(), Counter[str]()
    for number in range(ROUNDS):
        found, _ = look(stage, nursery, place / str(number), mutant.prepare, mutant.queues, CALM if mutant.calm else PACE)
        seen += found
        if is_caught(mutant, seen):
            break
    return seen, time.monotonic() - started


def look(
    stage: Stage, nursery: Nursery, directory: Path, prepare: Prepare, queues: Sequence[str] = QUEUES, pace: Pace = PACE
) -> tuple[Counter[str], list[str]]:
    """One round: how often each invariant was violated, and in which words; one of the SQL as it is is kept then."""
    play(stage, nursery, directory, seconds=SECONDS, pace=pace, drain_s=10, prepare=prepare, queues=queues)
    violations, _ = judge_round(directory)
    if violations and prepare is hurry:
        shutil.copytree(directory, KEPT / f"hunt-{int(time.time())}")
    shutil.rmtree(directory)
    return Counter(violation.invariant for violation in violations), [str(violation) for violation in violations]


def is_caught(mutant: Mutant, seen: Counter[str]) -> bool:
    """Whether it was found as what it is."""
    return any(seen[invariant] for invariant in mutant.found_as.split())


def _listed(seen: Counter[str]) -> str:
    return " ".join(f"{invariant}:{count}" for invariant, count in sorted(seen.items())) or "nothing"
