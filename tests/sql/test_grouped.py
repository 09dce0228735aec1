"""Grouped reads: the messages of a group in order, one reader at a time; see the head of sql/pgmq/grouped.sql."""

import json
import random
import threading
import time
from statistics import median
from typing import ClassVar

import pytest

FORMS = ["read_grouped", "read_grouped_rr", "read_grouped_head"]
DEFAULT = [  # headers of messages that belong to the default group
    None,
    "{}",
    '{"tenant": 7}',
    '{"x-pgmq-group": null}',
    '{"x-pgmq-group": "_default_fifo_group"}',
    "[]",
    '["x-pgmq-group"]',
    "null",
    '"x-pgmq-group"',
    "7",
]


def send(session, groups, queue="mail"):
    """One message a letter, in that group; a dash is a message without headers."""
    for group in groups:
        headers = None if group == "-" else json.dumps({"x-pgmq-group": group})
        session.run("select pgmq.send(%s, %s::jsonb, %s::jsonb)", queue, json.dumps(group), headers)


def flood(session, group, count):
    headers = json.dumps({"x-pgmq-group": group})
    bodies = "array_fill('1'::jsonb, array[%s]), array_fill(%s::jsonb, array[%s])"
    session.run(f"select pgmq.send_batch('mail', {bodies})", count, headers, count)


def read(session, form, qty=1, vt=30, queue="mail"):
    return session.column(f"select msg_id from pgmq.{form}(%s, %s, %s)", queue, vt, qty)


def hide(session, *ids, queue="mail"):
    session.run(f"update pgmq.q_{queue} set vt = now() + '1 hour' where msg_id = any (%s)", list(ids))


def show(session, *ids, queue="mail"):
    session.run(f"update pgmq.q_{queue} set vt = now() where msg_id = any (%s)", list(ids))


def eventually(session, form, qty=1):
    """What is hard to find takes some polls, of which none finds anything wrong."""
    for _ in range(3000):
        if found := read(session, form, qty):
            return found
    return []


# What a group is


@pytest.mark.parametrize("headers", DEFAULT)
@pytest.mark.parametrize("form", FORMS)
def test_a_message_without_a_group_belongs_to_the_default_group(mail, form, headers):
    mail.run("select pgmq.send('mail', '1')")
    mail.run("select pgmq.send('mail', '2'::jsonb, %s::jsonb)", headers)
    mail.run("select pgmq.send('mail', '3'::jsonb, '{\"x-pgmq-group\": \"other\"}'::jsonb)")
    hide(mail, 1)

    assert read(mail, form, 9) == [3]


@pytest.mark.parametrize("headers", DEFAULT)
@pytest.mark.parametrize("form", FORMS)
def test_the_default_group_is_read_whatever_the_headers_of_its_oldest_message(mail, form, headers):
    mail.run("select pgmq.send('mail', '1'::jsonb, %s::jsonb)", headers)
    mail.run("select pgmq.send('mail', '2')")

    assert read(mail, form, 1) == [1]
    assert read(mail, form, 1) == []


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_name_is_a_group_of_its_own(mail, form):
    send(mail, ["-", ""])
    hide(mail, 1)

    assert read(mail, form, 9) == [2]


@pytest.mark.parametrize("form", FORMS)
def test_a_number_counts_by_its_text(mail, form):
    mail.run("select pgmq.send('mail', '1'::jsonb, '{\"x-pgmq-group\": 7}'::jsonb)")
    mail.run("select pgmq.send('mail', '2'::jsonb, '{\"x-pgmq-group\": \"7\"}'::jsonb)")
    hide(mail, 1)

    assert read(mail, form, 9) == []


@pytest.mark.parametrize("form", FORMS)
def test_a_groups_name_may_be_longer_than_an_index_entry(mail, form):
    send(mail, ["x" * 100_000 + "1", "x" * 100_000 + "2"])
    hide(mail, 1)

    assert read(mail, form, 9) == [2]


# Which groups are read, and what of them


@pytest.mark.parametrize("form", FORMS)
def test_a_group_is_blocked_while_its_oldest_message_is_leased(mail, form):
    send(mail, "AAB")
    mail.run("select pgmq.read('mail', 30, 1)")

    assert read(mail, form, 9) == [3]


