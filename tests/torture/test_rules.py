"""The judge on small histories: each rule accepts what is right, also where an answer was lost, and finds what is wrong."""

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.torture.facts import load
from tests.torture.journal import Journal, read_journals
from tests.torture.judge import judge
from tests.torture.verdict import INVARIANTS

SUM = 7


class Tale:
    """A history that is told line by line; a time is in seconds since its beginning."""

    def __init__(self, directory: Path) -> None:
        self._directory, self._n = directory, count(1)
        self._lines: dict[str, list[dict[str, Any]]] = {}
        self.rows: dict[str, list[Any]] = {
            queue: [] for queue in ("plain", "leased", "grouped", "ordered", "news", "alarms", "by_id")
        }
        self.archived: dict[str, list[Any]] = {queue: [] for queue in self.rows}
        self.dead: list[Any] = []
        self.ledger: list[str] = []
        self.partitions: list[Any] = []
        self.left: dict[str, Any] = {}
        self.sessions: list[Any] = []
        self.advisory: list[Any] = []

    def did(self, op: str, at: float, rows: list[Any] | None = None, *, actor: str = "a", took: float = 0.01, **told: Any) -> int:
        """An operation that was answered, or, without rows, one whose answer was lost."""
        n = next(self._n)
        lines = self._lines.setdefault(actor, [])
        lines.append({"n": n, "at": at, "op": op, **told})
        if rows is not None:
            lines.append({"n": n, "done": at + took, "ok": True, "began": at, "ended": at + took, "rows": rows})
        return n

    def sent(self, msg_id: int, at: float = 0.0, queue: str = "leased", *, answered: bool = True, **told: Any) -> None:
        """A message `m<id>`."""
        ids = [msg_id] if answered else None
        rest = {"group": None, "delay": 0} | told
        self.did("send", at, ids, queue=queue, keys=[f"m{msg_id}"], sums=[SUM], groups=[rest.pop("group")], deeds=[None], **rest)

    def read(self, ids: dict[int, int] | None, at: float, queue: str = "leased", *, qty: int = 10, **told: Any) -> None:
        """A claim: which ids with which fence; None: nobody knows."""
        released = told.pop("released", 0)
        rows = None if ids is None else [[i, ct, released, None, f"m{i}", told.get("sum", SUM)] for i, ct in ids.items()]
        self.did("read", at, rows, **{"queue": queue, "qty": qty, "lease": 1.0} | told)

    def settled(
        self, op: str, msg_id: int, ct: int, at: float, *, answered: bool = True, refused: bool = False, **told: Any
    ) -> None:
        """A fenced settlement."""
        rows = ([[msg_id, ct, None]] if refused else []) if answered else None
        self.did(op, at, rows, queue="leased", ids=[msg_id], cts=[ct], **told)

    def routed(self, route: str, reached: int, at: float) -> None:
        """A message `m1` by a routing key, and to how many queues its sender was told that it came."""
        told = {"route": route, "keys": ["m1"], "sums": [SUM], "groups": [None], "deeds": [None], "delay": 0}
        self.did("send_topic", at, [reached], **told)

    def bound(self, op: str, at: float, *, answered: bool = True) -> None:
        """A pattern that reaches queue alarms with order.paid, or no longer."""
        self.did(op, at, [[""]] if answered else None, actor="keeper", pattern="order.*", queue="alarms")

    def took(self, msg_id: int, at: float, queue: str, key: str = "m1") -> None:
        """A read of one message, and its end."""
        self.did("read", at, [[msg_id, 1, None, None, key, SUM]], queue=queue, qty=1, lease=1.0)
        self.removed("delete", msg_id, at + 0.1, queue)

    def rejected(self, msg_id: int, at: float, key: str = "m1") -> None:
        """Claimed, and dead."""
        self.did("read", at, [[msg_id, 1, 0, None, key, SUM]], queue="leased", qty=1, lease=1.0)
        self.settled("reject", msg_id, 1, at + 0.1, reason="rejected")

    def refuse(self, n: int, state: str) -> None:
        """The server said no."""
        self._lines["a"].append({"n": n, "done": 9.0, "ok": False, "sure": True, "error": state})

    def removed(self, op: str, msg_id: int, at: float, queue: str) -> None:
        """A delete or an archive."""
        self.did(op, at, [msg_id], queue=queue, ids=[msg_id])

    def remains(self, msg_id: int, queue: str = "leased", ct: int = 0, key: str | None = None) -> None:
        """The message is still in its queue, put off for long."""
        self.rows[queue].append([msg_id, ct, 0, 99_999.0, False, key or f"m{msg_id}", SUM])

    def found(self) -> set[str]:
        """The invariants that are violated."""
        for actor, lines in self._lines.items():
            (self._directory / f"{actor}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        queues = {
            queue: {"rows": rows, "archived": self.archived[queue], "info": self._info(queue)}
            for queue, rows in self.rows.items()
        }
        beside = {"upkept": {"at": [100.0], "left": []}, "partitions": self.partitions, "orphans": []}
        final = beside | {"at": [100.0], "queues": queues, "dead": self.dead, "ledger": self.ledger, "left": self.left}
        (self._directory / "final.json").write_text(json.dumps(final | {"sessions": self.sessions, "advisory": self.advisory}))
        return {violation.invariant for violation in judge(load(self._directory))}

    def _info(self, queue: str) -> list[int]:
        rows = self.rows[queue]
        visible = sum(row[4] for row in rows)
        leased = sum(row[1] > 0 and not row[4] for row in rows)
        return [len(rows), visible, 1000, leased, len(rows) - visible - leased, len(self.archived[queue])]


