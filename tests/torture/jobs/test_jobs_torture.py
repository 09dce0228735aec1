"""The torture of jobs in short, some of our own SQL with a mistake in it, and small histories that each break one rule."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.torture.adversary import Pace
from tests.torture.jobs.judge import Facts, judge, judge_round
from tests.torture.jobs.play import play
from tests.torture.mutants import rewrite
from tests.torture.nursery import Nursery
from tests.torture.stage import Stage, stage
from tests.torture.told import Answer, Op

pytestmark = [pytest.mark.xdist_group("torture"), pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def scene() -> Iterator[Stage]:
    with stage() as scene:
        yield scene


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


def test_kills_freezes_cuts_and_crashes_lose_and_double_no_job(scene: Stage, nursery: Nursery, tmp_path: Path) -> None:
    pace = Pace(kill_s=0.4, crash_s=4)

    struck = play(scene, nursery, tmp_path / "round", jobs=2000, kills=20, pace=pace)

    violations, size = judge_round(tmp_path / "round")
    assert violations == []
    assert size["jobs"] == 2000
    assert struck["kills"] >= 20
    assert struck["crashes"] > 0
    assert size["late settlements refused"] > 0


MUTANTS: dict[str, tuple[tuple[str, str, str], str]] = {
    "what is leased is handed out": ((r"hanjul\._sweep", r"j\.leased_until <= ts", "true"), "J3"),
    "any attempt settles": ((r"hanjul\._end_jobs", r"j\.attempt = g\.attempt and", ""), "J2"),
    "retries have no end": ((r"hanjul\._sweep", r"j\.retry_count < j\.max_retries", "true"), "J4"),
}
ROUNDS = 6
"""How many a mutant may stay undetected."""


@pytest.mark.parametrize("name", MUTANTS)
def test_a_seeded_bug_is_found(scene: Stage, nursery: Nursery, tmp_path: Path, name: str) -> None:
    (functions, old, new), found_as = MUTANTS[name]
    mistake = partial(rewrite, functions=functions, old=old, new=new)
    pace = Pace(kill_s=0.4, crash_s=0, freeze_s=0.5, cut_s=0, terminate_s=0)
    seen: set[str] = set()

    for number in range(ROUNDS):
        if found_as not in seen:
            play(scene, nursery, tmp_path / str(number), jobs=900, kills=8, pace=pace, patience_s=5, prepare=mistake)
            seen |= {violation.invariant for violation in judge_round(tmp_path / str(number))[0]}

    assert found_as in seen


# Small histories


def op(name: str, at: float, done: float, **told: Any) -> Op:
    rows = told.pop("rows", [])
    return Op(told.pop("actor", "w1"), name, told, at, done, Answer.YES, rows=rows)


def fetch(ct: int, at: float, *, actor: str = "w1", attempt: int | None = None) -> Op:
    return op("fetch", at, at + 0.1, lease=1.0, rows=[["id", ct, attempt or ct]], actor=actor)


def run(ct: int, at: float, *, actor: str = "w1") -> Op:
    return op("run", at, float("inf"), id="id", ct=ct, attempt=ct, actor=actor)


def settled(name: str, ct: int, at: float, *, refused: bool = False) -> Op:
    return op(
        name,
        at,
        at + 0.1,
        pairs=[["id", ct]],
        rows=[["id", ct]] if refused else [],
        **({"lease": 1.0} if name == "extend" else {}),
    )


def ended(status: str, attempt: int, **more: Any) -> dict[str, Any]:
    job = {"id": "id", "key": "0", "queue": "q", "status": status, "attempt": attempt, "retry_count": 0, "max_retries": 2}
    return {**job, "reason": None, "payload": {"n": 3, "do": "square"}, "result": {"square": 9}, **more}


def found(ops: list[Op], *jobs: dict[str, Any], **final: Any) -> set[str]:
    state = {"enqueued": 1, "jobs": list(jobs), "there": [], "counted": [], "left": {}, **final}
    return {violation.invariant for violation in judge(Facts.of(ops, state))}


DONE, DONE_BY_TWO = ended("completed", 1), ended("completed", 2)
ONCE = [fetch(1, 0), run(1, 0.2), settled("ack", 1, 0.5)]
TWICE = [fetch(1, 0), run(1, 0.2), fetch(2, 1.5, actor="w2"), run(2, 1.7, actor="w2")]

RIGHT: dict[str, Callable[[], set[str]]] = {
    "one run": lambda: found(ONCE, DONE),
    "a second run after the lease": lambda: found([*TWICE, settled("ack", 2, 2)], ended("completed", 2, retry_count=1)),
    "a late settlement that is refused": lambda: found(
        [*TWICE, settled("ack", 1, 1.9, refused=True), settled("ack", 2, 2)], ended("completed", 2, retry_count=1)
    ),
    "a second run at once after a failure": lambda: found(
        [fetch(1, 0), run(1, 0.2), settled("nack", 1, 0.3), fetch(2, 0.4), run(2, 0.5), settled("ack", 2, 0.6)],
        ended("completed", 2, retry_count=1),
    ),
}
WRONG: dict[str, tuple[str, Callable[[], set[str]]]] = {
    "a job is lost": ("J1", lambda: found(ONCE)),
    "a job is there twice": ("J1", lambda: found(ONCE, DONE, DONE)),
    "a job that nobody enqueued": ("J1", lambda: found(ONCE, DONE, {**DONE, "id": "other", "key": "7"})),
    "a job has not ended": ("J1", lambda: found([fetch(1, 0)], ended("processing", 1))),
    "a wrong result": ("J2", lambda: found(ONCE, ended("completed", 1, result={"square": 8}))),
    "it failed with retries left": ("J2", lambda: found([fetch(1, 0)], ended("failed", 1, reason="max_attempts"))),
    "completed by nobody": ("J2", lambda: found([fetch(1, 0), run(1, 0.2)], DONE)),
    "a live job is handed out": ("J3", lambda: found([fetch(1, 0), fetch(2, 0.5), settled("ack", 2, 0.7)], DONE_BY_TWO)),
    "a renewed job is handed out": (
        "J3",
        lambda: found([*TWICE, settled("extend", 1, 0.9), settled("ack", 2, 2)], DONE_BY_TWO),
    ),
    "an attempt is handed out twice": (
        "J4",
        lambda: found([fetch(1, 0), fetch(1, 1.5, actor="w2"), settled("ack", 1, 2)], DONE),
    ),
    "an attempt is run twice": ("J4", lambda: found([*ONCE, run(1, 0.3)], DONE)),
    "more attempts than retries": (
        "J4",
        lambda: found([*(fetch(ct, 2.0 * ct) for ct in range(1, 5)), settled("ack", 4, 9)], ended("completed", 4)),
    ),
    "a failure is not counted": ("J4", lambda: found([fetch(1, 0), fetch(2, 2, attempt=1), settled("ack", 2, 3)], DONE_BY_TWO)),
    "run by who had not got it": ("J4", lambda: found([fetch(1, 0), run(1, 0.2, actor="w9"), settled("ack", 1, 0.5)], DONE)),
    "ended twice": ("J5", lambda: found([*ONCE, settled("reject", 1, 0.8)], DONE)),
    "an end is forgotten": ("J5", lambda: found(ONCE, ended("failed", 1, retry_count=2, reason="max_attempts"))),
    "handed out after its end": ("J5", lambda: found([*ONCE, fetch(2, 5)], DONE)),
    "a late settlement is accepted": ("J6", lambda: found([*TWICE, settled("ack", 1, 1.9)], DONE)),
    "a late renewal is accepted": ("J6", lambda: found([*TWICE, settled("extend", 1, 1.9), settled("ack", 2, 2)], DONE_BY_TWO)),
    "counts are wrong": ("J7", lambda: found(ONCE, DONE, counted=[["q", "k", "completed", 2]])),
    "a lock is left": ("J7", lambda: found(ONCE, DONE, left={"advisory": [[1]]})),
}


@pytest.mark.parametrize("name", RIGHT)
def test_nothing_is_said_about_what_is_right(name: str) -> None:
    assert RIGHT[name]() == set()


@pytest.mark.parametrize("name", WRONG)
def test_each_rule_finds_what_it_is_about(name: str) -> None:
    invariant, history = WRONG[name]

    assert invariant in history()
