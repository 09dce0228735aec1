"""Rules about when a message comes: I2 not too early, I7 FIFO within a group, I11 not too late."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from operator import attrgetter

from tests.torture.facts import EPS_S, Delivery, Facts, Id, Send
from tests.torture.scene import IN_GROUPS, ORDERED
from tests.torture.told import Answer, Op
from tests.torture.verdict import Violation

OVERTAKES = 8
"""So many reads may take newer messages while an older one waits: those that met somebody else's row locks."""


def not_too_early(facts: Facts) -> Iterator[Violation]:
    """I2: what was never committed is nowhere; what was is delivered after its commit was asked for, and when it is due."""
    for send in facts.sends.values():
        if send.fate is Answer.NO and (places := facts.whereabouts.get(send.key)):
            yield Violation(
                "I2", send.queue, f"{send.key} was not sent here (rolled back, or not bound), and is in the {places[0][0]}"
            )
    for message, deliveries in facts.deliveries.items():
        for delivery in deliveries:
            its = facts.sends.get(delivery.key or "")
            if its is None:
                yield Violation("I2", message[0], f"message {message[1]}: nobody sent {delivery.key}")
            elif its.fate is Answer.NO:
                yield Violation("I2", message[0], f"message {message[1]}: {its.key} was not sent here, and delivered")
            elif delivery.ended < its.asked_at:
                yield Violation("I2", message[0], f"message {message[1]}: {its.key} was delivered before its commit")
            elif delivery.ended < its.began + its.delay - EPS_S:
                early = its.began + its.delay - delivery.ended
                yield Violation(
                    "I2", message[0], f"message {message[1]}: {its.key} was delivered {early:.3f} s before it was due"
                )


def fifo_within_groups(facts: Facts) -> Iterator[Violation]:
    """I7: no delivery while one that was sent before it, in its group, is not finished.

    A batch may have it after that one, but where groups are claimed: those have one message in flight.
    """
    for (queue, group), line in _groups(facts).items():
        for place, (send, message) in enumerate(line):
            for delivery in facts.deliveries.get(message, ()):
                for earlier, its_id in line[:place]:
                    if (
                        earlier.fate is Answer.YES
                        and earlier.done < send.began
                        and _may_stay(facts, its_id, delivery)
                        and not (queue not in ORDERED and _precedes(its_id, delivery))
                    ):
                        yield Violation(
                            "I7", queue, f"message {message[1]} of group {group} came before {its_id[1]} was finished"
                        )
                        break


def _groups(facts: Facts) -> dict[tuple[str, str | None], list[tuple[Send, Id]]]:
    """Each group's messages in the order of their ids, also those whose sender had no answer, but that were seen."""
    found: dict[tuple[str, str | None], list[tuple[Send, Id]]] = defaultdict(list)
    for send in facts.sends.values():
        if send.queue in IN_GROUPS and send.fate is not Answer.NO and (message := facts.id_of(send)):
            found[send.queue, send.group].append((send, message))
    for line in found.values():
        line.sort(key=lambda one: one[1][1])
    return found


def _may_stay(facts: Facts, message: Id, delivery: Delivery) -> bool:
    """Nothing can have finished the message before that delivery."""
    return not any(change.at < delivery.ended for change in facts.taken_away(message))


def _precedes(message: Id, delivery: Delivery) -> bool:
    batch = [row[0] for row in delivery.read.rows]
    return message[1] in batch and batch.index(message[1]) < batch.index(delivery.id[1])


def no_starvation(facts: Facts) -> Iterator[Violation]:
    """I11: whatever floods the queue, a message that is ready is not passed by again and again by reads that take newer ones.

    If its sender kept its transaction open, the scan bound may have passed it. It is then looked for by reads that find less
    than they ask for; while newer ones are plenty, it has to wait for one of many.
    """
    for queue, reads in facts.reads.items():
        taken = sorted(
            [op for op in reads if op.answer is Answer.YES and op.rows and not op.told.get("filtered")], key=attrgetter("began")
        )
        newest = {id(op): max(_heads(facts, op)) for op in taken}
        for message, ready, slow, first in _waits(facts, queue):
            passed = 0
            for op in taken[bisect_left(taken, ready, key=attrgetter("began")) :]:
                if op.began >= first.began:
                    break
                looked = not slow or len(op.rows) < op.told["qty"]
                passed += looked and op.ended < first.began and newest[id(op)] > message[1]
            if passed > OVERTAKES:
                yield Violation(
                    "I11", queue, f"message {message[1]} was ready, and passed by {passed} times in {first.began - ready:.3f} s"
                )


def _heads(facts: Facts, op: Op) -> list[int]:
    """The ids of a batch; of one that was read in groups, the first of each group."""
    if op.told["queue"] not in IN_GROUPS:
        return [row[0] for row in op.rows]
    first: dict[str | None, int] = {}
    for row in op.rows:
        send = facts.sends.get(row[4] or "")
        first.setdefault(send.group if send else None, row[0])
    return list(first.values())


def _waits(facts: Facts, queue: str) -> Iterator[tuple[Id, float, bool, Delivery]]:
    """Each message, when it was ready for certain, whether its sender was slow, and its first delivery, if that is known."""
    heads = _ready_as_heads(facts) if queue in IN_GROUPS else {}
    for send in facts.sends.values():
        if send.queue != queue or send.fate is not Answer.YES or send.msg_id is None:
            continue
        message = queue, send.msg_id
        ready = max(send.done + max(0.0, send.delay), heads.get(message, 0.0))
        deliveries = facts.deliveries.get(message)
        if deliveries and deliveries[0].ct == (0 if deliveries[0].pop else 1) and ready < deliveries[0].began:
            yield message, ready, send.asked_at > send.began, deliveries[0]


def _ready_as_heads(facts: Facts) -> dict[Id, float]:
    """When all that is before it in its group was finished."""
    found: dict[Id, float] = {}
    for line in _groups(facts).values():
        finished = 0.0
        for _, message in line:
            found[message] = finished
            ends = [change.done for change in facts.taken_away(message) if change.answer is Answer.YES]
            finished = max(finished, min(ends, default=float("inf")))
    return found