@pytest.fixture
def tale(tmp_path: Path) -> Tale:
    return Tale(tmp_path)


def done(tale: Tale, msg_id: int = 1) -> None:
    """Sent, claimed and acked."""
    tale.sent(msg_id)
    tale.read({msg_id: 1}, 1)
    tale.settled("ack", msg_id, 1, 1.5)


def lost_ack(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.settled("ack", 1, 1, 1.5, answered=False)


def lost_ack_that_did_not_happen(tale: Tale) -> None:
    lost_ack(tale)
    tale.read({1: 2}, 2.5)
    tale.settled("ack", 1, 2, 2.6)


def lost_read(tale: Tale) -> None:
    tale.sent(1)
    tale.read(None, 1)
    tale.read({1: 2}, 2.5)
    tale.settled("ack", 1, 2, 2.6)


def lost_send_that_happened(tale: Tale) -> None:
    tale.sent(1, answered=False)
    tale.read({1: 1}, 1)
    tale.settled("ack", 1, 1, 1.5)


def lost_send_that_did_not_happen(tale: Tale) -> None:
    tale.sent(1, answered=False)


def nacked(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.settled("nack", 1, 1, 1.2, delay=0.3)
    tale.settled("nack", 1, 1, 1.3, delay=0.3)
    tale.read({1: 2}, 1.6)
    tale.settled("ack", 1, 2, 1.7)


def zombie(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.read({1: 2}, 2.1)
    tale.settled("ack", 1, 1, 2.2, refused=True)
    tale.settled("ack", 1, 2, 2.3)


def booked(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.settled("ack", 1, 1, 1.5, booked=True)
    tale.ledger.append("m1")


def booked_or_not(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.settled("ack", 1, 1, 1.5, booked=True, answered=False)


def an_id_of_a_rollback_is_forgotten_by_a_crash(tale: Tale) -> None:
    tx = tale.did("begin", 0.0, [])
    tale.sent(2000, 0.1, tx=tx)
    done(tale)


def in_order(tale: Tale) -> None:
    for msg_id in (1, 2, 3):
        tale.sent(msg_id, msg_id / 10, "grouped", group="g")
    tale.read({1: 1, 2: 1}, 1, "grouped")
    tale.removed("delete", 1, 1.1, "grouped")
    tale.removed("delete", 2, 1.2, "grouped")
    tale.read({3: 1}, 1.3, "grouped")
    tale.removed("delete", 3, 1.4, "grouped")


def put_back(tale: Tale) -> None:
    tale.sent(1)
    tale.rejected(1, 1)
    tale.did("redrive", 2, [2], queue="leased")
    tale.rejected(2, 2.1)
    tale.did("redrive", 3, None, queue="leased")
    tale.took(3, 4, "leased")


def put_back_by_one_of_two_of_whom_nobody_heard_more(tale: Tale) -> None:
    tale.sent(1)
    tale.rejected(1, 1)
    tale.did("redrive", 2, None, queue="leased", actor="b")
    tale.took(2, 3, "leased")
    tale.did("redrive", 5, None, queue="leased", actor="a")


def put_back_in_a_transaction_that_was_undone(tale: Tale) -> None:
    tale.sent(1)
    tale.rejected(1, 1)
    tx = tale.did("begin", 2.0, [])
    tale.did("redrive", 2, [2], queue="leased", tx=tx)
    tale.dead.append(["leased", 1, 1, "rejected", "why", "m1", SUM])


def routed(tale: Tale) -> None:
    tale.routed("order.paid", 1, 1)
    tale.took(1, 2, "news")


def routed_while_a_binding_was_made(tale: Tale) -> None:
    tale.bound("bind", 0.5, answered=False)
    tale.routed("order.paid", 2, 1)
    tale.took(1, 2, "news")
    tale.took(1, 3, "alarms")


def routed_after_a_binding_was_taken_back(tale: Tale) -> None:
    tale.bound("bind", 0.2)
    tale.bound("unbind", 0.5)
    routed(tale)


def retired(tale: Tale) -> None:
    tale.sent(1, queue="by_id")
    tale.read({1: 1}, 1, "by_id")
    tale.removed("archive", 1, 1.2, "by_id")
    tale.sent(90, 2, queue="by_id")
    tale.read({90: 1}, 3, "by_id")
    tale.removed("archive", 90, 3.2, "by_id")
    tale.archived["by_id"].append([90, 1, "m90", SUM])
    tale.partitions += [["by_id", "a", "a_by_id_p90", 96.0, 1], ["by_id", "a", "a_by_id_default", None, 0]]


def passed_by(tale: Tale, qty: int) -> None:
    """A message whose sender has kept his transaction open until newer ones were there, which reads of `qty` take first."""
    tx = tale.did("begin", 0.0, [])
    tale.sent(1, 0.1, "plain", tx=tx)
    tale.did("commit", 1.0, [], tx=tx)
    for msg_id in range(2, 30):
        tale.sent(msg_id, msg_id / 100, "plain")
    for msg_id in [*range(2, 30), 1]:
        at = 2 + msg_id / 50 if msg_id > 1 else 2.7
        tale.read({msg_id: 1}, at, "plain", qty=qty)
        tale.removed("delete", msg_id, at + 0.02, "plain")


def passed_by_while_newer_ones_were_plenty(tale: Tale) -> None:
    passed_by(tale, qty=1)


def sent_as_all_were_about_to_leave(tale: Tale) -> None:
    tale.sent(1, 99.5)
    tale.rows["leased"].append([1, 0, 0, 99.5, True, "m1", SUM])


RIGHT = (
    done,
    lost_ack,
    lost_ack_that_did_not_happen,
    lost_read,
    lost_send_that_happened,
    lost_send_that_did_not_happen,
    nacked,
    zombie,
    booked,
    booked_or_not,
    an_id_of_a_rollback_is_forgotten_by_a_crash,
    in_order,
    put_back,
    put_back_by_one_of_two_of_whom_nobody_heard_more,
    put_back_in_a_transaction_that_was_undone,
    routed,
    routed_while_a_binding_was_made,
    routed_after_a_binding_was_taken_back,
    retired,
    passed_by_while_newer_ones_were_plenty,
    sent_as_all_were_about_to_leave,
)


@pytest.mark.parametrize("tell", RIGHT, ids=lambda tell: tell.__name__)
def test_what_is_right_is_accepted(tale: Tale, tell: Callable[[Tale], None]) -> None:
    tell(tale)

    assert tale.found() == set()


WRONG: dict[str, tuple[str, Callable[[Tale], None]]] = {}


def wrong(invariant: str) -> Callable[[Callable[[Tale], None]], Callable[[Tale], None]]:
    def note(tell: Callable[[Tale], None]) -> Callable[[Tale], None]:
        WRONG[tell.__name__] = (invariant, tell)
        return tell

    return note


@wrong("I1")
def a_message_that_nobody_took_is_gone(tale: Tale) -> None:
    tale.sent(1)


@wrong("I1")
def an_archived_message_is_not_in_the_archive(tale: Tale) -> None:
    tale.sent(1, queue="plain")
    tale.read({1: 1}, 1, "plain")
    tale.removed("archive", 1, 1.2, "plain")


@wrong("I1")
def what_was_put_back_is_gone(tale: Tale) -> None:
    tale.sent(1)
    tale.rejected(1, 1)
    tale.did("redrive", 2, [2], queue="leased")


@wrong("I1")
def a_dead_letter_is_gone_after_a_redrive_of_which_nobody_knows(tale: Tale) -> None:
    tale.sent(1)
    tale.rejected(1, 1)
    tale.did("redrive", 2, None, queue="leased")


@wrong("I1")
def a_bound_queue_was_missed(tale: Tale) -> None:
    tale.bound("bind", 0.5)
    routed(tale)


@wrong("I1")
def an_archived_message_is_gone_that_should_be_kept(tale: Tale) -> None:
    retired(tale)
    tale.sent(80, 2, queue="by_id")
    tale.read({80: 1}, 3, "by_id")
    tale.removed("archive", 80, 3.3, "by_id")


@wrong("I2")
def an_unbound_queue_was_reached(tale: Tale) -> None:
    tale.routed("order.paid", 2, 1)
    tale.took(1, 2, "news")
    tale.took(1, 3, "alarms")


@wrong("I2")
def a_message_was_rolled_back_and_delivered(tale: Tale) -> None:
    tx = tale.did("begin", 0.0, [])
    tale.sent(1, 0.1, tx=tx)
    tale.read({1: 1}, 1)
    tale.settled("ack", 1, 1, 1.2)


@wrong("I2")
def a_message_came_before_its_commit(tale: Tale) -> None:
    tx = tale.did("begin", 0.0, [])
    tale.sent(1, 0.1, tx=tx)
    tale.did("commit", 2.0, [], tx=tx)
    tale.read({1: 1}, 1, actor="b")
    tale.settled("ack", 1, 1, 1.2)


@wrong("I2")
def a_delayed_message_came_at_once(tale: Tale) -> None:
    tale.sent(1, delay=5)
    tale.read({1: 1}, 1)
    tale.settled("ack", 1, 1, 1.2)


@wrong("I3")
def a_leased_message_came_again(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.read({1: 2}, 1.5)
    tale.settled("ack", 1, 2, 1.6)


@wrong("I3")
def an_extension_was_forgotten(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.settled("extend", 1, 1, 1.5, delay=1.0)
    tale.read({1: 2}, 2.2)
    tale.settled("ack", 1, 2, 2.3)


@wrong("I3")
def a_lease_that_nobody_saw_was_short(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.read(None, 2.1)
    tale.read({1: 3}, 2.2)
    tale.settled("ack", 1, 3, 2.3)


@wrong("I4")
def an_attempt_came_twice(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.read({1: 1}, 2.5)
    tale.settled("ack", 1, 1, 2.6)


@wrong("I4")
def an_attempt_is_missing(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 2}, 2.5)
    tale.settled("ack", 1, 2, 2.6)


@wrong("I4")
def a_release_is_not_noted(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.settled("release", 1, 1, 1.2, delay=0)
    tale.read({1: 2}, 1.3, released=0)
    tale.settled("ack", 1, 2, 1.4)


@wrong("I5")
def a_finished_message_came_again(tale: Tale) -> None:
    done(tale)
    tale.read({1: 2}, 3)


@wrong("I5")
def a_message_was_deleted_twice(tale: Tale) -> None:
    tale.sent(1, queue="plain")
    tale.read({1: 1}, 1, "plain")
    tale.removed("delete", 1, 1.2, "plain")
    tale.removed("delete", 1, 1.3, "plain")


@wrong("I6")
def a_stale_ack_was_accepted(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.read({1: 2}, 2.1)
    tale.settled("ack", 1, 1, 2.2)


@wrong("I6")
def a_nacked_delivery_was_acked(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.settled("nack", 1, 1, 1.1, delay=0)
    tale.settled("ack", 1, 1, 1.3)


@wrong("I7")
def the_second_of_a_group_came_before_the_first_was_finished(tale: Tale) -> None:
    for msg_id in (1, 2):
        tale.sent(msg_id, msg_id / 10, "grouped", group="g")
    tale.read({1: 1}, 1, "grouped")
    tale.read({2: 1}, 1.1, "grouped")
    tale.removed("delete", 1, 1.2, "grouped")
    tale.removed("delete", 2, 1.3, "grouped")


@wrong("I7")
def a_batch_was_in_another_order(tale: Tale) -> None:
    for msg_id in (1, 2):
        tale.sent(msg_id, msg_id / 10, "grouped", group="g")
    tale.read({2: 1, 1: 1}, 1, "grouped")
    tale.removed("delete", 1, 1.2, "grouped")
    tale.removed("delete", 2, 1.3, "grouped")


@wrong("I7")
def two_of_a_claimed_group_were_in_flight(tale: Tale) -> None:
    for msg_id in (1, 2):
        tale.sent(msg_id, msg_id / 10, "ordered", group="g")
    tale.read({1: 1, 2: 1}, 1, "ordered")
    tale.removed("delete", 1, 1.1, "ordered")
    tale.removed("delete", 2, 1.2, "ordered")


@wrong("I8")
def a_rejected_message_is_not_among_the_dead(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.settled("reject", 1, 1, 1.2, reason="rejected")


@wrong("I8")
def a_message_is_dead_twice(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.settled("reject", 1, 1, 1.2, reason="rejected")
    tale.dead += [["leased", 1, 1, "rejected", "why", "m1", SUM]] * 2


@wrong("I8")
def a_message_died_too_early(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.settled("reject", 1, 1, 1.2, reason="max_attempts")
    tale.dead.append(["leased", 1, 1, "max_attempts", "why", "m1", SUM])


@wrong("I8")
def a_handler_saw_too_many_attempts(tale: Tale) -> None:
    tale.did("handle", 1.0, [], queue="worked", id=1, attempt=5, ct=5)


@wrong("I9")
def an_effect_was_booked_twice(tale: Tale) -> None:
    booked(tale)
    tale.ledger.append("m1")


@wrong("I9")
def an_effect_is_missing(tale: Tale) -> None:
    booked(tale)
    tale.ledger.clear()


@wrong("I9")
def an_effect_is_there_without_its_ack(tale: Tale) -> None:
    booked_or_not(tale)
    tale.ledger.append("m1")
    tale.remains(1, ct=1)


@wrong("I10")
def idle_readers_went_by(tale: Tale) -> None:
    tale.sent(1)
    tale.read({}, 1)
    tale.read({}, 2.5)
    tale.read({1: 1}, 4)
    tale.settled("ack", 1, 1, 4.1)


@wrong("I10")
def an_abandoned_message_was_not_drained(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1)
    tale.rows["leased"].append([1, 1, 0, 2.0, False, "m1", SUM])


@wrong("I10")
def a_message_that_was_never_read_was_not_drained(tale: Tale) -> None:
    tale.sent(1)
    tale.rows["leased"].append([1, 0, 0, 2.0, True, "m1", SUM])


@wrong("I11")
def newer_messages_passed_by(tale: Tale) -> None:
    for msg_id in range(1, 30):
        tale.sent(msg_id, msg_id / 100, "plain")
    for msg_id in [*range(2, 30), 1]:
        at = 2 + msg_id / 10 if msg_id > 1 else 9
        tale.read({msg_id: 1}, at, "plain", qty=1)
        tale.removed("delete", msg_id, at + 0.02, "plain")


@wrong("I11")
def reads_that_found_too_little_passed_by_what_a_slow_sender_left(tale: Tale) -> None:
    passed_by(tale, qty=2)


@wrong("I12")
def a_payload_has_changed(tale: Tale) -> None:
    tale.sent(1)
    tale.read({1: 1}, 1, sum=8)
    tale.settled("ack", 1, 1, 1.5)


@wrong("I13")
def a_message_is_in_two_places(tale: Tale) -> None:
    tale.sent(1, queue="plain")
    tale.read({1: 1}, 1, "plain")
    tale.removed("archive", 1, 1.2, "plain")
    tale.archived["plain"].append([1, 1, "m1", SUM])
    tale.remains(1, "plain", ct=1)


@wrong("I13")
def what_was_put_back_was_not_dead(tale: Tale) -> None:
    tale.sent(1)
    tale.took(1, 1, "leased")
    tale.did("redrive", 2, [2], queue="leased")
    tale.took(2, 3, "leased")


@wrong("I14")
def a_dead_letter_came_back_by_itself(tale: Tale) -> None:
    tale.sent(1)
    tale.rejected(1, 1)
    tale.took(2, 3, "leased")


@wrong("I14")
def a_queue_has_two_copies(tale: Tale) -> None:
    routed(tale)
    tale.took(2, 3, "news")


@wrong("I14")
def an_id_was_given_twice(tale: Tale) -> None:
    done(tale)
    tale.did("send", 5.0, [1], queue="leased", keys=["other"], sums=[SUM], groups=[None], deeds=[None], delay=0)
    tale.remains(1, key="other")


@wrong("I15")
def a_transaction_was_left_open(tale: Tale) -> None:
    tale.sessions.append([1, "torture", "idle in transaction"])


@wrong("I15")
def a_sender_holds_a_lock(tale: Tale) -> None:
    tale.advisory.append([1, "ExclusiveLock", "torture"])


@wrong("I15")
def a_session_was_left_behind(tale: Tale) -> None:
    tale.left["sessions"] = [[1, "torture", "idle"]]


@wrong("I15")
def a_partition_was_kept_too_long(tale: Tale) -> None:
    retired(tale)
    tale.partitions.append(["by_id", "a", "a_by_id_p0", 6.0, 3])


@wrong("I15")
def a_row_was_left_in_the_default_partition(tale: Tale) -> None:
    tale.partitions.append(["by_id", "q", "q_by_id_default", None, 1])


@wrong("errors")
def a_statement_was_refused(tale: Tale) -> None:
    n = tale.did("delete", 1.0, None, queue="plain", ids=[1])
    tale.refuse(n, "40P01")


@pytest.mark.parametrize(("invariant", "tell"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_found(tale: Tale, invariant: str, tell: Callable[[Tale], None]) -> None:
    tell(tale)

    assert invariant in tale.found()


def test_every_invariant_has_a_history_that_breaks_it() -> None:
    assert {invariant for invariant, _ in WRONG.values()} == set(INVARIANTS)


def test_a_line_that_a_killed_process_left_half_written_is_left_out(tmp_path: Path) -> None:
    Journal(tmp_path, "a").invoke("read", queue="plain")
    with (tmp_path / "a.jsonl").open("a") as file:
        file.write('{"n":2,"at":')

    [(actor, whole)] = read_journals(tmp_path)

    assert (actor, [line["op"] for line in whole]) == ("a", ["read"])
