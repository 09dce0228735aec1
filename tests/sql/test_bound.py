"""The scan bound: reads start past what is gone, and never past a message, whatever the order in which senders commit."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("HANJUL_MODEL_EXAMPLES", "16")) * 3
_numbers = iter(range(10**9))


@pytest.fixture
def mail(db):
    db.run("select pgmq.create('mail')")
    return db


def bound(session, queue="mail"):
    return session.one(f"select last_value from pgmq.b_{queue}")


def tidy(session, queue="mail"):
    """Two rounds: the first only notes what the second may rely on."""
    for _ in range(2):
        for _ in range(50):  # a round is skipped where binding the call took long
            before = session.one("select coalesce(max(id), 0) from pgmq.scan")
            session.run(f'select pgmq."tidy.{queue}"()')
            if session.one("select coalesce(max(id), 0) from pgmq.scan") > before:
                break


def pass_through(session, count, queue="mail"):
    session.run(f"select pgmq.send_batch('{queue}', array_fill('1'::jsonb, array[{count}]))")
    session.run(f"select pgmq.pop('{queue}', {count})")


def peeked(session):
    """What peek shows; several times, because the bound stays where binding the call took long."""
    for _ in range(50):
        if seen := session.column("select message from pgmq.peek('mail', 5)"):
            return seen
    return []


def test_it_moves_past_what_is_gone(mail):
    pass_through(mail, 100)
    mail.run("select pgmq.send('mail', '2')")

    tidy(mail)

    assert bound(mail) == 101
    assert mail.column("select message from pgmq.read('mail', 30, 5)") == [2]


def test_it_stops_at_the_oldest_message_whatever_its_state(mail):
    pass_through(mail, 100)
    mail.run("select pgmq.send('mail', '2')")
    mail.run("select pgmq.read('mail', 30, 1)")
    pass_through(mail, 100)

    tidy(mail)

    assert bound(mail) == 101


def test_a_message_of_a_slow_sender_is_read_as_soon_as_it_is_committed(mail, connect):
    slow = connect()
    slow.run("begin")
    slow.run("select pgmq.send('mail', '\"late\"')")
    pass_through(mail, 100)
    tidy(mail)
    assert bound(mail) > 1

    slow.run("commit")

    assert mail.column("select message from pgmq.read('mail', 30, 5)") == ["late"]


@pytest.fixture
def late(mail, connect):
    """A message that the bound has passed while its sender was open, and newer ones; none of them is read yet."""
    slow = connect()
    slow.run("begin")
    slow.run("select pgmq.send('mail', '\"late\"', '{\"x-pgmq-group\": \"late\"}'::jsonb)")
    pass_through(mail, 100)
    tidy(mail)
    assert bound(mail) > 1
    slow.run("commit")
    mail.run("select pgmq.send_batch('mail', array['2', '3']::jsonb[])")
    return mail


READS = {
    "read": "select message from pgmq.read('mail', 30, 5)",
    "pop": "select message from pgmq.pop('mail', 5)",
    "claim": "select message::jsonb from hanjul.claim('mail', 30, 5)",
    "groups": "select message from pgmq.read_grouped('mail', 30, 5)",
    "rounds": "select message from pgmq.read_grouped_rr('mail', 30, 5)",
}


@pytest.mark.parametrize("read", READS)
def test_a_message_of_a_slow_sender_is_not_passed_by_a_read_that_finds_fewer_than_it_wanted(late, read):
    assert sorted(late.column(READS[read]), key=str) == [2, 3, "late"]


def test_a_message_of_a_slow_sender_is_seen_by_peek_which_leaves_it_there(mail, connect):
    slow = connect()
    slow.run("begin")
    slow.run("select pgmq.send('mail', '\"late\"')")
    pass_through(mail, 100)
    tidy(mail)

    slow.run("commit")

    assert peeked(mail) == ["late"]
    assert peeked(mail) == ["late"]


def test_a_connection_that_may_only_read_may_peek(mail, connect):
    slow = connect()
    slow.run("begin")
    slow.run("select pgmq.send('mail', '\"late\"')")
    pass_through(mail, 100)
    tidy(mail)
    slow.run("commit")
    mail.run("select pgmq.send('mail', '2')")

    mail.run("set default_transaction_read_only = on")

    assert [mail.column("select message from pgmq.peek('mail', 5)") for _ in range(20)] == [[2]] * 20


def test_a_slow_sender_that_sends_again_is_followed_to_its_end(mail, connect):
    slow = connect()
    slow.run("begin")
    for _ in range(3):
        slow.run("select pgmq.send('mail', '\"late\"')")
        pass_through(mail, 10)
        tidy(mail)

    slow.run("commit")

    assert mail.column("select message from pgmq.read('mail', 30, 5)") == ["late"] * 3


def test_messages_of_a_sender_in_two_phases_are_read_when_it_is_through(mail, connect):
    slow = connect()
    slow.run("begin")
    slow.run("select pgmq.send('mail', '\"late\"')")
    tidy(mail)
    slow.run("prepare transaction 'slow'")
    pass_through(mail, 100)
    tidy(mail)

    slow.run("commit prepared 'slow'")

    assert mail.column("select message from pgmq.read('mail', 30, 5)") == ["late"]


def test_a_read_that_is_rolled_back_leaves_its_messages_within_the_bound(mail):
    pass_through(mail, 10)
    mail.run("select pgmq.send('mail', '2')")
    mail.run("begin")
    mail.run("select pgmq.pop('mail', 1)")
    mail.run('select pgmq."tidy.mail"()')
    mail.run("rollback")

    tidy(mail)

    assert mail.column("select message from pgmq.read('mail', 30, 5)") == [2]


def test_a_transaction_that_may_have_deleted_moves_it_back_but_not_ahead(mail, connect):
    round_with_an_id = """do $$ begin perform pg_current_xact_id(); perform pgmq."tidy.mail"(); end $$"""
    slow = connect()
    slow.run("begin")
    slow.run("select pgmq.send('mail', '1')")
    pass_through(mail, 100)
    tidy(mail)
    pass_through(mail, 100)
    before = bound(mail)
    mail.run(round_with_an_id)
    assert bound(mail) == before > 1

    slow.run("commit")
    mail.run(round_with_an_id)

    assert bound(mail) == 1


def test_a_bound_from_a_younger_dump_goes_back(mail):
    pass_through(mail, 10)
    mail.run("select pgmq.send('mail', '2')")
    tidy(mail)
    mail.run("select setval('pgmq.b_mail', 1000)")  # as pg_dump leaves it: sequences are dumped as they are, rows as they were

    found = []
    for _ in range(300):
        found += mail.column("select message from pgmq.read('mail', 30, 5)")

    assert found == [2]


def test_ids_that_start_again_are_read(mail):
    pass_through(mail, 100)
    tidy(mail)

    mail.run("truncate pgmq.q_mail restart identity")
    mail.run("select pgmq.send('mail', '2')")

    assert mail.column("select message from pgmq.read('mail', 30, 5)") == [2]


@pytest.mark.parametrize(
    "again", ["truncate pgmq.q_mail restart identity", "select pgmq.drop_queue('mail'), pgmq.create('mail')"]
)
def test_what_was_known_before_ids_started_again_counts_no_more(mail, connect, again):
    pass_through(mail, 1000)
    tidy(mail)
    for statement in again.split(", "):
        mail.run(statement if statement.startswith(("select", "truncate")) else f"select {statement}")
    slow = connect()
    slow.run("begin")
    slow.run("select pgmq.send('mail', '\"late\"')")
    pass_through(mail, 10)
    for _ in range(20):
        mail.run('select pgmq."advance.mail"()')
        mail.run('select pgmq."tidy.mail"()')

    slow.run("commit")

    assert mail.column("select message from pgmq.read('mail', 30, 5)") == ["late"]


def test_messages_that_lie_in_the_way_are_parked_and_come_back_when_they_are_due(mail):
    mail.run("insert into pgmq.q_mail (vt, message) select now() + '1 hour', '1' from generate_series(1, 4000)")
    mail.run("select pgmq.send('mail', '2')")

    for _ in range(50):
        mail.run('select pgmq."park.mail"()')

    assert mail.one("select count(*) from pgmq.q_mail where due is not null") == 4000
    assert mail.column("select message from pgmq.read('mail', 30, 5)") == [2]
    mail.run("update pgmq.q_mail set vt = now() where msg_id in (7, 3000)")
    assert mail.column("select msg_id from pgmq.read('mail', 30, 5)") == [7, 3000]
    assert mail.column("select msg_id from pgmq.read('mail', 30, 5)") == []


def test_parked_and_plain_messages_are_read_by_id_together(mail):
    mail.run("select pgmq.send_batch('mail', array_fill('1'::jsonb, array[3]), 60)")
    mail.run("select pgmq.send_batch('mail', array_fill('2'::jsonb, array[3]))")
    mail.run("update pgmq.q_mail set vt = now() where msg_id <= 2")

    assert mail.column("select msg_id from pgmq.read('mail', 30, 3)") == [1, 2, 4]
    assert mail.column("select msg_id from pgmq.pop('mail', 3)") == [5, 6]


class Peer:
    """A session whose transactions are as long as it is told, and what it has sent and popped for good."""

    def __init__(self, session, queue):
        self.session, self.queue = session, queue
        self.sent, self.popped = set(), []
        self._undecided = None

    def begin(self):
        if self._undecided is None:
            self.session.run("begin")
            self._undecided = (set(), [], [])

    def send(self, count):
        ids = self.session.column(f"select pgmq.send_batch('{self.queue}', array_fill('1'::jsonb, array[{count}]))")
        (self._undecided[0] if self._undecided else self.sent).update(ids)

    def pop(self, count):
        ids = self.session.column(f"select msg_id from pgmq.pop('{self.queue}', {count})")
        (self._undecided[1] if self._undecided else self.popped).extend(ids)

    def take(self, count):
        """Ids now, their rows only at the end, as a statement may do that is slow."""
        if self._undecided:
            self.session.run(f"lock table pgmq.q_{self.queue} in row exclusive mode")
            ids = f"select nextval('pgmq.q_{self.queue}_msg_id_seq') from generate_series(1, {count})"
            self._undecided[2].extend(self.session.column(ids))

    def commit(self):
        if self._undecided:
            sent, popped, taken = self._undecided
            for msg_id in taken:
                row = f"(msg_id, vt, message) overriding system value values ({msg_id}, now(), '1')"
                self.session.run(f"insert into pgmq.q_{self.queue} {row}")
            self.session.run("commit")
            self.sent |= sent | set(taken)
            self.popped += popped
            self._undecided = None

    def rollback(self):
        if self._undecided:
            self.session.run("rollback")
            self._undecided = None


PEERS = st.integers(0, 3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["send", "take", "pop"]), PEERS, st.integers(1, 4)),
        st.tuples(st.sampled_from(["begin", "commit", "rollback"]), PEERS),
        st.just(("tidy",)),
        st.just(("advance",)),
        st.just(("hold",)),
    ),
    min_size=8,
    max_size=40,
)


@pytest.fixture(scope="module")
def sessions(open_database, open_session):
    with open_database() as db:
        others = [open_session(db.connection.info.dsn + f" password={db.connection.info.password}") for _ in range(5)]
        yield db, others
        for other in others:
            other.close()


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_no_order_of_commits_hides_a_message(sessions, steps):
    """What was committed and not popped is there at the end, and what was popped was popped once."""
    db, (*workers, holder) = sessions
    queue = f"bound{next(_numbers)}"
    db.run(f"select pgmq.create('{queue}')")
    peers = [Peer(worker, queue) for worker in workers]
    others = {"tidy": lambda: db.run(f"select pgmq.\"tidy.{queue}\"()"),
              "advance": lambda: db.run(f"select pgmq.\"advance.{queue}\"()"),
              "hold": lambda: holder.run("rollback; begin isolation level repeatable read; select 1")}  # fmt: skip
    try:
        for name, *args in steps:
            if args:
                getattr(peers[args[0]], name)(*args[1:])
            else:
                others[name]()
        for peer in peers:
            peer.commit()
        for _ in range(20):
            peers[0].pop(100)
    finally:
        for peer in peers:
            peer.rollback()
        holder.run("rollback")
    popped = [msg_id for peer in peers for msg_id in peer.popped]
    assert len(popped) == len(set(popped))
    assert set(popped) == set().union(*(peer.sent for peer in peers))


def test_an_idle_consumer_is_told_of_a_slow_senders_message(mail, connect):
    slow = connect()
    slow.run("begin")
    slow.run("select pgmq.send('mail', '\"late\"')")
    pass_through(mail, 100)
    tidy(mail)

    slow.run("commit")

    assert [float(due) for _, due in mail.rows("select * from hanjul.ready('{mail}')")] == [0]


def test_a_parked_message_that_is_due_and_held_by_another_keeps_nobody_from_the_rest(mail, connect):
    mail.run("select pgmq.send('mail', '1', 60)")
    mail.run("select pgmq.send_batch('mail', array_fill('2'::jsonb, array[1000]))")
    mail.run("update pgmq.q_mail set vt = now() where msg_id = 1")
    other = connect()
    other.run("begin")
    assert len(other.column("select msg_id from pgmq.read('mail', 30, 300)")) == 300

    assert mail.column("select msg_id from pgmq.read('mail', 30, 3)") == [301, 302, 303]
    assert len(mail.column("select msg_id from pgmq.pop('mail', 2147483647)")) == 698


def test_messages_put_into_a_partition_by_hand_are_found(db, connect):
    db.run("select pgmq.create_partitioned('mail', '1000', '10000')")
    slow = connect()
    slow.run("begin")
    slow.run("insert into pgmq.q_mail_p0 (msg_id, vt, message) values (nextval('pgmq.q_mail_msg_id_seq'), now(), '1')")
    pass_through(db, 100)
    tidy(db)

    slow.run("commit")

    assert [one for _ in range(3) for one in db.column("select message from pgmq.read('mail', 30, 5)")] == [1]