@pytest.mark.parametrize("form", FORMS)
def test_a_group_is_blocked_while_its_oldest_message_is_delayed(mail, form):
    mail.run("select pgmq.send('mail', '1'::jsonb, '{\"x-pgmq-group\": \"A\"}'::jsonb, 100)")
    send(mail, "AB")

    assert read(mail, form, 9) == [3]


@pytest.mark.parametrize("finish", ["delete('mail', 1)", "archive('mail', 1)"])
@pytest.mark.parametrize("form", FORMS)
def test_a_group_goes_on_when_its_oldest_message_is_finished(mail, form, finish):
    send(mail, "AA")
    read(mail, form, 1)
    assert read(mail, form, 9) == []

    mail.run(f"select pgmq.{finish}")

    assert read(mail, form, 9) == [2]


@pytest.mark.parametrize("form", FORMS)
def test_a_group_starts_again_with_its_oldest_message_when_the_lease_of_that_is_over(mail, form):
    send(mail, "AA")
    read(mail, form, 1)

    mail.run("select pgmq.set_vt('mail', 1, 0)")

    assert read(mail, form, 1) == [1]


@pytest.mark.parametrize("form", FORMS)
def test_what_a_plain_read_has_leased_blocks_its_group(mail, form):
    send(mail, "AAB")
    mail.run("select pgmq.read('mail', 30, 1)")

    assert read(mail, form, 9) == [3]


@pytest.mark.parametrize("form", FORMS)
def test_what_a_pop_has_taken_is_gone_from_its_group(mail, form):
    send(mail, "AA")
    mail.run("select pgmq.pop('mail', 1)")

    assert read(mail, form, 9) == [2]


def test_read_grouped_takes_all_of_the_oldest_group_before_the_next(mail):
    send(mail, "ABABBA")

    assert read(mail, "read_grouped", 4) == [1, 2, 3, 6]
    assert read(mail, "read_grouped", 9) == []


def test_read_grouped_rr_takes_one_of_each_group_by_turns(mail):
    send(mail, "AABBAC")

    assert read(mail, "read_grouped_rr", 4) == [1, 3, 6, 2]


def test_the_turns_of_read_grouped_rr_are_by_the_age_of_the_groups_not_of_the_messages(mail):
    send(mail, "ABBAAB")

    assert read(mail, "read_grouped_rr", 9) == [1, 2, 4, 3, 5, 6]


def test_a_group_that_has_no_more_leaves_its_turns_to_the_others(mail):
    send(mail, "ABCAAAA")

    assert read(mail, "read_grouped_rr", 6) == [1, 2, 3, 4, 5, 6]


def test_read_grouped_head_takes_the_oldest_of_each_group_in_order(mail):
    send(mail, "BAABCA")

    assert read(mail, "read_grouped_head", 2) == [1, 2]
    assert read(mail, "read_grouped_head", 9) == [5]


@pytest.mark.parametrize("form", FORMS)
def test_rows_have_the_columns_of_a_plain_read_and_its_lease(mail, form):
    send(mail, "A")

    [(msg_id, read_ct, message, headers, leased)] = mail.rows(
        f"select msg_id, read_ct, message, headers, vt between now() + '29 s' and now() + '31 s' and last_read_at >= enqueued_at"
        f" from pgmq.{form}('mail', 30, 1)"
    )

    assert (msg_id, read_ct, message, headers, leased) == (1, 1, "A", {"x-pgmq-group": "A"}, True)


@pytest.mark.parametrize("form", FORMS[:2])
def test_a_group_ends_at_the_first_hidden_message(mail, form):
    send(mail, "AAAB")
    hide(mail, 2)

    assert read(mail, form, 9) == [1, 4]


@pytest.mark.parametrize("form", FORMS[:2])
def test_messages_of_the_default_group_with_and_without_headers_are_read_in_order(mail, form):
    for headers in (None, "{}", "{}", None, None, "{}"):
        mail.run("select pgmq.send('mail', '1'::jsonb, %s::jsonb)", headers)
    hide(mail, 6)

    assert read(mail, form, 9) == [1, 2, 3, 4, 5]


