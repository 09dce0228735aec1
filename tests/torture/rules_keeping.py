"""Rules about what is done beside the traffic: bindings, dead letters that are put back, partitions."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from tests.torture.facts import Facts, Id, in_queue
from tests.torture.scene import PARTITIONED, REDRIVEN, TOPICS
from tests.torture.told import Answer, Op
from tests.torture.verdict import Violation

SLACK_S = 0.1
"""What the clock of a transaction may be behind that of its statements."""


def routes_are_taken(facts: Facts) -> Iterator[Violation]:
    """I1, I2: a message has a copy in each queue that was bound, in no other, and as many as its sender was told."""
    for op in facts.ops:
        if "route" not in op.told or not op.rows:
            continue
        reached = facts.routing.reached(op)
        must = {queue for queue, answer in reached.items() if answer is Answer.YES}
        may = {queue for queue, answer in reached.items() if answer is not Answer.NO}
        if op.op == "send_batch_topic":
            there = {row[0] for row in op.rows}
            many, few = len(there - may), len(must - there)
        else:
            many, few = max(0, op.rows[0] - len(may)), max(0, len(must) - op.rows[0])
            if op.answer is Answer.YES:
                yield from _counted(facts, op)
        if few:
            yield Violation("I1", "topics", f"{op.told['keys'][0]} by {op.told['route']} missed {few} of {sorted(must)}")
        if many:
            yield Violation("I2", "topics", f"{op.told['keys'][0]} by {op.told['route']} reached {many} more than {sorted(may)}")


def _counted(facts: Facts, op: Op) -> Iterator[Violation]:
    [key] = op.told["keys"]
    copies = sum(len(facts.lives.get(in_queue(key, queue) or key, ())) for queue in TOPICS)
    if copies < op.rows[0]:
        yield Violation("I1", "topics", f"{key} was sent to {op.rows[0]} queues, and is in {copies}")
    if copies > op.rows[0]:
        yield Violation("I14", "topics", f"{key} was sent to {op.rows[0]} queues, and there are {copies} copies")


def each_life_follows_the_last(facts: Facts) -> Iterator[Violation]:
    """I13, I14: a message gets another id only by a redrive, after it was rejected."""
    told = {(op.told["queue"], msg_id) for op in facts.redrives if op.answer is not Answer.NO for msg_id in op.rows}
    unsure = [op for op in facts.redrives if op.answer is Answer.UNKNOWN and not op.rows]
    untold = {op.told["queue"]: op.at for op in sorted(unsure, key=lambda op: op.at, reverse=True)}  # the first, whoever's it was
    for key, lives in facts.lives.items():
        for before, after in pairwise(lives if lives[0][0] in REDRIVEN else []):
            first = min((d.ended for d in facts.deliveries.get(after, ())), default=float("inf"))
            if after not in told and untold.get(after[0], float("inf")) > first:
                yield _of("I14", after, f"{key} was message {before[1]} before, and nobody put it back")
            rejections = [c for c in facts.changes.get(before, ()) if c.kind == "reject" and c.answer is not Answer.NO]
            if not rejections:
                yield _of("I13", after, f"{key} was put back, and nobody rejected it as message {before[1]}")
            elif first < min(c.began for c in rejections):
                yield _of("I13", after, f"{key} was put back before it was rejected as message {before[1]}")


def what_is_put_back_is_there(facts: Facts) -> Iterator[Violation]:
    """I1, I14: each id that a redrive tells of is one message that was dead."""
    times = Counter((op.told["queue"], msg_id) for op in facts.redrives if op.answer is Answer.YES for msg_id in op.rows)
    for message, count in times.items():
        if count > 1:
            yield _of("I14", message, f"{count} redrives say that they have made it")
        if message not in facts.put_back:
            yield _of("I1", message, "a redrive says that it has put back a message, which has not been seen since")


def may_be_retired(facts: Facts, message: Id) -> bool:
    """Whether the message may have been archived, and gone with its partition since."""
    archived = [c for c in facts.taken_away(message) if c.kind == "archive"]
    queue, retention = message[0], PARTITIONED[message[0]][1]
    if retention.isdigit():
        return bool(archived) and message[1] < _newest_archived(facts, queue) - int(retention)
    return any(c.began < facts.final["at"][0] - _seconds(retention) + SLACK_S for c in archived)


def partitions_come_and_go(facts: Facts) -> Iterator[Violation]:
    """I15: once nobody is in the way, default partitions are empty, what is past its retention is gone, no table is left over."""
    upkept = facts.final["upkept"]
    for queue in upkept["left"]:
        yield Violation("I15", queue, "nobody was in the way, and its partitions were not maintained")
    for name in facts.final["orphans"]:
        yield Violation("I15", "-", f"the table {name} is no partition of anything")
    for queue, prefix, name, high, rows in facts.final["partitions"]:
        if high is None and rows:
            yield Violation("I15", queue, f"{rows} rows are in the default partition {name}")
        elif high is not None and high <= _kept_from(facts, queue, prefix) and (prefix == "a" or not rows):
            yield Violation("I15", queue, f"the partition {name} ends at {high}, with {rows} rows, and should be gone")


def _kept_from(facts: Facts, queue: str, prefix: str) -> float:
    """Where the retention has passed for certain."""
    retention = PARTITIONED[queue][1]
    if not retention.isdigit():
        return float(facts.final["upkept"]["at"][0]) - _seconds(retention) - SLACK_S
    content = facts.final["queues"][queue]
    newest = max([row[0] for row in content["archived"]], default=0) if prefix == "a" else content["info"][2]
    return float(newest - int(retention))


def _newest_archived(facts: Facts, queue: str) -> int:
    return max([row[0] for row in facts.final["queues"][queue]["archived"]], default=0)


def _seconds(text: str) -> float:
    number, unit = text.split()
    assert unit in {"second", "seconds"}
    return float(number)


def _of(invariant: str, message: Id, what: str) -> Violation:
    return Violation(invariant, message[0], f"message {message[1]}: {what}")
