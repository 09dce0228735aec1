"""Who may do what with which queue: every role, every function, every table; and roles on servers of every kind."""

from itertools import count

import psycopg
import pytest

from hanjul.sql import install_script

_numbers = count(1)
NOBODY = set()
SENDERS = {"producer", "consumer", "admin"}  # of this queue
WORKERS = {"consumer", "admin"}
OWNER = {"admin"}
ADMINS = {"admin", "any admin"}  # of whatever queue
ALL_WORKERS = ADMINS | {"consumer", "any consumer"}
ALL = ALL_WORKERS | {"producer", "any producer"}
ENQUEUERS = {"any producer", "any admin"}  # of jobs: who has one queue of messages has no part in them
JOB_WORKERS = {"any consumer", "any admin"}
JOB_ADMINS = {"any admin"}
RUNNING, WAITING, FAILED = [f"'00000000-0000-7000-8000-00000000000{n}'::uuid" for n in (1, 2, 3)]

CALLS = {
    "pgmq.send('{q}', '1')": SENDERS,
    "pgmq.send('{q}', '1'::jsonb, '{{}}'::jsonb)": SENDERS,
    "pgmq.send('{q}', '1'::jsonb, 100)": SENDERS,
    "pgmq.send('{q}', '1', '100')": SENDERS,
    "pgmq.send_batch('{q}', array['1']::jsonb[])": SENDERS,
    "pgmq.send_batch('{q}', array['1']::jsonb[], array['1']::jsonb[], 100)": SENDERS,
    "pgmq.send_topic('{q}.new', '1')": SENDERS,
    "pgmq.send_batch_topic('{q}.new', array['1']::jsonb[])": SENDERS,
    "hanjul.send_many('{q}', '[[1, null, null]]')": SENDERS,
    "pgmq.read('{q}', 30, 1)": WORKERS,
    "pgmq.read('{q}', 30, 1, '1')": WORKERS,
    "pgmq.read_with_poll('{q}', 30, 1, 0)": WORKERS,
    "pgmq.read_grouped('{q}', 30, 2)": WORKERS,
    "pgmq.read_grouped_rr('{q}', 30, 2)": WORKERS,
    "pgmq.read_grouped_head('{q}', 30, 2)": WORKERS,
    "pgmq.read_grouped_with_poll('{q}', 30, 1, 0)": WORKERS,
    "pgmq.read_grouped_rr_with_poll('{q}', 30, 1, 0)": WORKERS,
    "pgmq.read_grouped_head_with_poll('{q}', 30, 1, 0)": WORKERS,
    "pgmq.peek('{q}')": WORKERS,
    "pgmq.pop('{q}')": WORKERS,
    "pgmq.set_vt('{q}', 1, 30)": WORKERS,
    "pgmq.set_vt('{q}', '{{1}}'::bigint[], now())": WORKERS,
    "pgmq.delete('{q}', 1)": WORKERS,
    "pgmq.delete('{q}', '{{1}}'::bigint[])": WORKERS,
    "pgmq.archive('{q}', 1)": WORKERS,
    "pgmq.archive('{q}', '{{1}}'::bigint[])": WORKERS,
    "pgmq.metrics('{q}')": WORKERS,
    "hanjul.claim('{q}', 30, 1)": WORKERS,
    "hanjul.claim_groups('{q}', 30, 1)": WORKERS,
    "hanjul.ack('{q}', '{{1}}', '{{1}}')": WORKERS,
    "hanjul.ack('{q}', '{{1}}', '{{1}}', true)": WORKERS,
    "hanjul.nack('{q}', '{{1}}', '{{1}}', '{{0}}')": WORKERS,
    "hanjul.release('{q}', '{{1}}', '{{1}}', '{{0}}')": WORKERS,
    "hanjul.extend('{q}', '{{1}}', '{{1}}', 30)": WORKERS,
    "hanjul.reject('{q}', '{{1}}', '{{1}}', '{{rejected}}', '{{no}}')": WORKERS,
    "hanjul.ready('{{{q}}}')": WORKERS,
    "hanjul.ready_groups('{{{q}}}')": WORKERS,
    "hanjul.purge('{q}')": WORKERS,
    "hanjul.prune_archive('{q}', '1 day')": OWNER,
    "hanjul.prune_dead_letters('{q}', '1 day')": ALL_WORKERS,  # of which: below
    "pgmq.q_info('{q}')": OWNER,
    "pgmq.purge_queue('{q}')": OWNER,
    "pgmq.drop_queue('{q}')": OWNER,
    "pgmq.delete_queue('{q}')": OWNER,
    "pgmq.drop_queue('{q}', false)": OWNER,
    "pgmq.create_fifo_index('{q}')": OWNER,
    "pgmq.disable_notify_insert('{q}')": OWNER,
    "pgmq.convert_archive_partitioned('{q}')": OWNER,
    "pgmq._plan('{q}')": OWNER,
    "hanjul.grant_queue('{q}', 'any producer', 'producer')": OWNER,
    "hanjul.grant_queue('{q}', 'any consumer', 'consumer')": OWNER,
    "hanjul.revoke_queue('{q}', 'consumer', 'consumer')": OWNER,
    "pgmq.create('new')": ADMINS,
    "pgmq.create_unlogged('new')": ADMINS,
    "pgmq.create_partitioned('new')": ADMINS,
    "pgmq.list_queues()": ADMINS,
    "pgmq.bind_topic('more', '{q}')": ADMINS,
    "hanjul.bind_topics('{{{q}}}', '{{more}}', '{{null}}')": ADMINS,
    "pgmq.enable_notify_insert('{q}')": ADMINS,  # that is enabled already, as here: its row is in a table of all admins
    "pgmq.update_notify_insert('{q}', 7)": ADMINS,
    "pgmq.unbind_topic('{q}.*', '{q}')": ADMINS,
    "pgmq.metrics_all()": NOBODY,  # there are queues that are not theirs
    "pgmq.list_topic_bindings()": ALL,
    "pgmq.test_routing('x')": ALL,
    "pgmq.list_notify_insert_throttles()": ALL,
    "hanjul.wake('{q}')": ALL,
    "hanjul.wait('{{{q}}}')": ALL,
    "hanjul.unwait('{{{q}}}')": ALL,
    "hanjul.dead_letters('{q}')": ALL_WORKERS,  # who sees which: below
    "hanjul.enqueue_job('k')": ENQUEUERS,
    "hanjul.enqueue_job('k', unique_key => 'held')": ENQUEUERS,
    "hanjul.enqueue_job('k', unique_key => 'held', on_conflict => 'replace')": ENQUEUERS,
    "hanjul.enqueue_job('k', unique_key => 'of one that has ended')": ENQUEUERS,
    'hanjul.enqueue_jobs(\'[{{"kind": "k"}}, {{"kind": "k", "unique_key": "held"}}]\')': ENQUEUERS,
    "hanjul.enqueue_job_once('k', 'h', '{{\"kind\": \"k\"}}')": ENQUEUERS,
    "hanjul.fetch_next_job('w')": JOB_WORKERS,
    "hanjul.fetch_next_jobs('w', '{{default}}', 9)": JOB_WORKERS,
    f"hanjul.heartbeat({RUNNING}, 1, 30, 0.5)": JOB_WORKERS,
    f"hanjul.heartbeats(array[{RUNNING}], '{{{{1}}}}', 30)": JOB_WORKERS,
    f"hanjul.complete_job({RUNNING}, 1)": JOB_WORKERS,
    f"hanjul.complete_jobs(array[{RUNNING}], '{{{{1}}}}')": JOB_WORKERS,
    f"hanjul.fail_job({RUNNING}, 1, 'no')": JOB_WORKERS,
    f"hanjul.fail_job({RUNNING}, 1, 'no', final => true)": JOB_WORKERS,
    f"hanjul.fail_jobs(array[{RUNNING}], '{{{{1}}}}', '{{{{no}}}}')": JOB_WORKERS,
    f"hanjul.release_jobs(array[{RUNNING}], '{{{{1}}}}')": JOB_WORKERS,
    "hanjul.rescue_stale_jobs()": JOB_WORKERS,
    "hanjul.ready_jobs('{{default}}')": JOB_WORKERS,
    f"hanjul.find_job({RUNNING})": JOB_WORKERS,
    "hanjul.list_jobs('pending')": JOB_WORKERS,
    "hanjul.job_counts()": JOB_WORKERS,
    "hanjul.queue_status()": JOB_WORKERS,
    "hanjul.processing_jobs()": JOB_WORKERS,
    "hanjul.worker_seen('w', '{{default}}')": JOB_WORKERS,
    "hanjul.worker_stopped('w')": JOB_WORKERS,
    "hanjul.workers()": JOB_WORKERS,
    f"hanjul.explain_job({RUNNING})": JOB_WORKERS,
    f"hanjul.explain_job({WAITING})": JOB_WORKERS,
    f"hanjul.explain_job({FAILED})": JOB_WORKERS,
    "hanjul.lead('w', 15)": JOB_WORKERS,
    "hanjul.resign('w')": JOB_WORKERS,
    "hanjul.list_schedules()": JOB_WORKERS,
    "hanjul.due_schedules()": JOB_WORKERS,
    "hanjul.advance_schedule('daily', (select since from hanjul.schedule), null, '{{}}', null)": JOB_WORKERS,
    "hanjul.set_schedule('hourly', '@hourly', 'k')": JOB_ADMINS,
    "hanjul.enable_schedule('daily', false)": JOB_ADMINS,
    "hanjul.remove_schedule('daily')": JOB_ADMINS,
    f"hanjul.cancel_job({RUNNING})": JOB_ADMINS,
    f"hanjul.cancel_job({WAITING})": JOB_ADMINS,
    f"hanjul.retry_job({FAILED})": JOB_ADMINS,
    f"hanjul.cancel_jobs(array[{WAITING}])": JOB_ADMINS,
    f"hanjul.retry_jobs(array[{FAILED}])": JOB_ADMINS,
    "hanjul.pause_queue('default')": JOB_ADMINS,
    "hanjul.resume_queue('default')": JOB_ADMINS,
    "hanjul.prune('0')": JOB_ADMINS,
    "hanjul.prune_unique_keys('0')": JOB_ADMINS,
    "hanjul.roll_up()": ALL,  # it adds up what was noted, whoever asks
    "hanjul.keep_days(31)": ALL,
    "hanjul.grant_jobs('any consumer', 'admin')": NOBODY,
    "hanjul.revoke_jobs('any consumer')": NOBODY,
}
STATEMENTS = {
    "select message from pgmq.q_{q}": WORKERS,
    "select msg_id from pgmq.q_{q}": SENDERS,
    "insert into pgmq.q_{q} (vt, message) values (now(), '1')": SENDERS,
    "insert into pgmq.q_{q} (vt, read_ct) values (now(), 7)": OWNER,
    "update pgmq.q_{q} set vt = now()": WORKERS,
    "update pgmq.q_{q} set message = '7'": OWNER,
    "delete from pgmq.q_{q}": WORKERS,
    "truncate pgmq.q_{q}": OWNER,
    "drop table pgmq.q_{q}": OWNER,
    "alter table pgmq.q_{q} disable trigger all": OWNER,
    "create policy p on pgmq.q_{q}": OWNER,
    "select from pgmq.a_{q}": WORKERS,
    "insert into pgmq.a_{q} (msg_id, vt) values (7, now())": WORKERS,
    "update pgmq.a_{q} set message = '7'": OWNER,
    "delete from pgmq.a_{q}": OWNER,
    "select setval('pgmq.b_{q}', 7)": OWNER,
    "select nextval('pgmq.q_{q}_msg_id_seq')": OWNER,
    "select from pgmq.meta": ADMINS,
    "insert into pgmq.meta values ('x', false, false)": ADMINS,
    "update pgmq.meta set queue_name = 'x'": NOBODY,
    "select control from pgmq.partitioning": ADMINS,
    "update pgmq.partitioning set tried_at = now()": ALL,  # of which: test_owners.py
    "update pgmq.partitioning set premake = 7": ADMINS,
    "delete from pgmq.partitioning": ADMINS,
    "insert into pgmq.topic_bindings values ('#', '{q}')": ADMINS,
    "update pgmq.topic_bindings set pattern = '#'": NOBODY,
    "update pgmq.notify_insert_throttle set last_notified_at = now()": ALL,
    "update pgmq.notify_insert_throttle set throttle_interval_ms = 7": ADMINS,
    "delete from pgmq.notify_insert_throttle": ADMINS,
    "update hanjul.dead_letter set message = '7'": NOBODY,
    "delete from hanjul.dead_letter": ALL_WORKERS,
    "select from pgmq.scan": ALL,  # of which: test_owners.py
    "update pgmq.scan set bound = 7": NOBODY,
    "delete from pgmq.scan": ALL,
    "insert into pgmq.scan (queue_name, file, bound, last_id, writers) values ('{q}', 0, 7, 7, '{{}}')": OWNER,
    "select from hanjul.migration": NOBODY,
    "create table hanjul.x ()": NOBODY,
    "create function hanjul.x() returns int language sql as 'select 1'": NOBODY,
    "create table pgmq.x ()": ADMINS,
    "select id, kind, status from hanjul.job": ENQUEUERS | JOB_WORKERS,
    "select payload from hanjul.job": JOB_WORKERS,
    "update hanjul.job set leased_until = now()": JOB_WORKERS,
    "update hanjul.job set cancel_requested_at = now()": JOB_ADMINS,
    "update hanjul.job set payload = '7'": NOBODY,
    "delete from hanjul.job": JOB_WORKERS,
    "truncate hanjul.job": NOBODY,
    "select result from hanjul.job_history": JOB_WORKERS,
    "update hanjul.job_history set result = '7'": NOBODY,
    "delete from hanjul.job_history": JOB_ADMINS,
    "delete from hanjul.job_history_rest": NOBODY,
    "drop table hanjul.job_history_rest": NOBODY,
    "select payload from hanjul.job_queue": JOB_WORKERS,
    "update hanjul.schedule set kind = 'x'": JOB_ADMINS,
    "insert into hanjul.job_count values ('q', 'k', 'pending', 7)": NOBODY,
    "insert into hanjul.job_pause (queue, paused_by) values ('q', 'me')": JOB_ADMINS,
    "delete from hanjul.job_unique": JOB_ADMINS,
}
WHO = {  # role -> the general role that it is a member of
    "stranger": None,
    "any producer": "hanjul_producer",
    "any consumer": "hanjul_consumer",
    "any admin": "hanjul_admin",
    "producer": None,
    "consumer": None,
    "admin": None,
}