# Arguments


@pytest.mark.parametrize("qty", [0, -1, None])
@pytest.mark.parametrize("form", FORMS[:2])
def test_no_quantity_is_no_rows(mail, form, qty):
    send(mail, "A")

    assert read(mail, form, qty) == []


def test_of_the_heads_none_all_and_a_negative_number_can_be_asked(mail, refused):
    send(mail, "ABC")

    assert read(mail, "read_grouped_head", 0) == []
    with refused("2201W", "LIMIT must not be negative"):
        read(mail, "read_grouped_head", -1)
    assert read(mail, "read_grouped_head", None) == [1, 2, 3]


@pytest.mark.parametrize("vt", [0, -5])
@pytest.mark.parametrize("form", FORMS)
def test_a_lease_that_is_over_at_once_shows_the_same_messages_again(mail, form, vt):
    send(mail, "AAB")

    assert read(mail, form, 2, vt) == read(mail, form, 2, vt)


@pytest.mark.parametrize("form", FORMS)
def test_a_lease_without_length_is_refused(mail, form, refused):
    send(mail, "A")

    with refused("23502"):
        read(mail, form, 1, None)


@pytest.mark.parametrize("form", FORMS)
def test_a_queue_that_is_not_there_is_refused_as_by_a_plain_read(mail, form, refused):
    with refused("42P01", 'relation "pgmq.q_none" does not exist'):
        read(mail, form, queue="none")


# Where messages lie


@pytest.mark.parametrize("form", FORMS)
def test_delayed_messages_are_read_in_their_groups_order_when_they_are_due(mail, form):
    mail.run("select pgmq.send('mail', '1'::jsonb, '{\"x-pgmq-group\": \"A\"}'::jsonb, 100)")
    mail.run("select pgmq.send('mail', '2'::jsonb, '{\"x-pgmq-group\": \"A\"}'::jsonb, 50)")
    send(mail, "B")
    show(mail, 2)
    assert read(mail, form, 1) == [3]

    show(mail, 1)

    assert read(mail, form, 1) == [1]


@pytest.mark.parametrize("form", FORMS)
def test_parked_messages_block_their_groups_until_they_are_finished(mail, form):
    mail.run(
        "insert into pgmq.q_mail (vt, message, headers) "
        "select now() + '1 hour', '1', jsonb_build_object('x-pgmq-group', n::text) from generate_series(1, 4000) n"
    )
    send(mail, ["1", "2", "5000"])
    for _ in range(50):
        mail.run('select pgmq."park.mail"()')
    assert mail.one("select count(*) from pgmq.q_mail where due is not null") == 4000
    assert read(mail, form, 9) == [4003]

    mail.run("select pgmq.delete('mail', 1)")
    show(mail, 2)

    assert read(mail, form, 2) == ([2, 4002] if form == "read_grouped" else [2, 4001])


@pytest.mark.parametrize("form", FORMS)
def test_groups_behind_a_large_blocked_one_are_found_at_once_the_oldest_first(mail, form):
    flood(mail, "1", 3000)
    send(mail, "ZABA")
    hide(mail, 1)

    assert read(mail, form, 2) == [3001, 3002]


@pytest.mark.parametrize("form", FORMS)
def test_messages_without_headers_far_behind_a_blocked_group_are_found_within_some_polls(mail, form):
    flood(mail, "1", 9000)
    send(mail, "-")
    hide(mail, 1)

    assert eventually(mail, form, 2) == [9001]


@pytest.mark.parametrize("form", FORMS)
def test_with_headers_or_without_the_default_group_is_one_however_far_apart_its_messages_are(mail, form):
    mail.run("select pgmq.send('mail', '1'::jsonb, '{}'::jsonb)")
    flood(mail, "1", 3000)
    send(mail, "-")
    mail.run("select pgmq.send('mail', '1'::jsonb, '{}'::jsonb)")
    hide(mail, 2)
    seen = []

    while found := eventually(mail, form, 9) if len(seen) < 3 else []:
        seen += found
        mail.run("select pgmq.delete('mail', %s::bigint[])", found)

    assert seen == [1, 3002, 3003]


# What a call looks at: counted, not timed

