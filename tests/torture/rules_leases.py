"""Rules about leases: I3 one live lease, I4 attempts, I6 fencing, I10 redelivery."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import pairwise

from tests.torture.facts import CLOSINGS, EPS_S, MOVES, Change, Delivery, Facts, Id
from tests.torture.scene import IN_GROUPS, MIN_LEASE_S, PARKED_S
from tests.torture.told import LINGER_S, Answer, Op
from tests.torture.verdict import Violation

IDLE_S = 1.0
"""How long a visible message may stay while readers come back with too little."""


def one_live_lease(facts: Facts) -> Iterator[Violation]:
    """I3: the next delivery is not before the lease of the last one ended, and each lease is as long as was asked."""
    for message, deliveries in facts.deliveries.items():
        for delivery in deliveries:
            if delivery.until is not None and not delivery.pop and not _is_full(delivery):
                yield _of("I3", message, f"a lease of {delivery.lease} s lasts {delivery.until - delivery.began:.3f} s")
        for before, after in pairwise(deliveries):
            if not before.pop and after.ended < (end := _earliest_end(facts, message, before, after)) - EPS_S:
                yield _of(
                    "I3", message, f"delivery {after.ct} comes {end - after.ended:.3f} s before the lease of {before.ct} ends"
                )


def _is_full(delivery: Delivery) -> bool:
    assert delivery.until is not None
    return delivery.began + delivery.lease - EPS_S <= delivery.until <= delivery.ended + delivery.lease + EPS_S


def _earliest_end(facts: Facts, message: Id, before: Delivery, after: Delivery) -> float:
    """The earliest moment at which the lease can have ended, whatever became of operations without an answer."""
    moves = [move for move in _moves(facts, message) if move.ct in {None, before.ct}
             and move.at < after.ended and move.ended > before.began]  # fmt: skip
    last = max((move.began for move in moves if _is_certain(move, moves) and move.ended < after.began), default=0.0)
    ends = [before.began + before.lease] if last <= before.ended else []
    ends += [move.began + move.delay for move in moves if move.ended >= last]
    unseen = after.ct - before.ct - (0 if after.pop else 1)
    if unseen > 0 and not any(move.ct is None for move in moves):
        return min(ends) + unseen * min(
            (op.told["lease"] for op in facts.lost_reads.get(message[0], ()) if op.told["lease"]), default=0.0
        )
    return min(ends)


def _moves(facts: Facts, message: Id) -> list[Change]:
    return [c for c in facts.changes.get(message, ()) if c.kind in MOVES and c.answer is not Answer.NO]


def _is_certain(move: Change, moves: list[Change]) -> bool:
    """It has set the end: a nack or release that comes again changes nothing, though it is accepted."""
    if move.answer is not Answer.YES:
        return False
    return move.kind not in CLOSINGS or not any(m.kind in CLOSINGS and m is not move and m.at < move.ended for m in moves)


def attempts_are_counted(facts: Facts) -> Iterator[Violation]:
    """I4: from 1, strictly rising, without a gap but for reads whose answer was lost; and releases as they were made."""
    missing: dict[str, int] = {}
    for message, deliveries in facts.deliveries.items():
        counts = [delivery.ct for delivery in deliveries if not delivery.pop]
        if len(counts) > len(set(counts)):
            yield _of("I4", message, f"attempts {counts}: one came twice")
        if counts and counts[0] < 1:
            yield _of("I4", message, f"the first attempt is {counts[0]}")
        for before, after in pairwise(deliveries):
            if before.ct < after.ct and after.ended < before.began:
                yield _of("I4", message, f"attempt {after.ct} was before attempt {before.ct}")
        missing[message[0]] = missing.get(message[0], 0) + (max(counts) - len(set(counts)) if counts else 0)
        yield from _unexplained_gaps(facts, message, deliveries)
        yield from _wrong_releases(facts, message, deliveries)
    for queue, count in missing.items():
        if count > (lost := sum(op.told["qty"] for op in facts.lost_reads.get(queue, ()))):
            yield Violation(
                "I4", queue, f"{count} attempts were seen by nobody, but reads that were lost asked for {lost} at most"
            )


def _unexplained_gaps(facts: Facts, message: Id, deliveries: list[Delivery]) -> Iterator[Violation]:
    for before, after in pairwise([None, *[d for d in deliveries if not d.pop]]):
        assert after is not None
        first, since = (before.ct, before.began) if before else (0, 0.0)
        lost = facts.lost_reads.get(message[0], ())
        if after.ct - first - 1 > sum(op.at < after.ended and _over(op) > since for op in lost):
            yield _of("I4", message, f"attempt {after.ct} comes after {first}, and no read was lost between them")


def _over(op: Op) -> float:
    return min(op.done, op.at) + LINGER_S if op.answer is Answer.UNKNOWN else op.ended


def _wrong_releases(facts: Facts, message: Id, deliveries: list[Delivery]) -> Iterator[Violation]:
    made = [c for c in facts.changes.get(message, ()) if c.kind == "release" and c.answer is not Answer.NO]
    for delivery in deliveries:
        if delivery.released is None:
            continue
        surely = {c.ct for c in made if c.answer is Answer.YES and c.done < delivery.began}
        perhaps = {c.ct for c in made if c.at < delivery.ended}
        if not len(surely) <= delivery.released <= len(perhaps):
            yield _of(
                "I4",
                message,
                f"delivery {delivery.ct} says {delivery.released} releases; {len(surely)} to {len(perhaps)} were made",
            )


def fencing(facts: Facts) -> Iterator[Violation]:
    """I6: nothing is accepted of an attempt when a newer one was delivered, or when that attempt was settled."""
    for message, changes in facts.changes.items():
        accepted = [c for c in changes if c.ct is not None and c.answer is Answer.YES]
        for change in accepted:
            newer = [
                d.ct for d in facts.deliveries.get(message, ()) if d.ct > (change.ct or 0) and not d.pop and d.done < change.began
            ]
            if newer:
                yield _of("I6", message, f"{change.kind} of attempt {change.ct} was accepted after delivery {newer[0]}")
            closed = [c.kind for c in accepted if c.kind in CLOSINGS and c.ct == change.ct and c.done < change.began]
            if closed and not {change.kind, *closed} <= {"nack", "release"}:  # which are done already if they come again
                yield _of("I6", message, f"{change.kind} of attempt {change.ct} was accepted after its {closed[0]}")


def bounded_redelivery(facts: Facts) -> Iterator[Violation]:
    """I10: a visible message is not there for a second while readers of its queue find less than they asked for."""
    idle = {queue: _idle_reads(reads) for queue, reads in facts.reads.items() if queue not in IN_GROUPS}
    sent = [
        (facts.id_of(send), send.done + max(0.0, send.delay))
        for send in facts.sends.values()
        if send.fate is Answer.YES and send.queue in idle
    ]
    sent += [((op.told["queue"], msg_id), op.done) for op in facts.redrives if op.answer is Answer.YES for msg_id in op.rows]
    for message, visible in sent:
        if message is None:
            continue
        deliveries, reads = facts.deliveries.get(message, []), idle.get(message[0], [])
        first = deliveries[0] if deliveries else None
        if first is None or first.ct == (0 if first.pop else 1):
            yield from _overlooked(facts, message, visible, first, reads)
        for before, after in pairwise([*deliveries, None]):
            assert before is not None
            if not before.pop and (after is None or after.ct - before.ct == (0 if after.pop else 1)):
                yield from _overlooked(facts, message, _latest_end(facts, message, before), after, reads)


def all_is_drained(facts: Facts) -> Iterator[Violation]:
    """I10: when consumers had time enough, nothing is left but what was parked for long, or came from a late sender just now."""
    [now] = facts.final["at"]
    for queue, content in facts.final["queues"].items():
        due = [row for row in content["rows"] if row[3] < now + PARKED_S / 2]
        left = [row[0] for row in due if row[1] or row[3] < now - IDLE_S]
        if left:
            yield Violation("I10", queue, f"{len(left)} messages are left that consumers could have had, as {left[0]}")


def _latest_end(facts: Facts, message: Id, delivery: Delivery) -> float:
    moves = [move for move in _moves(facts, message) if move.ct in {None, delivery.ct}]
    return max([delivery.done, delivery.ended + delivery.lease, *[min(m.done, m.at + LINGER_S) + m.delay for m in moves]])


def _idle_reads(reads: list[Op]) -> list[Op]:
    short = [op for op in reads if op.answer is Answer.YES and len(op.rows) < op.told["qty"] and not op.told.get("filtered")]
    return sorted(short, key=lambda op: op.began)


def _overlooked(facts: Facts, message: Id, visible: float, after: Delivery | None, idle: list[Op]) -> Iterator[Violation]:
    """Visible for certain from `visible` to the next thing that touches it, but idle readers went by, and again later."""
    endings = {id(change) for change in facts.taken_away(message)}
    touches = [c.at for c in facts.changes.get(message, ()) if c.done > visible or id(c) in endings]
    touched = min(touches, default=float("inf"))
    untouched_until = min(after.began if after else float("inf"), touched, *_unseen(facts, message, after, visible))
    seen_at = None
    for op in idle[bisect_left(idle, visible, key=lambda op: op.began) :]:
        if op.began >= untouched_until:
            return
        if op.ended < untouched_until:
            seen_at = seen_at or op.began
            if op.began > seen_at + IDLE_S:
                yield _of(
                    "I10", message, f"visible since {op.began - visible:.3f} s, and overlooked by reads that found too little"
                )
                return


def _unseen(facts: Facts, message: Id, after: Delivery | None, visible: float) -> list[float]:
    """When the message may have been leased without a witness; infinite if it is proved that it was not."""
    if after is not None:
        return [float("inf")]
    return [op.at for op in facts.lost_reads.get(message[0], ()) if _over(op) > visible - MIN_LEASE_S] or [float("inf")]


def _of(invariant: str, message: Id, what: str) -> Violation:
    return Violation(invariant, message[0], f"message {message[1]}: {what}")