@pytest.fixture(scope="module")
def roles(open_database):
    """Two queues; of `mail` three roles are producer, consumer and admin, the others have what migrate gives."""
    with open_database() as session:
        for role, general in WHO.items():
            session.run(f'create role "{role}"')
            if general:
                session.run(f'grant {general} to "{role}"')
        for queue in ("mail", "other"):
            session.run("select pgmq.create(%s), pgmq.bind_topic(%s, %s)", queue, f"{queue}.*", queue)
            session.run("select pgmq.send_batch(%s, array['1', '2', '3']::jsonb[])", queue)
            session.run("select hanjul.claim(%s, 0, 1), pgmq.enable_notify_insert(%s)", queue, queue)
        for kind in ("producer", "consumer", "admin"):
            session.run("select hanjul.grant_queue('mail', %s, %s)", kind, kind)
        session.run("create table public.x ()")
        enqueue_some_jobs(session)
        yield session
        for role in WHO:
            session.run(f'reset role; reassign owned by "{role}" to current_user; drop owned by "{role}"; drop role "{role}"')


def enqueue_some_jobs(session):
    """One runs, one waits, one has failed; unique keys of the one that waits and of the one that has ended."""
    for n, job in enumerate((RUNNING, FAILED, WAITING)):
        session.run("select hanjul.enqueue_job('k', priority => %s)", n)
        session.run(f"update hanjul.job set id = {job} where id not in ({RUNNING}, {WAITING}, {FAILED})")
        if job != WAITING:
            session.run("select hanjul.fetch_next_job('w', lease_s => 1000)")
    session.run(f"select hanjul.fail_job({FAILED}, 1, 'no', final => true)")
    session.run("select hanjul.set_schedule('daily', '@daily', 'k')")
    session.run(f"insert into hanjul.job_unique values ('held', {WAITING}, now()), ('of one that has ended', {FAILED}, now())")