LOOKED_AT = "select coalesce(seq_scan, 0), coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables where relname = 'q_mail'"


def fill(session, groups, rows):
    session.run(
        "insert into pgmq.q_mail (vt, message, headers) "
        "select now(), '1', jsonb_build_object('x-pgmq-group', (n %% %s)::text) from generate_series(1, %s) n",
        groups,
        rows,
    )


def looks(session, form, qty):
    """How many rows a call fetches; none by a scan of the table."""
    session.run("begin")
    [(scans, rows)] = session.rows(LOOKED_AT)
    taken = read(session, form, qty)
    [(scans_after, rows_after)] = session.rows(LOOKED_AT)
    session.run("rollback")
    assert scans_after == scans
    return len(taken), rows_after - rows


@pytest.mark.parametrize(("groups", "rows"), [(1000, 60_000), (20_000, 20_000)])
def test_a_call_looks_at_few_rows_of_many_groups(mail, groups, rows):
    fill(mail, groups, rows)
    for analyze in ("", "analyze pgmq.q_mail"):
        mail.run(analyze or "select 1")
        for form in FORMS:
            taken, looked = looks(mail, form, 10)

            assert taken == 10
            assert looked <= 400, form


def test_one_group_that_is_read_looks_at_what_it_takes_and_not_at_the_other_groups(mail):
    flood(mail, "A", 3000)
    fill(mail, 5000, 5000)

    taken, looked = looks(mail, "read_grouped", 100)

    assert taken == 100
    assert looked <= 1000


@pytest.mark.parametrize("form", FORMS)
def test_behind_blocked_groups_a_call_looks_at_each_group_and_not_at_each_message(mail, form):
    fill(mail, 500, 50_000)
    mail.run("update pgmq.q_mail set vt = now() + '1 hour' where msg_id < 500")

    calls = [looks(mail, form, 1) for _ in range(11)]

    assert [taken for taken, _ in calls] == [1] * 11
    assert median(looked for _, looked in calls) <= 6000  # one in twenty walks on to messages without a group


# Several sessions


@pytest.mark.parametrize("form", FORMS)
def test_an_open_transaction_holds_its_groups_and_no_others(mail, connect, form):
    send(mail, "AABBC")
    holder, other = connect(), connect()
    holder.run("begin")
    read(holder, form, 1)

    assert read(other, form, 9) == (
        [3, 5] if form == "read_grouped_head" else [3, 5, 4] if form == "read_grouped_rr" else [3, 4, 5]
    )

    holder.run("rollback")
    assert read(other, form, 1) == [1]


@pytest.mark.parametrize("form", FORMS)
def test_groups_of_the_same_name_in_other_queues_are_free(mail, connect, form):
    mail.run("select pgmq.create('sms')")
    send(mail, "A")
    send(mail, "A", "sms")
    holder = connect()
    holder.run("begin")
    read(holder, form, 1)

    assert read(mail, form, 1, queue="sms") == [1]


@pytest.mark.parametrize("form", FORMS)
def test_whoever_is_refused_a_group_does_not_keep_any_of_it(mail, connect, form):
    send(mail, "AAAB")
    holder, passing, third = connect(), connect(), connect()
    holder.run("begin")
    holder.run("select from pgmq.q_mail where msg_id = 1 for update")
    passing.run("begin")

    assert read(passing, form, 9) == [4]

    holder.run("commit")
    assert read(third, form, 1) == [1]


@pytest.mark.parametrize("form", FORMS[:2])
def test_a_group_ends_at_the_first_message_that_somebody_has_locked(mail, connect, form):
    send(mail, "AAAB")
    holder = connect()
    holder.run("begin")
    holder.run("select from pgmq.q_mail where msg_id = 2 for update")

    assert read(mail, form, 9) == [1, 4]


@pytest.mark.parametrize("form", FORMS)
def test_of_a_sender_that_commits_an_older_message_later_nothing_is_lost(mail, connect, form):
    slow = connect()
    slow.run("begin")
    send(slow, "A")
    send(mail, "AA")
    assert read(mail, form, 1) == [2]

    slow.run("commit")

    assert eventually(mail, form, 9) == [1]
    mail.run("select pgmq.delete('mail', '{1, 2}'::bigint[])")
    assert eventually(mail, form, 9) == [3]


