"""Settling deliveries: every settlement is fenced by (msg_id, attempt) and happens once."""

import pytest

STALE = [
    "hanjul.ack('mail', '{1}', '{1}')",
    "hanjul.ack('mail', '{1}', '{1}', true)",
    "hanjul.nack('mail', '{1}', '{1}', '{0}')",
    "hanjul.release('mail', '{1}', '{1}', '{0}')",
    "hanjul.extend('mail', '{1}', '{1}', 60)",
    "hanjul.reject('mail', '{1}', '{1}', '{rejected}', '{no}')",
]
EVERYTHING = "select * from pgmq.q_mail order by msg_id"
EXPIRE = "update pgmq.q_mail set vt = clock_timestamp() where vt > clock_timestamp()"


@pytest.fixture
def claimed(mail):
    """The queue `mail` with message 1, claimed for the first time, and message 2, never claimed."""
    mail.run("select pgmq.send_batch('mail', array['{\"to\": \"ada\"}', '2']::jsonb[], array['{\"h\": 1}', null]::jsonb[])")
    assert claim(mail) == [(1, 1, 0)]
    return mail


def claim(session, lease_s=60, qty=1):
    return session.rows("select msg_id, attempt, released from hanjul.claim('mail', %s, %s)", lease_s, qty)


def claim_again(session):
    session.run(EXPIRE)
    return claim(session)


def test_a_claim_gives_what_a_delivery_needs(mail):
    mail.run("""select pgmq.send('mail', '{"to": "ada"}', '{"h": 1}'::jsonb)""")

    cursor = mail.connection.execute("select * from hanjul.claim('mail', 0.25, 1)")

    assert [column.name for column in cursor.description] == [
        "msg_id", "attempt", "released", "enqueued_at", "message", "headers",
    ]  # fmt: skip
    [(msg_id, attempt, released, _, message, headers)] = cursor.fetchall()
    assert (msg_id, attempt, released, message, headers) == (1, 1, 0, '{"to": "ada"}', '{"h": 1}')
    assert mail.one("select vt - last_read_at = '0.25 s'::interval and read_ct = 1 from pgmq.q_mail") is True


def test_claims_take_the_oldest_visible_messages_in_order_and_skip_locked_ones(mail, connect):
    other = connect()
    mail.run("select pgmq.send_batch('mail', array(select to_jsonb(n) from generate_series(1, 6) n))")
    mail.run("update pgmq.q_mail set vt = clock_timestamp() + '1 hour' where msg_id = 2")
    mail.run("begin")
    assert [msg_id for msg_id, *_ in claim(mail, qty=2)] == [1, 3]

    assert [msg_id for msg_id, *_ in claim(other, qty=9)] == [4, 5, 6]
    mail.run("rollback")
    assert claim(other, qty=9) == [(1, 1, 0), (3, 1, 0)]


@pytest.mark.parametrize("lease_s", ["'NaN'", "'infinity'", "1e300", "-1e300", "1e15"])
def test_an_impossible_lease_is_refused_and_changes_nothing(claimed, refused, lease_s):
    before = claimed.rows(EVERYTHING)

    for call in (f"hanjul.claim('mail', {lease_s}, 1)", f"hanjul.extend('mail', '{{1}}', '{{1}}', {lease_s})"):
        with refused("22008"):
            claimed.run(f"select {call}")

    assert claimed.rows(EVERYTHING) == before


def test_an_ack_deletes_the_message(claimed):
    assert claimed.rows("select * from hanjul.ack('mail', '{1}', '{1}')") == []

    assert claimed.column("select msg_id from pgmq.q_mail") == [2]
    assert claimed.one("select count(*) from pgmq.a_mail") == 0


def test_an_ack_can_archive_instead(claimed):
    columns = "msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers"
    before = claimed.rows(f"select {columns} from pgmq.q_mail where msg_id = 1")

    assert claimed.rows("select * from hanjul.ack('mail', '{1}', '{1}', archive => true)") == []

    assert claimed.rows(f"select {columns} from pgmq.a_mail") == before
    assert claimed.column("select msg_id from pgmq.q_mail") == [2]