def allowed(session, statement):
    """Whether the server lets the session's role do it; it is undone."""
    session.run("savepoint before")
    try:
        session.run(statement)
    except psycopg.errors.InsufficientPrivilege:
        return False
    finally:
        session.run("rollback to before")
    return True


def who_may(session, statement):
    """Queue -> the roles that may."""
    may = {"mail": set(), "other": set()}
    session.run("begin")
    for queue, roles in may.items():
        for role in WHO:
            session.run(f'set local role "{role}"')
            if allowed(session, statement.format(q=queue)):
                roles.add(role)
    session.run("rollback")
    return may


@pytest.mark.parametrize("call", CALLS)
def test_who_may_call(roles, call):
    others = CALLS[call] if "any admin" in CALLS[call] else NOBODY

    assert who_may(roles, f"select * from {call}") == {"mail": CALLS[call], "other": others}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_who_may_touch(roles, statement):
    others = STATEMENTS[statement] if "any admin" in STATEMENTS[statement] else NOBODY

    assert who_may(roles, statement) == {"mail": STATEMENTS[statement], "other": others}


def test_a_queue_noted_without_tables_is_handed_over_though_a_function_has_its_name(roles):
    roles.run("begin; create function pgmq.\"send.ghost\"() returns void language sql as ''")

    roles.run("insert into pgmq.meta values ('ghost', false, false)")

    assert roles.column("select queue_name from pgmq.meta where queue_name = 'ghost'") == ["ghost"]
    roles.run("rollback")