@pytest.mark.parametrize("form", FORMS)
def test_a_message_that_became_the_oldest_while_others_were_passed_through_goes_first(mail, connect, form):
    slow = connect()
    slow.run("begin")
    send(slow, "A")
    mail.run("select pgmq.send_batch('mail', array_fill('1'::jsonb, array[100]))")
    mail.run("select pgmq.pop('mail', 100)")
    for _ in range(5):
        mail.run('select pgmq."tidy.mail"()')
    send(mail, "AB")

    slow.run("commit")
    send(mail, "A")

    assert read(mail, form, 1) == [1]


# Between the look and the lock


class Gate:
    """Stops readers that set test.slow where they have looked at a group and not locked it yet; planted into their function."""

    LOCKING = "    select array_agg(m.msg_id) into taken\n"
    WAITING = "    if current_setting('test.slow', true) = 'on' then perform pg_advisory_xact_lock(77); end if;\n"

    def __init__(self, session, keeper):
        self._keeper = keeper
        taking = session.one("select pg_get_functiondef('pgmq.\"take.mail\"'::regproc)")
        assert taking.count(self.LOCKING) == 1
        session.run(taking.replace(self.LOCKING, self.WAITING + self.LOCKING))

    def close(self):
        self._keeper.run("select pg_advisory_lock(77)")

    def open(self):
        self._keeper.run("select pg_advisory_unlock(77)")


@pytest.fixture
def gate(mail, connect):
    return Gate(mail, connect())


MEANWHILE = [
    "select * from pgmq.read_grouped('mail', 30, 1)",
    "select * from pgmq.pop('mail', 1)",
    "select pgmq.delete('mail', 1)",
    "select pgmq.archive('mail', 1)",
    "select pgmq.set_vt('mail', 1, 30)",
    "select pgmq.delete('mail', (array(select msg_id from pgmq.read_grouped('mail', 30, 2)))[1])",
]


@pytest.mark.parametrize("meanwhile", MEANWHILE)
@pytest.mark.parametrize("form", FORMS)
def test_what_others_took_between_the_look_and_the_lock_is_not_taken_again(mail, connect, blocked, gate, form, meanwhile):
    send(mail, "AAB")
    reader = connect()
    reader.run("set test.slow = on")
    gate.close()
    reading = reader.later(f"select msg_id from pgmq.{form}('mail', 30, 9)")
    blocked(reader)

    mail.run(meanwhile)
    gate.open()

    assert reading.result() == [(3,)]


@pytest.mark.parametrize("form", FORMS[:2])
def test_a_message_of_the_middle_that_others_took_between_the_look_and_the_lock_ends_the_group(
    mail, connect, blocked, gate, form
):
    send(mail, "AAAB")
    reader = connect()
    reader.run("set test.slow = on")
    gate.close()
    reading = reader.later(f"select msg_id from pgmq.{form}('mail', 30, 9)")
    blocked(reader)

    mail.run("select pgmq.set_vt('mail', 2, 30)")
    gate.open()

    assert reading.result() == [(1,), (4,)]


@pytest.mark.parametrize("form", FORMS[:2])
def test_what_is_sent_after_a_slow_sender_is_not_read_before_it(mail, connect, blocked, gate, form):
    slow, reader = connect(), connect()
    slow.run("begin")
    send(slow, "A")
    send(mail, "A")
    reader.run("set test.slow = on")
    gate.close()
    reading = reader.later(f"select msg_id from pgmq.{form}('mail', 30, 9)")
    blocked(reader)

    slow.run("commit")
    send(mail, "A")  # after 1, which its sender knows to be committed
    gate.open()

    assert reading.result() == [(2,)]
    assert eventually(mail, form, 9) == [1]


# Many at once


