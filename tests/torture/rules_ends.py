"""Rules about what becomes of messages.

I1 no loss, I5 one ending, I8 dead letters, I9 effects, I12 payloads, I13 conservation, I14 ids, I15 residue.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.torture.facts import ENDINGS, EPS_S, Facts, Id
from tests.torture.rules_keeping import may_be_retired
from tests.torture.scene import LEASED, PARTITIONED, REDRIVEN
from tests.torture.told import Answer
from tests.torture.verdict import Violation


def no_loss(facts: Facts) -> Iterator[Violation]:
    """I1: every acknowledged message is left somewhere, or somebody took it away; archived and dead ones are there."""
    unexplained: Counter[str] = Counter()
    for send in facts.sends.values():
        if send.fate is not Answer.YES or facts.whereabouts.get(send.key):
            continue
        message = facts.last_id_of(send)
        if message is None:
            yield Violation("I1", send.queue, f"{send.key} was acknowledged, and never seen again")
            continue
        popped = any(delivery.pop for delivery in facts.deliveries.get(message, ()))
        ends = facts.taken_away(message)
        if not popped and not ends:
            unexplained[send.queue] += 1
        elif send.queue in PARTITIONED and may_be_retired(facts, message):
            continue
        elif not popped and all(end.kind in {"archive", "ack_archive", "reject"} and end.answer is Answer.YES for end in ends):
            yield Violation("I1", send.queue, f"message {message[1]}: after its {ends[0].kind} it is not there")
    for queue, count in unexplained.items():
        lost = sum(op.told["qty"] for op in facts.reads.get(queue, ()) if op.op == "pop" and op.answer is Answer.UNKNOWN)
        if count > lost:
            yield Violation(
                "I1", queue, f"{count} messages are gone that nobody took; pops that were lost asked for {lost} at most"
            )


def one_ending(facts: Facts) -> Iterator[Violation]:
    """I5: at most one ending, and nothing is delivered after it."""
    for message in facts.deliveries.keys() | facts.changes.keys():
        ends = [(c.kind, c.done) for c in facts.changes.get(message, ()) if c.kind in ENDINGS and c.answer is Answer.YES]
        ends += [("pop", d.done) for d in facts.deliveries.get(message, ()) if d.pop]
        if len(ends) > 1:
            yield _of("I5", message, f"it ended {len(ends)} times: {', '.join(kind for kind, _ in ends)}")
        for kind, ended in ends:
            for delivery in facts.deliveries.get(message, ()):
                if delivery.began > ended + EPS_S:
                    yield _of("I5", message, f"delivery {delivery.ct} came {delivery.began - ended:.3f} s after its {kind}")


def dead_letters(facts: Facts) -> Iterator[Violation]:
    """I8: no handler sees more attempts than allowed; then the message is dead, exactly once, with its reason."""
    dead: dict[Id, list[tuple[int, str, str | None]]] = defaultdict(list)
    for queue, msg_id, attempts, reason, error, _, _ in facts.final["dead"]:
        dead[queue, msg_id].append((attempts, reason, error))
    for message, rows in dead.items():
        if len(rows) > 1:
            yield _of("I8", message, f"it is dead {len(rows)} times")
        yield from _wrong_death(facts, message, *rows[0])
    for message, changes in facts.changes.items():
        if (
            message not in dead
            and message not in facts.had_another
            and any(c.kind == "reject" and c.answer is Answer.YES for c in changes)
        ):
            yield _of("I8", message, "it was rejected, and is not among the dead")
    for op in facts.ops:
        if op.op == "handle" and op.told["attempt"] > LEASED[op.told["queue"]]:
            yield _of("I8", (op.told["queue"], op.told["id"]), f"a handler saw attempt {op.told['attempt']}")


def _wrong_death(facts: Facts, message: Id, attempts: int, reason: str, error: str | None) -> Iterator[Violation]:
    rejections = [c for c in facts.changes.get(message, ()) if c.kind == "reject" and c.answer is not Answer.NO]
    if not rejections:
        yield _of("I8", message, f"it is dead ({reason}), and nobody rejected it")
    if reason == "max_attempts" and attempts < LEASED.get(message[0], 0):
        yield _of("I8", message, f"it is dead of max_attempts after {attempts}")
    if not error:
        yield _of("I8", message, f"it is dead ({reason}) without an error")
    fences = {c.ct for c in rejections}
    charged = [d.ct - d.released for d in facts.deliveries.get(message, ()) if d.ct in fences and d.released is not None]
    if charged and attempts not in charged:
        yield _of("I8", message, f"it is dead after {attempts} attempts; {charged} were charged")


def effects_once(facts: Facts) -> Iterator[Violation]:
    """I9: what was booked in one transaction with the ack is booked once, and its message is gone."""
    booked = Counter(facts.final["ledger"])
    for key, times in booked.items():
        queue = facts.sends[key].queue if key in facts.sends else "?"
        if times > 1:
            yield Violation("I9", queue, f"{key} is booked {times} times")
        if places := facts.whereabouts.get(key):
            yield Violation("I9", queue, f"{key} is booked, and still in the {places[0][0]}")
    for send in facts.sends.values():
        if send.key in booked:
            continue
        changes = [change for message in facts.lives.get(send.key, ()) for change in facts.changes.get(message, ())]
        if any(c.tx and c.kind == "ack" and c.answer is Answer.YES for c in changes):
            yield Violation("I9", send.queue, f"{send.key} was acked with its effect, and is not booked")


def payloads_unchanged(facts: Facts) -> Iterator[Violation]:
    """I12: bodies and headers are everywhere what was sent."""
    for message, deliveries in facts.deliveries.items():
        for delivery in deliveries:
            if delivery.key in facts.sends and facts.sends[delivery.key].sum != delivery.sum:
                yield _of("I12", message, f"{delivery.key} was delivered with another content")
    for place, queue, msg_id, key, number in facts.remains():
        if key not in facts.sends:
            yield _of("I12", (queue, msg_id), f"in the {place}: nobody sent {key}")
        elif facts.sends[key].sum != number:
            yield _of("I12", (queue, msg_id), f"in the {place}: {key} has another content")


def conservation(facts: Facts) -> Iterator[Violation]:
    """I13: each message is in one place, what is there was not taken away, and metrics count the same."""
    for key, places in facts.whereabouts.items():
        if len(places) > 1:
            yield Violation("I13", places[0][1], f"{key} is in {', '.join(place for place, *_ in places)}")
        place, queue, msg_id, _ = places[0]
        ends = [c.kind for c in facts.changes.get((queue, msg_id), ()) if c.kind in ENDINGS and c.answer is Answer.YES]
        right = {"queue": set(), "archive": {"archive", "ack_archive"}, "dead": {"reject"}}[place]
        if set(ends) - right:
            yield Violation("I13", queue, f"{key} is in the {place} after its {ends[0]}")
    for queue, content in facts.final["queues"].items():
        rows, visible = content["rows"], sum(row[4] for row in content["rows"])
        leased = sum(row[1] > 0 and not row[4] for row in rows)
        counted = [len(rows), visible, leased, len(rows) - visible - leased, len(content["archived"])]
        length, seen, total, in_flight, delayed, archived = content["info"]
        if counted != [length, seen, in_flight, delayed, archived]:
            yield Violation("I13", queue, f"metrics say {[length, seen, in_flight, delayed, archived]}, there are {counted}")
        if total < max(
            [s.msg_id for s in facts.sends.values() if s.queue == queue and s.msg_id and s.fate is Answer.YES], default=0
        ):
            yield Violation("I13", queue, f"metrics say that {total} were sent in all")


def ids_are_unique(facts: Facts) -> Iterator[Violation]:
    """I14: an id is one message's for ever, and a message has one, where nothing can be put back."""
    keys: dict[Id, set[str]] = defaultdict(set)
    for message, key in facts.named():
        keys[message].add(key)
    for message, found in keys.items():
        if len(found) > 1:
            yield _of("I14", message, f"the id was given to {len(found)} messages: {', '.join(sorted(found)[:3])}")
    for key, messages in facts.lives.items():
        if len(messages) > 1 and messages[0][0] not in REDRIVEN:
            yield Violation("I14", messages[0][0], f"{key} has {len(messages)} ids")