def test_every_function_that_is_not_internal_is_in_the_matrix(roles):
    functions = """
        select distinct p.pronamespace::regnamespace || '.' || p.proname from pg_proc p
        where p.pronamespace::regnamespace::text in ('pgmq', 'hanjul')
          and p.proname !~ 'webhook'  -- test_webhooks_rights.py"""
    harmless = {  # they touch nothing, or are other names of what is there
        *(
            "pgmq.attempts",
            "pgmq.detach_archive",
            "pgmq.validate_queue_name",
            "pgmq.format_table_name",
            "pgmq.acquire_queue_lock",
        ),
        *("pgmq.validate_routing_key", "pgmq.validate_topic_pattern", "pgmq.notify_queue_listeners", "pgmq.create_queue"),
        *("pgmq.create_non_partitioned", "pgmq.create_fifo_indexes_all"),
        *("pgmq.maintain_partitions", "hanjul.maintain", "hanjul.counts_releases"),
    }
    named = {name for name in roles.column(functions) if "._" not in name and name.count(".") == 1}

    assert named - harmless - {call.partition("(")[0] for call in CALLS} == {"hanjul.redrive"}  # below


def test_public_has_nothing_but_what_pgmq_gives_it(roles):
    granted = roles.column("""
        select format('%s %s', g.privilege_type, c.relname) from pg_class c cross join lateral aclexplode(c.relacl) g
        where c.relnamespace::regnamespace::text in ('pgmq', 'hanjul', 'pgmq_public') and g.grantee = 0
        union
        select format('%s %s', g.privilege_type, n.nspname) from pg_namespace n cross join lateral aclexplode(n.nspacl) g
        where n.nspname in ('pgmq', 'hanjul', 'pgmq_public') and g.grantee = 0
        union
        select format('%s %s', g.privilege_type, p.oid::regprocedure)
        from pg_proc p cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g
        where p.pronamespace::regnamespace::text in ('hanjul', 'pgmq_public') and g.grantee = 0
        order by 1""")

    assert granted == ["DELETE scan", "INSERT scan", "SELECT b_mail", "SELECT b_other", "SELECT scan"]  # rows: test_owners.py


