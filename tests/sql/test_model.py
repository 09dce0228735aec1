"""The queue against a small model: any order of calls, by three sessions with open transactions, does what the model says.

What the model does not do itself is what it proves (invariants I1 to I8 and I12 to I14): no message is lost, delivered
before its commit or under another's live lease, settled twice or by a stale attempt, changed on its way, or given an old id.
HANJUL_MODEL_EXAMPLES and HANJUL_MODEL_STEPS make it search longer.
"""

import json
import os
from dataclasses import dataclass, field, replace
from itertools import count

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

EXAMPLES = int(os.environ.get("HANJUL_MODEL_EXAMPLES", "16"))
STEPS = int(os.environ.get("HANJUL_MODEL_STEPS", "30"))
FAR_S = 3600
_queue_numbers = count(1)

WHO = st.integers(0, 2)
QTY = st.integers(1, 4)
HIDE = st.sampled_from([False, False, True])
SELDOM = st.integers(0, 5).map(lambda n: n == 5)
PICKS = st.lists(st.integers(0, 1000), min_size=1, max_size=4)


@dataclass(frozen=True)
class Version:
    """A message as one transaction left it. `place` is where it is: queue, archive, dead or gone."""

    body: int
    hidden: bool
    place: str = "queue"
    read_ct: int = 0
    released: int = 0
    settled: int = 0
    died: int = 0


@dataclass
class Row:
    """What is committed, and what the one session that holds the row's lock has made of it."""

    committed: Version | None = None
    pending: Version | None = None
    owner: int | None = None


@dataclass
class Model:
    """The queue as it should be."""

    rows: dict[int, Row] = field(default_factory=dict)
    in_transaction: set[int] = field(default_factory=set)
    newest_id: int = 0
    deaths: int = 0

    def seen_by(self, who: int | None, msg_id: int) -> Version | None:
        row = self.rows.get(msg_id, Row())
        return row.pending if row.owner == who and who is not None else row.committed

    def is_locked_for(self, who: int, msg_id: int) -> bool:
        row = self.rows.get(msg_id, Row())
        return row.owner not in (None, who) and row.committed is not None

    def put(self, who: int, msg_id: int, version: Version) -> None:
        row = self.rows.setdefault(msg_id, Row())
        if who in self.in_transaction:
            row.owner, row.pending = who, version
        else:
            row.committed = version

    def send(self, who: int, body: int, *, hidden: bool) -> int:
        self.newest_id += 1
        self.put(who, self.newest_id, Version(body, hidden))
        return self.newest_id

    def end(self, who: int, *, commit: bool) -> None:
        for row in self.rows.values():
            if row.owner == who:
                row.committed = row.pending if commit else row.committed
                row.owner = row.pending = None
        self.in_transaction.discard(who)

    def at(self, who: int | None, place: str) -> list[tuple[int, Version]]:
        """What the session sees at a place, by id."""
        seen = [(msg_id, self.seen_by(who, msg_id)) for msg_id in sorted(self.rows)]
        return [(msg_id, version) for msg_id, version in seen if version and version.place == place]

    def take(self, who: int, qty: int) -> list[tuple[int, Version]]:
        """The oldest visible messages that nobody else holds."""
        free = [found for found in self.at(who, "queue") if not found[1].hidden and not self.is_locked_for(who, found[0])]
        return free[:qty]


