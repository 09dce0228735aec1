"""What is certain, and what may be, out of the journals and the final state of a round.

An operation whose answer nobody saw may have happened or not: it is `UNKNOWN`, and a rule must hold for both. One in a
transaction whose commit was never asked for has not happened. Times are the database's own (`began`, `ended`: of the
statement, so it acted between the two), or, where no answer was seen, those of the process, which has the same clock.
`done` is when it was committed at the latest: its process had the answer. Only then does everybody see it.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.torture.journal import read_journals

EPS_S = 0.002
"""What rounding may cost."""

Id = tuple[str, int]
"""A message: its queue, and its id there."""


class Answer(Enum):
    """Whether an operation has happened."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Op:
    """One operation. `at`, `done`: by the process's clock; `done` is infinite if it saw no answer."""

    actor: str
    op: str
    told: dict[str, Any]
    at: float
    done: float = float("inf")
    answer: Answer = Answer.UNKNOWN
    began: float = 0.0
    ended: float = float("inf")
    rows: list[Any] = field(default_factory=list)
    refusal: str = ""


@dataclass(slots=True)
class Send:
    """One message that was sent. asked_at: its commit was not asked for before."""

    key: str
    queue: str
    sum: int
    group: str | None
    deed: str | None
    delay: float
    began: float
    done: float
    asked_at: float
    fate: Answer
    msg_id: int | None


@dataclass(slots=True)
class Delivery:
    """One message that one read has leased, or one pop has taken."""

    key: str | None
    id: Id
    ct: int
    released: int | None
    until: float | None
    sum: int
    pop: bool
    lease: float
    began: float
    ended: float
    done: float
    read: Op


@dataclass(slots=True)
class Change:
    """One settlement, extension or removal of one message.  ct: its fence, if it has one.  tx: together with an effect."""

    kind: str
    id: Id
    ct: int | None
    delay: float
    at: float
    began: float
    ended: float
    done: float
    answer: Answer
    refused: bool
    tx: bool


CLOSINGS = ("nack", "release", "ack", "ack_archive", "reject")
ENDINGS = ("delete", "archive", "ack", "ack_archive", "reject")
MOVES = ("nack", "release", "extend", "set_vt")


class Facts:
    """A round."""

    def __init__(self, ops: list[Op], final: dict[str, Any]) -> None:
        self.ops, self.final = ops, final
        self.strikes = [op for op in ops if op.op == "strike"]
        self.sends = {send.key: send for op in ops if op.op == "send" for send in _sends(op)}
        self.reads: dict[str, list[Op]] = defaultdict(list)
        self.deliveries: dict[Id, list[Delivery]] = defaultdict(list)
        self.changes: dict[Id, list[Change]] = defaultdict(list)
        for op in ops:
            if op.op in {"read", "pop"}:
                self.reads[op.told["queue"]].append(op)
                for delivery in _deliveries(op):
                    self.deliveries[delivery.id].append(delivery)
            elif "ids" in op.told:
                for change in _changes(op):
                    self.changes[change.id].append(change)
        for found in self.deliveries.values():
            found.sort(key=lambda delivery: (delivery.ct, delivery.pop, delivery.began))
        for changes in self.changes.values():
            changes.sort(key=lambda change: change.began)

    @cached_property
    def lost_reads(self) -> dict[str, list[Op]]:
        """Reads by queue that may have leased what nobody saw; also those of our loop that were repeated after a strike."""
        shaky = [op.at for op in self.strikes if op.told["kind"] != "kill"]
        return {
            queue: [
                op for op in reads if op.answer is Answer.UNKNOWN or (queue == "worked" and _any_within(shaky, op.at, op.done))
            ]
            for queue, reads in self.reads.items()
        }

    @cached_property
    def whereabouts(self) -> dict[str, list[tuple[str, str, int, int]]]:
        """By key, each place in which a message is at the end: (place, queue, id, sum)."""
        found: dict[str, list[tuple[str, str, int, int]]] = defaultdict(list)
        for place, queue, msg_id, key, number in self.remains():
            found[key or "?"].append((place, queue, msg_id, number))
        return found

    def remains(self) -> Iterator[tuple[str, str, int, str | None, int]]:
        """Everything that is left at the end: place, queue, id, key, checksum."""
        for queue, content in self.final["queues"].items():
            for row in content["rows"]:
                yield "queue", queue, row[0], row[5], row[6]
            for row in content["archived"]:
                yield "archive", queue, row[0], row[2], row[3]
        for row in self.final["dead"]:
            yield "dead", row[0], row[1], row[5], row[6]

    def id_of(self, send: Send) -> Id | None:
        """The message's id, as its sender or anybody else was told."""
        if send.msg_id is not None:
            return send.queue, send.msg_id
        return self._ids.get(send.key)

    def taken_away(self, message: Id) -> list[Change]:
        """What may have ended the message, refusals left out."""
        return [c for c in self.changes.get(message, ()) if c.kind in ENDINGS and c.answer is not Answer.NO]

    @cached_property
    def _ids(self) -> dict[str, Id]:
        seen = {d.key: d.id for found in self.deliveries.values() for d in found if d.key}
        return seen | {key: (queue, msg_id) for _, queue, msg_id, key, _ in self.remains() if key}