# Dead letters


def test_dead_letters_are_seen_and_put_back_by_those_who_may_read_their_queue(roles):
    roles.run("begin")
    for queue in ("mail", "other"):
        roles.run("select hanjul.reject(%s, '{1}', '{1}', '{rejected}', '{no}')", queue)

    seen = {}
    for role in ("any consumer", "consumer", "admin"):
        roles.run(f'savepoint before; set local role "{role}"')
        seen[role] = (
            roles.column("select queue_name from hanjul.dead_letter"),
            roles.column("select queue_name from hanjul.dead_letters('other')"),
        )
        roles.run("rollback to before")
    roles.run('set local role "consumer"')
    put_back = roles.column("select hanjul.redrive('mail')")
    roles.run("rollback")

    assert seen == {"any consumer": ([], []), "consumer": (["mail"], []), "admin": (["mail"], [])}
    assert len(put_back) == 1


# Queues that roles make


@pytest.fixture
def role(db):
    """Make a role of this test's own, a member of others."""
    made = []

    def role(*groups):
        name = f"role_{next(_numbers)}_of_{db.one('select current_database()')}"
        db.run(f"create role {name}")
        for group in groups:
            db.run(f"grant {group} to {name}")
        made.append(name)
        return name

    yield role
    db.run("reset role")
    for name in reversed(made):
        db.run(f"reassign owned by {name} to current_user; drop owned by {name}; drop role {name}")


