"""The judge of jobs: what the workers wrote down, against how all jobs ended.

J1  no job is lost or doubled: each that was enqueued is there once, and has ended
J2  it ended rightly: completed with its result, or failed with its retries spent
J3  an attempt is handed out when the one before has failed, or its lease has ended
J4  attempts rise, each is handed out and run once, and no job has more than max_retries + 1
J5  at most one settlement ends a job, and nothing is handed out after it
J6  no settlement or renewal is accepted of an attempt that another has followed
J7  the counts say what is there, and nothing is left behind
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.torture.facts import EPS_S
from tests.torture.jobs.worker import right_result
from tests.torture.journal import read_journals
from tests.torture.told import Answer, Op, operations
from tests.torture.verdict import Violation

ENDINGS = ("ack", "reject")
SETTLEMENTS = (*ENDINGS, "nack", "release")


@dataclass(slots=True)
class Act:
    """What was asked of one attempt.  refused: it was too late."""

    op: Op
    ct: int
    refused: bool = False
    attempt: int = 0

    @property
    def accepted(self) -> bool:
        return self.op.answer is Answer.YES and not self.refused


@dataclass
class Facts:
    """What happened to each job, by id: fetches and runs by attempt, settlements and renewals; and how all of it ended."""

    final: dict[str, Any]
    fetches: dict[str, list[Act]] = field(default_factory=lambda: defaultdict(list))
    runs: dict[str, list[Act]] = field(default_factory=lambda: defaultdict(list))
    settlements: dict[str, list[Act]] = field(default_factory=lambda: defaultdict(list))
    renewals: dict[str, list[Act]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, ops: list[Op], final: dict[str, Any]) -> "Facts":
        facts = cls(final)
        for op in ops:
            facts._take(op)
        for acts in facts.fetches.values():
            acts.sort(key=lambda act: (act.ct, act.op.at))
        return facts

    def _take(self, op: Op) -> None:
        if op.op == "fetch":
            for job_id, ct, attempt in op.rows:
                self.fetches[job_id].append(Act(op, ct, attempt=attempt))
        elif op.op == "run":
            self.runs[op.told["id"]].append(Act(op, op.told["ct"], attempt=op.told["attempt"]))
        elif "pairs" in op.told:
            refused = {(job_id, ct) for job_id, ct in op.rows}
            found = self.renewals if op.op == "extend" else self.settlements
            for job_id, ct in op.told["pairs"]:
                found[job_id].append(Act(op, ct, (job_id, ct) in refused))

    def size(self) -> dict[str, int]:
        """How much there was to judge."""
        settlements = [act for acts in self.settlements.values() for act in acts]
        return {
            "jobs": len(self.final["jobs"]),
            "attempts": sum(len(acts) for acts in self.fetches.values()),
            "second runs": sum(len(acts) - 1 for acts in self.runs.values()),
            "late settlements refused": sum(act.refused for act in settlements),
            "completed": sum(job["status"] == "completed" for job in self.final["jobs"]),
            "failed": sum(job["status"] == "failed" for job in self.final["jobs"]),
        }


def nothing_lost(facts: Facts) -> Iterator[Violation]:
    """J1."""
    found: dict[str, int] = defaultdict(int)
    for job in facts.final["jobs"]:
        found[job["key"]] += 1
        if job["status"] not in {"completed", "failed"}:
            yield Violation("J1", job["queue"], f"job {job['key']} is {job['status']} at the end")
    for n in range(facts.final["enqueued"]):
        if found.pop(str(n), 0) != 1:
            yield Violation("J1", "-", f"job {n} was lost or doubled")
    for key in found:
        yield Violation("J1", "-", f"job {key} was never enqueued")


def rightly_ended(facts: Facts) -> Iterator[Violation]:
    """J2."""
    for job in facts.final["jobs"]:
        right = right_result(job["payload"])
        if job["status"] == "completed" and (right is None or job["result"] != json.loads(right)):
            yield Violation("J2", job["queue"], f"job {job['key']} is completed with {job['result']!r}")
        elif job["status"] == "failed" and (job["retry_count"], job["reason"]) != (job["max_retries"], "max_attempts"):
            yield Violation("J2", job["queue"], f"job {job['key']} failed after {job['retry_count']} retries: {job['reason']}")
        acked = {act.ct for act in facts.settlements[job["id"]] if act.op.op == "ack" and not act.refused}
        if job["status"] == "completed" and job["attempt"] not in acked:
            yield Violation(
                "J2", job["queue"], f"job {job['key']} is completed by attempt {job['attempt']}, which nobody has done"
            )


def after_the_lease(facts: Facts) -> Iterator[Violation]:
    """J3."""
    for job_id, fetches in facts.fetches.items():
        given_back = {act.ct for act in facts.settlements[job_id] if act.op.op in {"nack", "release"} and not act.refused}
        for before, after in pairwise(fetches):
            if before.ct in given_back:
                continue
            starts = [before.op, *(act.op for act in facts.renewals[job_id] if act.ct == before.ct and act.accepted)]
            ends = max(op.at + op.told["lease"] for op in starts)
            if after.op.done < ends - EPS_S:
                early_s = ends - after.op.done
                yield Violation(
                    "J3", "-", f"job {job_id}: attempt {after.ct} came {early_s:.3f} s before attempt {before.ct} ended"
                )


def attempts_bounded(facts: Facts) -> Iterator[Violation]:
    """J4."""
    max_retries = {job["id"]: job["max_retries"] for job in facts.final["jobs"]}
    for what, found in (("handed out", facts.fetches), ("run", facts.runs)):
        for job_id, acts in found.items():
            cts = [act.ct for act in acts]
            if len(set(cts)) < len(cts):
                yield Violation("J4", "-", f"job {job_id}: one attempt was {what} twice: {sorted(cts)}")
            if len(cts) > max_retries.get(job_id, 0) + 1:
                yield Violation("J4", "-", f"job {job_id} was {what} {len(cts)} times")
    for job_id, fetches in facts.fetches.items():
        if any(after.attempt <= before.attempt for before, after in pairwise(fetches)):
            yield Violation("J4", "-", f"job {job_id}: attempts do not rise: {[act.attempt for act in fetches]}")
        for run in facts.runs[job_id]:
            if run.ct not in {act.ct for act in fetches if act.op.actor == run.op.actor}:
                yield Violation("J4", "-", f"job {job_id}: attempt {run.ct} was run by who had not got it")


def one_ending(facts: Facts) -> Iterator[Violation]:
    """J5."""
    ended = {job["id"]: job for job in facts.final["jobs"]}
    for job_id, acts in facts.settlements.items():
        endings = [act for act in acts if act.op.op in ENDINGS and act.accepted]
        if len(endings) > 1:
            yield Violation("J5", "-", f"job {job_id} was ended {len(endings)} times")
        for ending in endings:
            status = "completed" if ending.op.op == "ack" else "failed"
            if job_id not in ended or (ended[job_id]["status"], ended[job_id]["attempt"]) != (status, ending.ct):
                yield Violation("J5", "-", f"job {job_id} was ended by attempt {ending.ct} as {status}, and is not")
            if any(act.op.at > ending.op.done + EPS_S for act in facts.fetches[job_id]):
                yield Violation("J5", "-", f"job {job_id} was handed out after it had ended")


def fenced(facts: Facts) -> Iterator[Violation]:
    """J6."""
    for job_id in facts.fetches.keys() & (facts.settlements.keys() | facts.renewals.keys()):
        for act in [*facts.settlements[job_id], *facts.renewals[job_id]]:
            followed = [after for after in facts.fetches[job_id] if after.ct > act.ct and after.op.done < act.op.at - EPS_S]
            if act.accepted and followed:
                yield Violation("J6", "-", f"job {job_id}: {act.op.op} of attempt {act.ct} came after attempt {followed[0].ct}")


def nothing_left(facts: Facts) -> Iterator[Violation]:
    """J7."""
    counted, there = facts.final["counted"], facts.final["there"]
    if counted != there:
        yield Violation("J7", "-", f"the counts say {counted}, there are {there}")
    for what, rows in facts.final["left"].items():
        if rows:
            yield Violation("J7", "-", f"{what} left behind: {rows}")


RULES: tuple[Callable[[Facts], Iterator[Violation]], ...] = (
    nothing_lost,
    rightly_ended,
    after_the_lease,
    attempts_bounded,
    one_ending,
    fenced,
    nothing_left,
)


def judge(facts: Facts) -> list[Violation]:
    """Everything that is wrong."""
    return sorted({violation for rule in RULES for violation in rule(facts)})


def judge_round(directory: Path) -> tuple[list[Violation], dict[str, int]]:
    """What is wrong with a round, and how much there was to judge."""
    ops = [op for actor, lines in read_journals(directory) for op in operations(actor, lines)]
    facts = Facts.of(ops, json.loads((directory / "final.json").read_text()))
    failures = [line for line in (directory / "errors.log").read_text().splitlines() if line[:1].strip()]  # a trace is indented
    failed = [Violation("errors", "-", f"an actor failed: {failures[-1]}")] if failures else []
    return judge(facts) + failed, facts.size()