def no_residue(facts: Facts) -> Iterator[Violation]:
    """I15: idle actors hold no transaction, and no lock but that of a waiting consumer; when they are gone, nothing is left."""
    for pid, name, state in facts.final["sessions"]:
        if state != "idle":
            yield Violation("I15", "-", f"session {pid} of {name} is {state or 'unknown'}, though all is quiet")
    for pid, mode, name in facts.final["advisory"]:
        if (mode, name) != ("ShareLock", "hanjul"):  # what a consumer holds while it waits
            yield Violation("I15", "-", f"session {pid} of {name} holds an advisory {mode}")
    for what, rows in facts.final["left"].items():
        if rows:
            yield Violation("I15", "-", f"left behind ({what}): {rows[:3]}")


def no_surprises(facts: Facts) -> Iterator[Violation]:
    """Nothing that the actors ask for is refused: no deadlock, no duplicate key, no missing object."""
    seen = Counter((op.told.get("queue", "-"), op.op, op.refusal) for op in facts.ops if op.refusal)
    for (queue, name, refusal), times in seen.items():
        yield Violation("errors", queue, f"{name}, {times} times: {refusal}")


def _of(invariant: str, message: Id, what: str) -> Violation:
    return Violation(invariant, message[0], f"message {message[1]}: {what}")