@pytest.mark.parametrize("create", ["create('mail')", "create_unlogged('mail')", "create_partitioned('mail')"])
def test_a_queue_that_an_admin_makes_works_for_those_whom_he_grants_it_and_for_other_admins(db, role, create):
    ada, bob, producer, consumer = role("hanjul_admin"), role("hanjul_admin"), role("hanjul_producer"), role("hanjul_consumer")
    db.run(f"set role {ada}; select pgmq.{create}")
    db.run("select hanjul.grant_queue('mail', %s, 'producer'), hanjul.grant_queue('mail', %s, 'consumer')", producer, consumer)

    db.run(f"set role {producer}; select pgmq.send('mail', '1')")
    db.run(f"set role {consumer}")
    read = db.column("select message from pgmq.read('mail', 30, 1)")

    assert read == [1]
    db.run("select pgmq.archive('mail', 1)")
    db.run(f"set role {bob}")
    assert db.one("select pgmq.purge_queue('mail')") == 0
    assert db.one("select pgmq.drop_queue('mail')")


def test_the_owner_of_the_schema_migrates_queues_of_others(mail, role):
    mail.run("select hanjul.grant_queue('mail', %s, 'admin')", role())

    mail.run("select pgmq._plan_all(), hanjul._settle_rights()")

    assert mail.one("select pgmq.send('mail', '1')") == 1


def test_a_sender_to_a_queue_that_notifies_needs_no_more(mail, role):
    producer = role()
    mail.run("select pgmq.enable_notify_insert('mail', 0), hanjul.grant_queue('mail', %s, 'producer')", producer)

    mail.run(f"set role {producer}")

    assert mail.one("select pgmq.send('mail', '1')") == 1