class Queue(RuleBasedStateMachine):
    """Every rule does the same to the database and to the model, and compares the answers."""

    sessions: list
    watch: object

    def __init__(self) -> None:
        super().__init__()
        self.name = f"model{next(_queue_numbers)}"
        self.model = Model()
        self.deliveries: list[tuple[int, int]] = []
        self.bodies = count(1)
        self.watch.run("select pgmq.create(%s)", self.name)

    def teardown(self) -> None:
        for who in sorted(self.model.in_transaction):
            self.sessions[who].run("rollback")
        self.watch.run("select pgmq.drop_queue(%s)", self.name)

    def ask(self, who: int, call: str, *args: object) -> list:
        return self.sessions[who].rows(f"select * from {call}", self.name, *args)

    @initialize(bodies=st.integers(3, 6), qtys=st.lists(QTY, min_size=2, max_size=4))
    def some_messages_were_delivered_before(self, bodies, qtys):
        self.send(0, bodies, hidden=False, how="send_batch")
        for qty in qtys:
            self.claim(0, qty, hide=False)

    # transactions and time

    @rule(who=WHO)
    def begin(self, who):
        if who not in self.model.in_transaction:
            self.sessions[who].run("begin")
            self.model.in_transaction.add(who)

    @rule(who=WHO, commit=st.booleans())
    def end(self, who, commit):
        if who in self.model.in_transaction:
            self.sessions[who].run("commit" if commit else "rollback")
            self.model.end(who, commit=commit)

    @precondition(lambda self: not self.model.in_transaction)
    @rule()
    def time_passes(self):
        self.watch.run(f"update pgmq.q_{self.name} set vt = clock_timestamp() where vt > clock_timestamp()")
        for row in self.model.rows.values():
            row.committed = row.committed and replace(row.committed, hidden=False)

    # what reads do to themselves now and then

    @rule()
    def the_scan_bound_moves(self):
        self.watch.run(f'select pgmq."tidy.{self.name}"()')

    @rule()
    def what_is_hidden_is_parked(self):
        free = f"select msg_id from pgmq.q_{self.name} where vt > clock_timestamp() order by msg_id for update skip locked"
        self.watch.run(f"update pgmq.q_{self.name} set due = vt where msg_id = any (array({free}))")

    # sending

    @rule(who=WHO, number=QTY, hidden=HIDE, how=st.sampled_from(["send", "send_batch", "send_many"]))
    def send(self, who, number, hidden, how):
        bodies = [next(self.bodies) for _ in range(1 if how == "send" else number)]
        delay = FAR_S if hidden else 0
        if how == "send":
            sent = self.ask(who, "pgmq.send(%s, to_jsonb(%s::int), %s::int)", *bodies, delay)
        elif how == "send_batch":
            msgs = [json.dumps(body) for body in bodies]
            sent = self.ask(who, "pgmq.send_batch(%s, %s::text[]::jsonb[], %s::int)", msgs, delay)
        else:
            sent = self.ask(who, "hanjul.send_many(%s, %s)", json.dumps([[body, None, delay] for body in bodies]))
        assert sent == [(self.model.send(who, body, hidden=hidden),) for body in bodies]

    # receiving

    @rule(who=WHO, qty=QTY, hide=HIDE)
    def read(self, who, qty, hide):
        rows = self.ask(who, "pgmq.read(%s, %s, %s)", FAR_S if hide else 0, qty)
        self.delivered(who, [(msg_id, read_ct, message) for msg_id, read_ct, _, _, _, message, _ in rows], qty, hide)

    @rule(who=WHO, qty=QTY, hide=HIDE)
    def claim(self, who, qty, hide):
        taken = self.model.take(who, qty)
        rows = self.ask(who, "hanjul.claim(%s, %s, %s)", FAR_S if hide else 0, qty)
        assert [row[2] for row in rows] == [version.released for _, version in taken]
        self.delivered(who, [(row[0], row[1], int(row[4])) for row in rows], qty, hide)

    def delivered(self, who, rows, qty, hide):
        expected = []
        for msg_id, version in self.model.take(who, qty):
            self.model.put(who, msg_id, replace(version, read_ct=version.read_ct + 1, hidden=hide))
            expected.append((msg_id, version.read_ct + 1, version.body))
        assert rows == expected
        self.deliveries += [(msg_id, attempt) for msg_id, attempt, _ in rows]

    @rule(who=WHO, qty=QTY)
    def pop(self, who, qty):
        taken = self.model.take(who, qty)
        rows = self.ask(who, "pgmq.pop(%s, %s)", qty)
        assert [(row[0], row[1], row[5]) for row in rows] == [(msg_id, old.read_ct, old.body) for msg_id, old in taken]
        for msg_id, version in taken:
            self.model.put(who, msg_id, replace(version, place="gone"))

    # by id, whoever holds it

    def free_ids(self, who, picks):
        """Ids old, new and unknown, but none that would make us wait for another session."""
        ids = {pick % (self.model.newest_id + 2) for pick in picks}
        return sorted(msg_id for msg_id in ids if not self.model.is_locked_for(who, msg_id))

    def in_queue(self, who, ids):
        return [found for found in self.model.at(who, "queue") if found[0] in ids]

    @rule(who=WHO, picks=PICKS, hide=HIDE)
    def set_vt(self, who, picks, hide):
        ids = self.free_ids(who, picks)
        moved = self.in_queue(who, ids)
        rows = self.ask(who, "pgmq.set_vt(%s, %s::bigint[], %s::int)", ids, FAR_S if hide else -1)
        assert [(row[0], row[1], row[5]) for row in rows] == [(msg_id, old.read_ct, old.body) for msg_id, old in moved]
        for msg_id, version in moved:
            self.model.put(who, msg_id, replace(version, hidden=hide))

    @rule(who=WHO, picks=PICKS, finish=st.sampled_from([("delete", "gone"), ("archive", "archive")]))
    def finish(self, who, picks, finish):
        ids = self.free_ids(who, picks)
        found = self.in_queue(who, ids)
        assert self.ask(who, f"pgmq.{finish[0]}(%s, %s::bigint[])", ids) == [(msg_id,) for msg_id, _ in found]
        for msg_id, version in found:
            self.model.put(who, msg_id, replace(version, place=finish[1]))

    @precondition(lambda self: not self.model.in_transaction)
    @rule(who=WHO, really=SELDOM)
    def purge(self, who, really):
        if not really:
            return
        found = self.model.at(who, "queue")
        assert self.ask(who, "pgmq.purge_queue(%s)") == [(len(found),)]
        for msg_id, version in found:
            self.model.put(who, msg_id, replace(version, place="gone"))

    # settling, by attempts new and old

    def settle(self, who, picks, call, *more, change, again=False):
        recent = self.deliveries[-12:]
        chosen = dict(recent[pick % len(recent)] for pick in picks)
        pairs = sorted((i, n) for i, n in chosen.items() if not self.model.is_locked_for(who, i))
        held = dict(self.in_queue(who, [msg_id for msg_id, _ in pairs]))
        refused = []
        done = []
        for msg_id, attempt in pairs:
            version = held.get(msg_id)
            if version is None or version.read_ct != attempt:
                refused.append((msg_id, attempt, version and version.read_ct))
            elif version.settled < attempt:
                done.append((msg_id, version))
            elif not again:
                refused.append((msg_id, attempt, attempt))
        lists = [[item] * len(pairs) if isinstance(item, (str, float)) else item for item in more]
        answer = self.ask(who, f"hanjul.{call}", [i for i, _ in pairs], [n for _, n in pairs], *lists)
        assert answer == refused
        for msg_id, version in done:
            self.model.put(who, msg_id, change(version))

    @rule(who=WHO, picks=PICKS, archive=st.booleans())
    def ack(self, who, picks, archive):
        place = "archive" if archive else "gone"
        call = "ack(%s, %s::bigint[], %s::int[], %s)"
        self.settle(who, picks, call, archive, change=lambda old: replace(old, place=place))

    @rule(who=WHO, picks=PICKS, hide=HIDE)
    def nack(self, who, picks, hide):
        def change(old):
            return replace(old, hidden=hide, settled=old.read_ct)

        call = "nack(%s, %s::bigint[], %s::int[], %s::float8[])"
        self.settle(who, picks, call, float(FAR_S * hide), change=change, again=True)

    @rule(who=WHO, picks=PICKS, hide=HIDE)
    def release(self, who, picks, hide):
        def change(old):
            return replace(old, hidden=hide, settled=old.read_ct, released=old.released + 1)

        call = "release(%s, %s::bigint[], %s::int[], %s::float8[])"
        self.settle(who, picks, call, float(FAR_S * hide), change=change, again=True)

    @rule(who=WHO, picks=PICKS)
    def extend(self, who, picks):
        call = f"extend(%s, %s::bigint[], %s::int[], {FAR_S})"
        self.settle(who, picks, call, change=lambda old: replace(old, hidden=True))

    @rule(who=WHO, picks=PICKS)
    def reject(self, who, picks):
        def change(old):
            self.model.deaths += 1
            return replace(old, place="dead", died=self.model.deaths)

        call = "reject(%s, %s::bigint[], %s::int[], %s::text[], %s::text[])"
        self.settle(who, picks, call, "rejected", "no", change=change)

    @rule(who=WHO, qty=QTY)
    def redrive(self, who, qty):
        dead = [found for found in self.model.at(who, "dead") if not self.model.is_locked_for(who, found[0])]
        back = sorted(dead, key=lambda found: found[1].died)[:qty]
        new_ids = self.ask(who, "hanjul.redrive(%s, %s)", qty)
        for msg_id, version in back:
            self.model.put(who, msg_id, replace(version, place="gone"))
        assert new_ids == [(self.model.send(who, version.body, hidden=False),) for _, version in back]

    # what everybody else sees, after every step

    @invariant()
    def the_queue_holds_what_the_model_holds(self):
        rows = self.watch.rows(f"""
            select msg_id, message, vt > clock_timestamp(), read_ct, released, settled from pgmq.q_{self.name} order by 1""")
        queued = self.model.at(None, "queue")
        assert rows == [(i, v.body, v.hidden, v.read_ct, v.released, v.settled) for i, v in queued]

    @invariant()
    def every_message_that_left_is_where_it_went_to(self):
        archived = self.watch.rows(f"select msg_id, message, read_ct from pgmq.a_{self.name} order by 1")
        assert archived == [(i, v.body, v.read_ct) for i, v in self.model.at(None, "archive")]
        dead = self.watch.rows(
            "select msg_id, message, attempts from hanjul.dead_letter where queue_name = %s order by id", self.name
        )
        expected = sorted(self.model.at(None, "dead"), key=lambda found: found[1].died)
        assert dead == [(i, v.body, v.read_ct - v.released) for i, v in expected]

    @invariant()
    def the_metrics_say_the_same(self):
        [row] = self.watch.rows("select queue_length, queue_visible_length, total_messages from pgmq.metrics(%s)", self.name)
        queued = self.model.at(None, "queue")
        assert row == (len(queued), sum(not version.hidden for _, version in queued), self.model.newest_id)


def test_any_order_of_calls_does_what_the_model_says(connect):
    class QueueOfThisTest(Queue):
        sessions = [connect() for _ in range(3)]  # noqa: RUF012
        watch = connect()

    for session in QueueOfThisTest.sessions:
        session.run("set lock_timeout = '5s'")
    search = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    run_state_machine_as_test(QueueOfThisTest, settings=search)

    assert QueueOfThisTest.watch.one("select count(*) from pg_locks where locktype = 'advisory'") == 0
