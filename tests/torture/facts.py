"""What is certain, and what may be, out of the journals and the final state of a round: messages, deliveries, changes."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.torture.journal import read_journals
from tests.torture.routing import Routing
from tests.torture.scene import TOPICS, WORKED
from tests.torture.told import Answer, Op, operations

EPS_S = 0.002
"""What rounding may cost."""

Id = tuple[str, int]
"""A message: its queue, and its id there."""


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
        self.routing = Routing(ops)
        self.sends = {send.key: send for op in ops if op.op == "send" for send in _sends(op)}
        self.sends |= {copy.key: copy for op in ops if "route" in op.told for copy in _copies(op, self.routing)}
        self.redrives = [op for op in ops if op.op == "redrive"]
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
            queue: [op for op in reads if op.answer is Answer.UNKNOWN or (queue in WORKED and _any_within(shaky, op.at, op.done))]
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
                yield "queue", queue, row[0], in_queue(row[5], queue), row[6]
            for row in content["archived"]:
                yield "archive", queue, row[0], in_queue(row[2], queue), row[3]
        for row in self.final["dead"]:
            yield "dead", row[0], row[1], row[5], row[6]

    def id_of(self, send: Send) -> Id | None:
        """The message's first id, as its sender or anybody else was told."""
        return (self.lives.get(send.key) or [None])[0]

    def last_id_of(self, send: Send) -> Id | None:
        """Its id since it was last put back."""
        return (self.lives.get(send.key) or [None])[-1]

    @cached_property
    def lives(self) -> dict[str, list[Id]]:
        """By key, the ids that a message had, one after the other: dead letters that are put back get a new one."""
        found: dict[str, set[Id]] = defaultdict(set)
        for message, key in self.named():
            found[key].add(message)
        return {key: sorted(ids) for key, ids in found.items()}

    @cached_property
    def put_back(self) -> set[Id]:
        """What had another id before."""
        return {message for ids in self.lives.values() for message in ids[1:]}

    @cached_property
    def had_another(self) -> set[Id]:
        """What has another id by now."""
        return {message for ids in self.lives.values() for message in ids[:-1]}

    def named(self) -> Iterator[tuple[Id, str]]:
        """Whenever anybody was told which message has which id."""
        for send in self.sends.values():
            if send.msg_id is not None and send.fate is Answer.YES:
                yield (send.queue, send.msg_id), send.key
        for message, deliveries in self.deliveries.items():
            yield from ((message, delivery.key) for delivery in deliveries if delivery.key)
        yield from (((queue, msg_id), key) for _, queue, msg_id, key, _ in self.remains() if key)

    def taken_away(self, message: Id) -> list[Change]:
        """What may have ended the message, refusals left out."""
        return [c for c in self.changes.get(message, ()) if c.kind in ENDINGS and c.answer is not Answer.NO]


def load(directory: Path) -> Facts:
    """The facts of a round that was played in `directory`."""
    ops = [op for actor, lines in read_journals(directory) for op in operations(actor, lines)]
    return Facts(ops, json.loads((directory / "final.json").read_text()))


def _sends(op: Op) -> Iterator[Send]:
    told = op.told
    asked_at = told.get("asked_at", op.at)
    for place, key in enumerate(told["keys"]):
        msg_id = op.rows[place] if place < len(op.rows) else None
        yield Send(
            key, told["queue"], told["sums"][place], told["groups"][place], told["deeds"][place], told["delay"],
            op.began, op.done, asked_at, op.answer, msg_id,
        )  # fmt: skip


def _copies(op: Op, routing: Routing) -> Iterator[Send]:
    """Of a message that was sent by a routing key, a copy for each queue, also for those that it did not reach."""
    told, batch = op.told, op.op == "send_batch_topic"
    ids: dict[str, list[int]] = defaultdict(list)
    for row in op.rows if batch else []:
        ids[row[0]].append(row[1])
    reached = routing.reached(op)
    if batch and op.rows:
        reached = {queue: Answer.YES if queue in ids else Answer.NO for queue in TOPICS}
    for queue, answer in reached.items():
        fate = _both(op.answer, answer)
        for place, key in enumerate(told["keys"]):
            msg_id = ids[queue][place] if place < len(ids[queue]) else None
            yield Send(
                in_queue(key, queue) or key, queue, told["sums"][place], None, None, told["delay"],
                op.began, op.done, told.get("asked_at", op.at), fate, msg_id,
            )  # fmt: skip


def _both(one: Answer, other: Answer) -> Answer:
    return Answer.NO if Answer.NO in {one, other} else Answer.UNKNOWN if Answer.UNKNOWN in {one, other} else Answer.YES


def in_queue(key: str | None, queue: str) -> str | None:
    """What a message is called here: of those that are sent by routing key, each queue has a copy."""
    return f"{key}@{queue}" if key and queue in TOPICS else key


def _deliveries(op: Op) -> Iterator[Delivery]:
    queue, pop = op.told["queue"], op.op == "pop"
    for msg_id, ct, released, until, key, number in op.rows:
        yield Delivery(
            in_queue(key, queue), (queue, msg_id), ct, released, until, number,
            pop, op.told["lease"], op.began, op.ended, op.done, op,
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