# Granting and revoking


@pytest.mark.parametrize("kind", ["producer", "consumer"])
def test_what_is_revoked_is_gone(mail, role, refused, kind):
    somebody = role()
    mail.run("select hanjul.grant_queue('mail', %s, %s)", somebody, kind)
    mail.run("select hanjul.revoke_queue('mail', %s, %s)", somebody, kind)
    mail.run(f"set role {somebody}")

    with refused("42501"):
        mail.run("select pgmq.send('mail', '1')")
    with refused("42501"):
        mail.run("select msg_id from pgmq.q_mail")


def test_a_consumer_who_is_no_producer_any_more_still_reads(mail, role):
    both = role()
    for kind in ("producer", "consumer"):
        mail.run("select hanjul.grant_queue('mail', %s, %s)", both, kind)

    mail.run("select hanjul.revoke_queue('mail', %s, 'producer')", both)

    mail.run(f"set role {both}")
    mail.run("select pgmq.read('mail', 30, 1)")


def test_an_admin_who_is_none_any_more_is_followed_by_whoever_revokes(mail, role, refused):
    admin = role()
    mail.run("select hanjul.grant_queue('mail', %s, 'admin')", admin)

    mail.run("select hanjul.revoke_queue('mail', %s, 'admin')", admin)

    assert mail.one("select relowner::regrole::text = current_user from pg_class where oid = 'pgmq.q_mail'::regclass")
    mail.run(f"set role {admin}")
    with refused("42501"):
        mail.run("select pgmq.purge_queue('mail')")


def test_a_name_that_needs_quotes_is_quoted(db):
    name = 'a "b" %I ; é'
    quoted = '"' + name.replace('"', '""') + '"'
    db.run(f"create role {quoted}")
    db.run("select pgmq.create('Two Words.x\"')")

    for kind in ("producer", "consumer", "admin"):
        db.run("select hanjul.grant_queue('Two Words.x\"', %s, %s)", name, kind)

    db.run(f"set role {quoted}")
    db.run("select pgmq.send('Two Words.x\"', '1'), pgmq.drop_queue('two words.x\"')")
    db.run(f"reset role; drop owned by {quoted}; drop role {quoted}")


@pytest.mark.parametrize(
    ("arguments", "sqlstate"),
    [
        ("'none', 'hanjul_producer', 'producer'", "42P01"),
        ("'mail', 'no such role', 'producer'", "22023"),
        ("'mail', 'public', 'producer'", "22023"),
        ("'mail', 'hanjul_producer', 'owner'", "22023"),
        ("'mail', 'hanjul_producer', null", "22023"),
    ],
)
@pytest.mark.parametrize("function", ["grant_queue", "revoke_queue"])
def test_what_cannot_be_granted_is_refused(mail, refused, function, arguments, sqlstate):
    with refused(sqlstate):
        mail.run(f"select hanjul.{function}({arguments})")


# Migrate


def test_migrate_makes_the_roles_without_a_login(db):
    assert db.rows("select rolname, rolcanlogin, rolsuper from pg_roles where rolname like 'hanjul\\_%' order by 1") == [
        ("hanjul_admin", False, False),
        ("hanjul_consumer", False, False),
        ("hanjul_producer", False, False),
    ]


def test_where_roles_cannot_be_made_migrate_says_so_and_goes_on(db, role):
    installer = role()
    db.run("select hanjul._give_general_rights(%s, 'producer')", installer)
    db.run(f"set role {installer}")

    db.run("select hanjul._make_role('hanjul_nobody', 'producer')")

    assert db.notices == ["NOTICE: role hanjul_nobody is left as it is: permission denied to create role"]