@pytest.mark.parametrize("archive", [False, True])
def test_an_ack_that_is_repeated_is_harmless_and_told_that_the_message_is_gone(claimed, archive):
    claimed.run("select hanjul.ack('mail', '{1}', '{1}', %s)", archive)

    assert claimed.rows("select * from hanjul.ack('mail', '{1}', '{1}', %s)", archive) == [(1, 1, None)]

    assert claimed.one("select count(*) from pgmq.a_mail") == int(archive)
    assert claimed.column("select msg_id from pgmq.q_mail") == [2]


@pytest.mark.parametrize("call", STALE)
def test_a_stale_attempt_is_refused_and_told_who_holds_the_message(claimed, call):
    assert claim_again(claimed) == [(1, 2, 0)]
    before = claimed.rows(EVERYTHING)

    assert claimed.rows(f"select * from {call}") == [(1, 1, 2)]

    assert claimed.rows(EVERYTHING) == before
    assert claimed.one("select count(*) from hanjul.dead_letter") + claimed.one("select count(*) from pgmq.a_mail") == 0


@pytest.mark.parametrize("call", STALE)
def test_an_attempt_that_waited_for_the_claim_that_overtakes_it_is_refused(claimed, connect, blocked, call):
    late = connect()
    claimed.run(EXPIRE)
    claimed.run("begin")
    assert claim(claimed) == [(1, 2, 0)]

    settled = late.later(f"select * from {call}")
    blocked(late)
    claimed.run("commit")
    before = claimed.rows(EVERYTHING)

    assert settled.result(10) == [(1, 1, 2)]
    assert claimed.rows(EVERYTHING) == before


@pytest.mark.parametrize("call", STALE)
def test_of_two_that_settle_one_delivery_at_once_one_does(claimed, connect, blocked, call):
    late = connect()
    claimed.run("begin")
    assert claimed.rows("select * from hanjul.ack('mail', '{1}', '{1}')") == []

    settled = late.later(f"select * from {call}")
    blocked(late)
    claimed.run("commit")

    assert settled.result(10) == [(1, 1, None)]
    assert claimed.column("select msg_id from pgmq.q_mail") == [2]


PAIRS = [
    "hanjul.ack('mail', {}, {})",
    "hanjul.ack('mail', {}, {}, true)",
    "hanjul.nack('mail', {}, {}, '{{60, 60}}')",
    "hanjul.release('mail', {}, {}, '{{60, 60}}')",
    "hanjul.extend('mail', {}, {}, 60)",
    "hanjul.reject('mail', {}, {}, '{{no, no}}', '{{no, no}}')",
]


@pytest.mark.parametrize("call", PAIRS)
@pytest.mark.parametrize(
    ("msg_ids", "attempts", "refused_pairs"),
    [
        ("{2, 1}", "{1, 2}", []),
        ("{2, 1}", "{1, 1}", [(1, 1, 2)]),
        ("{2, 1}", "{2, 2}", [(2, 2, 1)]),
        ("{1, 2}", "{2}", [(2, None, 1)]),
    ],
)
def test_each_message_is_settled_by_its_own_attempt_only(claimed, call, msg_ids, attempts, refused_pairs):
    claimed.run(EXPIRE)
    assert claim(claimed, qty=2) == [(1, 2, 0), (2, 1, 0)]

    answer = claimed.rows(f"select * from {call.format(repr(msg_ids), repr(attempts))}")

    assert answer == refused_pairs


@pytest.mark.parametrize("call", STALE)
def test_an_attempt_that_was_never_made_is_refused(mail, call):
    mail.run("select pgmq.send('mail', '1')")

    assert mail.rows(f"select * from {call}") == [(1, 1, 0)]

    assert mail.rows("select read_ct, released from pgmq.q_mail") == [(0, 0)]


def test_a_nack_makes_the_message_due_after_its_own_delay_and_charges_the_attempt(claimed):
    assert claim(claimed) == [(2, 1, 0)]

    assert claimed.rows("select * from hanjul.nack('mail', '{2, 1}', '{1, 1}', '{0.5, 60}')") == []

    due = "select msg_id, ceil(extract(epoch from vt - clock_timestamp()))::int from pgmq.q_mail order by 1"
    assert claimed.rows(due) == [(1, 60), (2, 1)]
    assert claim_again(claimed) == [(1, 2, 0)]