class Company:
    """Senders and readers in threads; each sender's messages count up within a group, and each reader checks what it sees."""

    MESSAGES: ClassVar[int] = 60
    GROUPS = "ABC-"

    def __init__(self, connect, form, seed):
        self.form, self.seed = form, seed
        self.lock = threading.Lock()
        self.faults = []
        self.done = {(sender, group): 0 for sender in range(2) for group in self.GROUPS}
        self.held = {}
        self.left = len(self.done) * self.MESSAGES
        self.senders = [connect() for _ in range(2)]
        self.readers = [connect() for _ in range(3)]

    def run(self):
        threads = [threading.Thread(target=self._send, args=pair) for pair in enumerate(self.senders)]
        threads += [threading.Thread(target=self._read, args=pair) for pair in enumerate(self.readers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _send(self, number, session):
        chance = random.Random(f"{self.seed} sender {number}")
        counts = dict.fromkeys(self.GROUPS, 0)
        while group := chance.choice([group for group in self.GROUPS if counts[group] < self.MESSAGES] or [""]):
            session.run("begin")
            for _ in range(chance.randint(1, 3)):
                if counts[group] < self.MESSAGES:
                    counts[group] += 1
                    headers = None if group == "-" else json.dumps({"x-pgmq-group": group})
                    body = json.dumps([number, group, counts[group]])
                    session.run("select pgmq.send('mail', %s::jsonb, %s::jsonb)", body, headers)
            session.run("commit")

    def _read(self, number, session):
        chance = random.Random(f"{self.seed} reader {number}")
        deadline = time.monotonic() + 60
        while self.left > 0 and not self.faults:
            if time.monotonic() > deadline:
                self.faults.append(f"{self.left} messages are lost")
            apart = chance.random() < 0.3
            session.run("begin" if apart else "select 1")
            rows = session.rows(f"select msg_id, message from pgmq.{self.form}('mail', 60, %s)", chance.choice([1, 2, 7]))
            if apart and chance.random() < 0.3:
                session.run("rollback")
                continue
            with self.lock:
                for msg_id, body in rows:
                    self._take(msg_id, *body)
            session.run("commit" if apart else "select 1")
            if rows:
                self._finish(chance, session, [row[0] for row in rows])

    def _take(self, msg_id, sender, group, count):
        """In order without a gap, and no message of this sender's group before it with anybody else."""
        if msg_id in self.held:
            self.faults.append(f"{msg_id} is leased twice")
        ahead = sum(held[:2] == (sender, group) for held in self.held.values())
        if count != self.done[sender, group] + ahead + 1:
            self.faults.append(f"{sender} {group} {count} came after {self.done[sender, group]} and {ahead} that are held")
        self.held[msg_id] = (sender, group, count)

    def _finish(self, chance, session, ids):
        """The first so many are done; the others go back, the newest first, so that none overtakes."""
        done = chance.randint(0, len(ids))
        with self.lock:
            back = [self.held.pop(msg_id) for msg_id in ids]
            for sender, group, count in [held for msg_id, held in zip(ids, back, strict=True) if msg_id in ids[:done]]:
                self.done[sender, group] = max(self.done[sender, group], count)
                self.left -= 1
        # not while we keep others from the books: one in a transaction may have locked a message that it then was refused
        session.run("select pgmq.delete('mail', %s::bigint[])", ids[:done])
        session.run("select pgmq.set_vt('mail', %s::bigint[], 0)", ids[done:])


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("form", FORMS)
def test_each_group_is_read_in_order_by_one_reader_at_a_time_and_nothing_is_lost(mail, connect, form, seed):
    company = Company(connect, form, seed)

    company.run()

    assert company.faults == []
    assert mail.one("select count(*) from pgmq.q_mail") == 0


# The index


def test_the_index_of_groups_is_made_once(mail):
    mail.run("select pgmq.create_fifo_index('mail'), pgmq.create_fifo_index('mail'), pgmq.create_fifo_indexes_all()")

    assert mail.one("select count(*) from pg_indexes where indexname = 'q_mail_fifo_idx'") == 1


def test_a_queue_that_has_no_index_of_groups_gets_one(mail):
    mail.run("drop index pgmq.q_mail_fifo_idx")
    send(mail, "AB")
    assert read(mail, "read_grouped_head", 9) == [1, 2]

    mail.run("select pgmq.create_fifo_indexes_all()")

    assert mail.one("select count(*) from pg_indexes where indexname = 'q_mail_fifo_idx'") == 1