def test_who_is_no_superuser_can_install_and_run_queues_of_other_admins(empty_dsn, open_session):
    with open_session(empty_dsn) as admin, open_session(empty_dsn) as installer:
        [[database, owner, other]] = admin.rows(
            "select current_database(), 'owner_' || current_database(), 'other_' || current_database()"
        )
        admin.run(f"create role {owner} createrole; create role {other}; grant create on database {database} to {owner}")
        installer.run(f"set role {owner}")
        installer.run(install_script())
        admin.run(f"grant hanjul_admin to {owner}, {other}; set role {other}; select pgmq.create('mail'); reset role")

        installer.run(install_script())

        assert installer.one("select to_regclass('pgmq.meta') is not null")
        admin.run(f"drop owned by {owner}, {other} cascade; drop role {owner}, {other}")


def test_a_function_that_comes_later_is_for_those_who_may_use_the_schema_and_nobody_else(db, role, refused):
    user, other = role(), role()
    db.run("select hanjul._give_general_rights(%s, 'consumer')", user)
    db.run("create function hanjul.later() returns int language sql as 'select 1'")

    db.run("select hanjul._settle_rights()")

    db.run(f"set role {user}; select hanjul.later(); reset role")
    db.run(f"grant usage on schema hanjul to {other}; set role {other}")
    with refused("42501"):
        db.run("select hanjul.later()")


# Jobs


def test_a_role_is_granted_jobs_and_they_are_revoked(db, role, refused):
    website, mailer = role(), role()
    db.run("select hanjul.grant_jobs(%s, 'producer'), hanjul.grant_jobs(%s, 'consumer')", website, mailer)
    db.run(f"set role {website}; select hanjul.enqueue_job('mail'); set role {mailer}")
    [job] = db.column("select id from hanjul.fetch_next_job('w')")
    db.run("select hanjul.complete_job(%s, 1)", job)
    db.run("reset role")

    db.run("select hanjul.revoke_jobs(%s), hanjul.revoke_jobs(%s)", website, mailer)

    db.run(f"set role {website}")
    with refused("42501"):
        db.run("select hanjul.enqueue_job('mail')")
    db.run(f"set role {mailer}")
    with refused("42501"):
        db.run("select hanjul.fetch_next_job('w')")


@pytest.mark.parametrize(
    ("arguments", "sqlstate"),
    [
        ("'no such role', 'producer'", "22023"),
        ("'public', 'producer'", "22023"),
        ("'hanjul_producer', 'owner'", "22023"),
        ("'hanjul_producer', null", "22023"),
        ("null, 'producer'", "22023"),
    ],
)
def test_a_grant_of_jobs_that_cannot_be_is_refused(db, refused, arguments, sqlstate):
    with refused(sqlstate):
        db.run(f"select hanjul.grant_jobs({arguments})")


def test_a_producer_replaces_the_waiting_job_whose_unique_key_he_knows_and_no_other(db, role):
    website = role("hanjul_producer")
    other = db.one("select hanjul.enqueue_job('mail', '1')")
    db.run(f"set role {website}")
    job = db.one("select hanjul.enqueue_job('mail', '1', unique_key => 'u')")

    db.run("select hanjul.enqueue_job('mail', '2', unique_key => 'u', on_conflict => 'replace')")

    db.run("reset role")
    assert db.rows("select id, payload from hanjul.job order by id") == [(other, 1), (job, 2)]


def test_an_admin_who_does_not_own_the_days_deletes_what_is_in_them(db, role):
    admin = role("hanjul_admin")
    db.run("select hanjul.keep_days(), hanjul.enqueue_job('mail')")
    db.run("select hanjul.complete_job(id, 1) from hanjul.fetch_next_job('w')")

    db.run(f"set role {admin}; select hanjul.prune('0')")

    assert db.column("select count(*) from hanjul.job_queue") == [0]
    assert db.rows("select * from hanjul.job_counts()") == []
    db.run("reset role")
    assert db.one("select count(*) from pg_inherits where inhparent = 'hanjul.job_history'::regclass") == 5