def load(directory: Path) -> Facts:
    """The facts of a round that was played in `directory`."""
    ops = [op for actor, lines in read_journals(directory) for op in _ops(actor, lines)]
    return Facts(ops, json.loads((directory / "final.json").read_text()))


def _ops(actor: str, lines: list[dict[str, Any]]) -> list[Op]:
    ops: dict[int, Op] = {}
    for line in lines:
        if "op" in line:
            ops[line["n"]] = Op(actor, line["op"], line, line["at"], began=line["at"])
        else:
            _complete(ops[line["n"]], line)
    commits = {op.told["tx"]: op for op in ops.values() if op.op == "commit"}
    for op in ops.values():
        if "tx" in op.told and op.op != "commit":
            _commit(op, commits.get(op.told["tx"]))
    return list(ops.values())


def _complete(op: Op, line: dict[str, Any]) -> None:
    op.done = line["done"]
    if line["ok"]:
        op.answer, op.rows = Answer.YES, line.get("rows", [])
        op.began, op.ended = line.get("began", op.at), line.get("ended", op.done)
    else:
        op.answer = Answer.NO if line["sure"] else Answer.UNKNOWN
        op.refusal = f"{line['error']} {line.get('text', '')}".strip() if line["sure"] else ""


def _commit(op: Op, commit: Op | None) -> None:
    """An operation of a transaction has happened if that was committed, and is seen from then on."""
    if commit is None or op.answer is not Answer.YES:
        op.answer, op.done = Answer.NO, float("inf")  # what it has locked may stay so for as long as its process is frozen
        return
    op.answer, op.done = commit.answer, commit.done
    op.told = {**op.told, "asked_at": commit.at}


def _sends(op: Op) -> Iterator[Send]:
    told = op.told
    asked_at = told.get("asked_at", op.at)
    for place, key in enumerate(told["keys"]):
        msg_id = op.rows[place] if place < len(op.rows) else None
        yield Send(
            key, told["queue"], told["sums"][place], told["groups"][place], told["deeds"][place], told["delay"],
            op.began, op.done, asked_at, op.answer, msg_id,
        )  # fmt: skip


def _deliveries(op: Op) -> Iterator[Delivery]:
    queue, pop = op.told["queue"], op.op == "pop"
    for msg_id, ct, released, until, key, number in op.rows:
        yield Delivery(
            key, (queue, msg_id), ct, released, until, number, pop, op.told["lease"], op.began, op.ended, op.done, op
        )  # fmt: skip


def _changes(op: Op) -> Iterator[Change]:
    told, fenced = op.told, "cts" in op.told
    delays = told.get("delay", 0)
    hit = {tuple(row[:2]) for row in op.rows} if fenced else set(op.rows)
    for place, msg_id in enumerate(told["ids"]):
        ct = told["cts"][place] if fenced else None
        refused = op.answer is Answer.YES and ((msg_id, ct) in hit if fenced else msg_id not in hit)
        yield Change(
            op.op, (told["queue"], msg_id), ct, delays[place] if isinstance(delays, list) else delays,
            op.at, op.began, op.ended, op.done, Answer.NO if refused else op.answer, refused, "tx" in told or "booked" in told,
        )  # fmt: skip


def _any_within(times: list[float], start: float, end: float) -> bool:
    return any(start - 1 <= time <= end for time in times)