def test_a_release_gives_the_message_back_uncharged_and_still_counts_reads(claimed):
    assert claimed.rows("select * from hanjul.release('mail', '{1}', '{1}', '{0}')") == []

    assert claim(claimed) == [(1, 2, 1)]
    assert claimed.rows("select read_ct, released from pgmq.q_mail where msg_id = 1") == [(2, 1)]


@pytest.mark.parametrize("call", ["nack('mail', '{1}', '{1}', '{0}')", "release('mail', '{1}', '{1}', '{0}')"])
def test_a_nack_or_release_that_is_repeated_is_done_already_and_changes_nothing(claimed, call):
    claimed.run(f"select hanjul.{call}")
    before = claimed.rows(EVERYTHING)

    assert claimed.rows(f"select * from hanjul.{call}") == []

    assert claimed.rows(EVERYTHING) == before


@pytest.mark.parametrize("first", ["nack('mail', '{1}', '{1}', '{0}')", "release('mail', '{1}', '{1}', '{0}')"])
@pytest.mark.parametrize("call", [STALE[0], STALE[1], STALE[4], STALE[5]])
def test_a_delivery_that_was_given_back_cannot_be_settled_otherwise(claimed, first, call):
    claimed.run(f"select hanjul.{first}")
    before = claimed.rows(EVERYTHING)

    assert claimed.rows(f"select * from {call}") == [(1, 1, 1)]

    assert claimed.rows(EVERYTHING) == before


def test_two_releases_of_one_delivery_at_once_are_counted_once(claimed, connect, blocked):
    other = connect()
    claimed.run("begin")
    claimed.run("select hanjul.release('mail', '{1}', '{1}', '{0}')")

    released = other.later("select * from hanjul.release('mail', '{1}', '{1}', '{0}')")
    blocked(other)
    claimed.run("commit")

    assert released.result(10) == []
    assert claim(claimed) == [(1, 2, 1)]


def test_an_extended_lease_ends_so_many_seconds_from_now(claimed):
    assert claimed.rows("select * from hanjul.extend('mail', '{1}', '{1}', 600)") == []

    assert claimed.one("select vt > clock_timestamp() + '590 s'::interval and read_ct = 1 from pgmq.q_mail where msg_id = 1")
    assert claim(claimed) == [(2, 1, 0)]


def test_a_lease_that_has_run_out_can_be_settled_until_somebody_claims_it(claimed):
    claimed.run(EXPIRE)

    assert claimed.rows("select * from hanjul.ack('mail', '{1}', '{1}')") == []


def test_a_batch_settles_what_it_can_and_returns_the_rest(claimed):
    claim(claimed)

    refused = claimed.rows("select * from hanjul.ack('mail', '{7, 2, 1, 2}', '{1, 1, 4, 1}')")

    assert refused == [(1, 4, 1), (7, 1, None)]
    assert claimed.column("select msg_id from pgmq.q_mail") == [1]


def test_one_batch_with_two_attempts_of_a_message_settles_the_newest(claimed):
    assert claim_again(claimed) == [(1, 2, 0)]

    assert claimed.rows("select * from hanjul.nack('mail', '{1, 1}', '{1, 2}', '{0, 60}')") == [(1, 1, 2)]

    assert claimed.one("select vt > clock_timestamp() + '50 s'::interval from pgmq.q_mail where msg_id = 1") is True


@pytest.mark.parametrize("call", ["ack('mail', '{}', '{}')", "nack('mail', '{}', '{}', '{}')", "extend('mail', '{}', '{}', 1)"])
def test_an_empty_batch_does_nothing(claimed, call):
    assert claimed.rows(f"select * from hanjul.{call}") == []


@pytest.mark.parametrize("delay", ["'NaN'", "1e300", "null"])
def test_an_impossible_delay_is_refused_and_changes_nothing(claimed, delay):
    before = claimed.rows(EVERYTHING)

    for call in ("nack", "release"):
        with pytest.raises(Exception, match=r"out of range|not-null"):
            claimed.run(f"select hanjul.{call}('mail', '{{1}}', '{{1}}', array[{delay}]::float8[])")

    assert claimed.rows(EVERYTHING) == before


def test_read_count_rises_with_every_delivery_whatever_happens_in_between(claimed):
    attempts = [1]
    for between in ("nack('mail', '{1}', %s, '{0}')", "release('mail', '{1}', %s, '{0}')", "extend('mail', '{1}', %s, 0)"):
        claimed.run(f"select hanjul.{between}", [attempts[-1]])
        [(_, attempt, _)] = claim(claimed)
        attempts.append(attempt)
    claimed.run(EXPIRE)
    attempts += claimed.column("select read_ct from pgmq.read('mail', 60, 1)")

    assert attempts == [1, 2, 3, 4, 5]


