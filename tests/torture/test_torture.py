"""The torture in short: some rounds of the SQL as it is, and of a few seeded bugs. The long form is `make torture`."""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.torture.adversary import Pace
from tests.torture.facts import load
from tests.torture.hunt import is_caught, pursue
from tests.torture.judge import judge_round
from tests.torture.mutants import MUTANTS, Mutant, hurry
from tests.torture.nursery import Nursery
from tests.torture.rounds import play
from tests.torture.stage import Stage, create_queues, stage

SECONDS = float(os.environ.get("TORTURE_SECONDS", "12"))
FEW = {  # one of each kind of work
    "a claim takes what is leased",
    "a refusal is not told",
    "a header is lost",
    "two of a group are claimed",
    "a topic reaches one queue",
    "a redrive only copies",
    "retention takes what is not finished",
}

pytestmark = [pytest.mark.xdist_group("torture"), pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def scene() -> Iterator[Stage]:
    with stage() as scene:
        yield scene


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


def test_kills_freezes_cuts_and_crashes_break_no_promise(scene: Stage, nursery: Nursery, tmp_path: Path) -> None:
    struck = play(scene, nursery, tmp_path / "round", seconds=SECONDS, pace=Pace(kill_s=0.35, crash_s=4), prepare=hurry)

    violations, _ = judge_round(tmp_path / "round")
    assert violations == [], "\n".join(map(str, violations)) + _redrives(tmp_path / "round")
    assert struck["kills"] > SECONDS / 2
    assert struck["crashes"] > 0


@pytest.mark.parametrize("mutant", [mutant for mutant in MUTANTS if mutant.name in FEW], ids=lambda mutant: mutant.name)
def test_a_seeded_bug_is_found(scene: Stage, nursery: Nursery, tmp_path: Path, mutant: Mutant) -> None:
    seen, _ = pursue(scene, nursery, tmp_path, mutant)

    assert is_caught(mutant, seen)


def test_every_seeded_bug_still_fits_the_sql(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        create_queues(conn)

        for mutant in MUTANTS:
            with conn.transaction(force_rollback=True):
                mutant.prepare(conn)

    assert len(MUTANTS) >= 60


def _redrives(directory: Path) -> str:
    """What is not kept for long, and tells most of a message with two ids."""
    return "\n".join(["", "redrives:", *(str(op) for op in load(directory).redrives)])