def test_a_settlement_that_is_rolled_back_did_not_happen(claimed):
    before = claimed.rows(EVERYTHING)
    for call in STALE:
        claimed.run("begin")
        assert claimed.rows(f"select * from {call}") == []
        claimed.run("rollback")

    assert claimed.rows(EVERYTHING) == before
    assert claimed.one("select count(*) from hanjul.dead_letter") + claimed.one("select count(*) from pgmq.a_mail") == 0


def test_a_handlers_writes_and_its_ack_are_one(claimed, connect):
    other = connect()
    claimed.run("create table ledger (msg_id bigint)")
    claimed.run("begin")
    claimed.run("insert into ledger values (1)")
    assert claimed.rows("select * from hanjul.ack('mail', '{1}', '{1}')") == []
    assert other.rows("select * from ledger") == []

    claimed.run("commit")

    assert other.rows("select (select count(*) from ledger), (select count(*) from pgmq.q_mail)") == [(1, 1)]


WORK = """
    do $$
    declare
        ids bigint[];
        attempts integer[];
    begin
        for turn in 1..%s loop
            with claimed as (select * from hanjul.claim('mail', 0, 5)),
                 noted as (insert into delivered select msg_id, attempt from claimed)
            select array_agg(msg_id), array_agg(attempt) into ids, attempts from claimed;
            commit;
            exit when ids is null;
            case (random() * 4)::integer
                when 0 then perform hanjul.nack('mail', ids, attempts, array_fill(0.0::float8, array[cardinality(ids)]));
                when 1 then perform hanjul.release('mail', ids, attempts, array_fill(0.0::float8, array[cardinality(ids)]));
                when 2 then perform hanjul.extend('mail', ids, attempts, 0);
                else
                    insert into acked
                    select * from unnest(ids, attempts) as mine (msg_id, attempt)
                    where (msg_id, attempt) not in (select a.msg_id, a.attempt from hanjul.ack('mail', ids, attempts) a);
            end case;
            commit;
        end loop;
    end $$"""


def test_workers_whose_leases_end_at_once_never_share_an_attempt_and_only_the_newest_settles(mail, connect):
    mail.run("create table delivered (msg_id bigint, attempt integer, primary key (msg_id, attempt))")
    mail.run("create table acked (msg_id bigint primary key, attempt integer)")
    mail.run("select pgmq.send_batch('mail', array(select to_jsonb(n) from generate_series(1, 1000) n))")

    for work in [connect().later(WORK % 2000) for _ in range(4)]:
        work.result(60)

    assert mail.one("select count(*) from acked") + mail.one("select count(*) from pgmq.q_mail") == 1000
    assert mail.rows("select * from acked join delivered d using (msg_id) where d.attempt > acked.attempt") == []
    assert mail.rows("select * from acked join pgmq.q_mail using (msg_id)") == []
    gaps = "select msg_id from delivered group by msg_id having max(attempt) <> count(*)"
    assert mail.rows(gaps) == []


def test_a_claim_of_groups_tells_all_of_a_message_that_was_sent_while_it_began(mail, connect, blocked):
    claimer, keeper = connect(), connect()
    looking = mail.one("select pg_get_functiondef('pgmq.\"grouped.mail\"'::regproc)")
    assert looking.count("\nbegin\n") == 1
    mail.run(looking.replace("\nbegin\n", "\nbegin\n    perform pg_advisory_xact_lock(77);\n"))
    keeper.run("select pg_advisory_lock(77)")
    claimed = claimer.later("select msg_id, attempt, released, message, headers from hanjul.claim_groups('mail', 60, 9)")
    blocked(claimer)
    mail.run("""select pgmq.send('mail', '1', '{"x-pgmq-group": "a"}'::jsonb, now() - interval '1 hour')""")

    keeper.run("select pg_advisory_unlock(77)")

    assert claimed.result(10) == [(1, 1, 0, "1", '{"x-pgmq-group": "a"}')]


# Earlier lives of a queue

AGAIN = {
    "dropped": "select pgmq.drop_queue('mail')",
    "dropped after a round": "select pgmq.\"tidy.mail\"(); select pgmq.drop_queue('mail')",
    "dropped twice, unused at last": "select {drop}; select pgmq.create('Mail'); select {drop}".format(
        drop="pgmq.drop_queue('mail')"
    ),
    "dropped by hand after a round": 'select pgmq."tidy.mail"(); drop table pgmq.q_mail, pgmq.a_mail; delete from pgmq.meta',
    "purged": "select pgmq.purge_queue('mail')",
    "purged in batches": "select hanjul.purge('mail')",
    "emptied": "truncate pgmq.q_mail",
}
CREATE = ["create('mail')", "create_unlogged('mail')", "create_partitioned('mail', '10')", "create_partitioned('mail', '1 day')"]


@pytest.mark.parametrize("create", CREATE)
@pytest.mark.parametrize("again", AGAIN)
def test_a_settlement_of_an_earlier_life_hits_no_message_of_the_queue_as_it_is_now(claimed, again, create):
    for statement in AGAIN[again].split("; "):
        claimed.run(statement)
    claimed.run(f"select pgmq.{create}")
    claimed.run("select pgmq.send_batch('mail', array['1', '2', '3']::jsonb[])")
    assert [(attempt, released) for _, attempt, released in claim(claimed, qty=9)] == [(1, 0)] * 3
    now = claimed.rows(EVERYTHING)

    refusals = [claimed.rows(f"select * from {call}") for call in STALE]

    assert (refusals, claimed.rows(EVERYTHING)) == ([[(1, 1, None)]] * len(STALE), now)


def test_a_queue_of_a_new_name_begins_at_1_and_so_does_one_that_never_gave_out_an_id(db):
    for queue in ("mail", "Mail.2", "mail"):
        db.run("select pgmq.create(%s)", queue)
        if queue == "mail":
            db.run("select pgmq.drop_queue('mail'), pgmq.create('mail')")

    assert [db.one("select pgmq.send(%s, '1')", queue) for queue in ("mail", "mail.2")] == [1, 1]


def test_a_queue_that_is_made_again_goes_on_after_the_last_id_whoever_sent_meanwhile(claimed, connect, blocked):
    sender, dropper = connect(), connect()
    sender.run("begin; select pgmq.send('mail', '3')")
    dropped = dropper.later("select pgmq.drop_queue('mail')")
    blocked(dropper)
    sender.run("select pgmq.send('mail', '4')")

    sender.run("commit")

    assert dropped.result(10) == [(True,)]
    claimed.run("select pgmq.create('mail')")
    assert claimed.one("select pgmq.send('mail', '5')") == 5


@pytest.mark.parametrize("create", CREATE)
def test_a_queue_that_is_made_again_works_as_a_new_one(claimed, create):
    claimed.run("select setval('pgmq.q_mail_msg_id_seq', 1000000), pgmq.drop_queue('mail')")

    claimed.run(f"select pgmq.{create}")

    assert claimed.one("select total_messages from pgmq.metrics('mail')") == 0
    claimed.run("select pgmq.send_batch('mail', array_fill('1'::jsonb, array[100]))")
    assert claimed.one("select total_messages from pgmq.metrics('mail')") == 100
    assert claimed.column("select msg_id from pgmq.pop('mail', 100)") == list(range(1000001, 1000101))
    for _ in range(50):
        claimed.run('select pgmq."tidy.mail"()')
    assert claimed.one("select last_value from pgmq.b_mail") == 1000101
    if "10" in create:
        assert claimed.one("select default_partition_length from pgmq.metrics('mail')") == 0


def test_what_somebody_noted_to_spoil_a_name_does_not_keep_it_from_giving_out_ids(claimed):
    claimed.run("select setval('pgmq.q_mail_msg_id_seq', 9223372036854775806), pgmq.drop_queue('mail'), pgmq.create('mail')")

    assert claimed.one("select pgmq.send('mail', '1')") == 1


def test_a_sequence_that_somebody_restarts_begins_where_the_life_of_the_queue_began(claimed):
    claimed.run("select pgmq.drop_queue('mail'), pgmq.create('mail')")
    claimed.run("select pgmq.send('mail', '1')")

    claimed.run("truncate pgmq.q_mail restart identity")

    assert claimed.one("select pgmq.send('mail', '1')") == 3
