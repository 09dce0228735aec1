"""Queues of every owner: their scan bounds are kept, with the owner's rights, and nobody's code runs as anybody else."""

from itertools import count

import pytest

from hanjul.sql import install_script

_numbers = count(1)
ROUNDS = ("advance", "tidy", "missed", "park")


@pytest.fixture
def role(db):
    """Make a role of this test's own, a member of others."""
    made = []

    def role(*groups):
        name = f"one_{next(_numbers)}_of_{db.one('select current_database()')}"
        db.run(f"create role {name}")
        for group in groups:
            db.run(f"grant {group} to {name}")
        made.append(name)
        return name

    yield role
    db.run("reset role")
    for name in reversed(made):
        db.run(f"reassign owned by {name} to current_user; drop owned by {name}; drop role {name}")


@pytest.fixture
def maker(role, db):
    """A role that may make queues, by grants as PGMQ needs them, and may not use schema hanjul."""
    maker = role()
    db.run(f"grant usage, create on schema pgmq to {maker}; grant select, insert, delete on pgmq.meta to {maker}")
    db.run(f"grant select, insert on pgmq.partitioning to {maker}")
    return maker


def the_installer_makes_it(db, create, role, maker):
    db.run(f"select pgmq.{create}")


def another_role_makes_it(db, create, role, maker):
    db.run(f"set role {maker}; select pgmq.{create}; reset role")


def a_member_of_hanjul_admin_makes_it(db, create, role, maker):
    db.run(f"set role {role('hanjul_admin')}; select pgmq.{create}; reset role")


def it_is_handed_over(db, create, role, maker):
    db.run(f"select pgmq.{create}, hanjul.grant_queue('mail', '{role()}', 'admin')")


def it_is_handed_over_to_a_group(db, create, role, maker):
    admin = role("hanjul_admin")
    db.run(f"select pgmq.{create}, hanjul.grant_queue('mail', '{admin}', 'admin')")
    db.run(f"set role {admin}; select hanjul.grant_queue('mail', 'hanjul_admin', 'admin'); reset role")


def it_is_taken_back(db, create, role, maker):
    it_is_handed_over(db, create, role, maker)
    owner = db.one("select relowner::regrole::text from pg_class where oid = 'pgmq.q_mail'::regclass")
    db.run(f"select hanjul.revoke_queue('mail', '{owner}', 'admin')")


WAYS = [
    the_installer_makes_it,
    another_role_makes_it,
    a_member_of_hanjul_admin_makes_it,
    it_is_handed_over,
    it_is_handed_over_to_a_group,
    it_is_taken_back,
]
CREATE = ["create('mail')", "create_unlogged('mail')", "create_partitioned('mail', '1000')"]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def owned(request, db, role, maker):
    """A way for queue `mail` to come to its owner."""

    def owned(create="create('mail')"):
        request.param(db, create, role, maker)
        return db

    return owned


@pytest.fixture
def reader(db, connect, role):
    """A session of a role that has what PGMQ needs for reading, and no more."""

    def reader():
        name = role()
        db.run(f"grant usage on schema pgmq to {name}; grant select, update, delete on pgmq.q_mail to {name}")
        session = connect()
        session.run(f"set role {name}")
        return session

    return reader


def bound(session):
    return session.one("select last_value from pgmq.b_mail")


def fill(session, messages):
    session.run("select pgmq.send_batch('mail', array_fill('1'::jsonb, array[%s::integer]))", messages)


def read_on(session, until):
    """Reads that find nothing keep the bound too; now and then."""
    for _ in range(3000):
        session.run("select pgmq.read('mail', 30, 1)")
        if until():
            return
    raise AssertionError("the bound was not kept")


# That they are kept


@pytest.mark.parametrize("create", CREATE)
def test_a_reader_without_any_other_right_moves_the_bound_of_every_queue(owned, reader, create):
    db = owned(create)
    fill(db, 100)
    consumer = reader()
    assert len(consumer.column("select msg_id from pgmq.pop('mail', 100)")) == 100

    read_on(consumer, lambda: bound(db) == 101)

    fill(db, 1)
    assert consumer.column("select msg_id from pgmq.read('mail', 30, 5)") == [101]


def test_messages_that_lie_in_a_readers_way_are_parked_in_every_queue(owned, reader):
    db = owned()
    db.run("insert into pgmq.q_mail (vt, message) select now() + '1 hour', '1' from generate_series(1, 4000)")
    consumer = reader()

    for _ in range(50):
        consumer.run('select pgmq."park.mail"()')

    assert db.one("select count(*) from pgmq.q_mail where due is not null") == 4000


def test_a_slow_senders_message_is_found_in_every_queue(owned, reader, connect):
    db = owned()
    slow, consumer = connect(), reader()
    slow.run("begin; select pgmq.send('mail', '\"late\"')")
    fill(db, 100)
    consumer.run("select pgmq.pop('mail', 100)")
    read_on(consumer, lambda: bound(db) > 1)

    slow.run("commit")

    assert consumer.column("select message from pgmq.read('mail', 30, 5)") == ["late"]


def test_reads_of_every_queue_do_not_walk_over_what_is_gone_while_a_transaction_stays_open(owned, reader, connect):
    db = owned()
    holder, consumer = connect(), reader()
    holder.run("begin isolation level repeatable read; select 1")
    fill(db, 20000)
    for _ in range(20):
        consumer.run("select pgmq.pop('mail', 1000)")
    db.run("select setval('pgmq.b_mail', 0)")
    walked = blocks(consumer)

    read_on(consumer, lambda: bound(db) == 20001)

    assert min(blocks(consumer) for _ in range(10)) < 50 < 500 < walked


def blocks(session):
    """How many blocks a read that finds nothing looks at."""
    [plan] = session.one("explain (analyze, buffers, timing off, format json) select * from pgmq.peek('mail', 1)")
    return plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]


@pytest.mark.parametrize("create", CREATE)
def test_functions_that_run_with_their_owners_rights_are_the_queues_owners(owned, create):
    db = owned(create)

    strange = db.column("""
        select p.proname from pg_proc p, pg_class c
        where p.pronamespace = 'pgmq'::regnamespace and p.prosecdef
          and c.oid = 'pgmq.q_mail'::regclass and p.proowner <> c.relowner""")

    assert strange == []


@pytest.mark.parametrize("create", CREATE)
@pytest.mark.parametrize("made_by", ["installer", "other", "admin"])
def test_all_of_it_works_where_a_plain_role_has_installed_hanjul(empty_dsn, open_session, made_by, create):
    with open_session(empty_dsn) as root, open_session(empty_dsn) as session:
        database = root.one("select current_database()")
        who = {name: f"{name}_of_{database}" for name in ("installer", "other", "admin")}
        root.run("; ".join(f"create role {name}" for name in who.values()))
        root.run(f"alter role {who['installer']} createrole; grant create on database {database} to {who['installer']}")
        session.run(f"set role {who['installer']}")
        session.run(install_script())
        root.run(f"grant hanjul_admin to {who['installer']}, {who['admin']}")
        session.run(f"grant create, usage on schema pgmq to {who['other']}")
        session.run(f"grant select, insert, delete on pgmq.meta, pgmq.partitioning to {who['other']}")

        for last_id in (100, 200):  # dropped and made again meanwhile
            session.run(f"set role {who[made_by]}; select pgmq.{create}")
            fill(session, 100)
            session.run("select pgmq.pop('mail', 100)")
            read_on(session, lambda last_id=last_id: bound(session) == last_id + 1)
            session.run(f"set role {who[made_by]}; select pgmq.drop_queue('mail')")

        assert session.one("select count(*) from pgmq.meta") == 0
        root.run(f"drop owned by {', '.join(who.values())} cascade; drop role {', '.join(who.values())}")


# An owner who means harm


@pytest.fixture
def harm(db, maker):
    """Queue `mail` of a role that has put on it what notes with whose rights it runs."""
    db.run(f"create schema evil authorization {maker}; grant usage on schema evil to public")
    db.run("create table public.ran (who text); grant insert on public.ran to public")
    note = "begin insert into public.ran values (current_user)"
    db.run(f"create function evil.note() returns void language plpgsql as $$ {note}; end $$")
    db.run(f"create function evil.run() returns trigger language plpgsql as $$ {note}; return new; end $$")
    db.run("create function evil.of(jsonb) returns integer immutable language plpgsql as "
           "$$ begin perform evil.note(); return 1; end $$")  # fmt: skip
    db.run(f"set role {maker}; select pgmq.create('mail')")
    db.run("create trigger evil before update on pgmq.q_mail for each row execute function evil.run()")
    db.run("create index evil on pgmq.q_mail (evil.of(message)); reset role")
    yield maker
    db.run("reset role; drop table public.ran; drop schema evil cascade")


def hide_many(session):
    session.run("insert into pgmq.q_mail (vt, message) select now() + '1 hour', '1' from generate_series(1, 3000)")
    session.run("delete from public.ran")


def every_round(session):
    for _ in range(20):
        for name in ROUNDS:
            session.run(f'select pgmq."{name}.mail"()')


def test_what_an_owner_put_on_his_queue_runs_in_rounds_as_himself_whoever_reads(db, harm):
    hide_many(db)

    every_round(db)

    assert db.one("select count(*) from pgmq.q_mail where due is not null") == 3000
    assert db.column("select distinct who from public.ran") == [harm]


def test_a_table_that_was_given_to_another_by_hand_has_no_rounds_as_the_former_owner(db, harm, role):
    other = role()
    db.run(f"grant create on schema pgmq to {other}; alter table pgmq.q_mail owner to {other}")
    hide_many(db)
    db.run("delete from pgmq.q_mail where msg_id < 100; delete from public.ran")

    every_round(db)

    assert (bound(db), db.column("select who from public.ran")) == (0, [])


def test_a_queue_is_not_taken_over_with_what_its_owner_put_on_it(db, harm, refused):
    by_the_owner = {
        "trigger evil": "drop trigger evil on pgmq.q_mail",
        "index pgmq.evil": "drop index pgmq.evil",
        "policy evil": "create policy evil on pgmq.q_mail using (evil.of(message) = 1); drop policy evil on pgmq.q_mail",
        "constraint evil": "alter table pgmq.q_mail add constraint evil check (evil.of(message) = 1); "
        "alter table pgmq.q_mail drop constraint evil",
        "rule evil": "create rule evil as on delete to pgmq.a_mail do also select 1; drop rule evil on pgmq.a_mail",
        "default of column headers": "alter table pgmq.q_mail alter headers set default jsonb_build_object('a', evil.of('1')); "
        "alter table pgmq.q_mail alter headers drop default",
    }
    take_over = f"select hanjul.revoke_queue('mail', '{harm}', 'admin')"
    for what, statements in by_the_owner.items():
        *make, undo = statements.split("; ")
        for statement in make:
            db.run(f"set role {harm}; {statement}; reset role")
        with pytest.raises(Exception, match=what) as error:
            db.run(take_over)
        assert error.value.sqlstate == "42501"
        db.run(undo)

    db.run(take_over)

    assert db.one("select relowner::regrole::text = current_user from pg_class where oid = 'pgmq.q_mail'::regclass")


def test_a_trigger_that_calls_functions_of_another_queue_is_not_taken_over_either(db, maker):
    db.run(f"set role {maker}; select pgmq.create('mail')")
    db.run("create constraint trigger follow after insert on pgmq.q_mail deferrable initially deferred "
           "for each row execute function pgmq._partitions_follow('q_evil'); reset role")  # fmt: skip

    with pytest.raises(Exception, match="trigger follow"):
        db.run(f"select hanjul.revoke_queue('mail', '{maker}', 'admin')")


@pytest.mark.parametrize("create", CREATE)
def test_functions_that_an_owner_rewrote_are_written_anew_when_the_queue_is_taken_over(db, maker, create):
    evil = "language plpgsql security definer as $$ begin raise 'planted code ran'; end $$"
    db.run(f"set role {maker}; select pgmq.{create}")
    for name in (*ROUNDS, "upkeep"):
        db.run(f'create function pgmq."{name}.mail"(oid) returns boolean {evil}')
    for name in ("advance", "park"):
        db.run(f'create or replace function pgmq."{name}.mail"() returns void {evil}')
    for name in ("tidy", "missed"):
        db.run(f'create or replace function pgmq."{name}.mail"() returns boolean {evil}')
    db.run(f"reset role; select hanjul.revoke_queue('mail', '{maker}', 'admin')")

    every_round(db)
    fill(db, 10)

    assert db.one("select count(*) from pgmq.read('mail', 30, 10)") == 10
    assert db.column("select proname from pg_proc where pronamespace = 'pgmq'::regnamespace and prosrc like '%planted%'") == []
    assert db.column("""
        select distinct p.proowner::regrole::text = current_user from pg_proc p
        where p.pronamespace = 'pgmq'::regnamespace and p.proname like '%.mail'""") == [True]  # fmt: skip


def test_a_migrate_gives_an_owner_the_functions_that_he_dropped(db, harm):
    db.run(f"set role {harm}")
    for name in ROUNDS:
        db.run(f'drop function pgmq."{name}.mail"()')
    db.run("reset role; select pgmq._plan_all()")
    hide_many(db)

    every_round(db)

    assert db.column("select distinct who from public.ran") == [harm]


def test_maintenance_calls_no_function_that_merely_has_the_name(db, maker):
    upkeep = 'pgmq."upkeep.mail"(table_name text, patience interval) returns boolean'
    db.run(f"set role {maker}; select pgmq.create_partitioned('mail')")
    db.run(f"create or replace function {upkeep} language plpgsql as $$ begin raise 'planted code ran'; end $$; reset role")

    left = db.column("select hanjul.maintain()")

    assert left == ["mail"]
    [warning] = [notice for notice in db.notices if "WARNING" in notice]
    assert warning.endswith('left as they are: pgmq."upkeep.mail"(text,interval) is not a function of its owner')


def test_a_bound_that_somebody_made_beforehand_is_not_taken_for_the_queues(db, maker, refused):
    db.run(f"set role {maker}; create sequence pgmq.b_mail minvalue 0; reset role")

    with refused("42P07", 'relation "pgmq.b_mail" is in the way of queue "Mail"'):
        db.run("select pgmq.create('Mail')")


# A caller who means harm


@pytest.fixture
def stranger(db, role, connect):
    """A session of a role that may use the schema, and nothing in it."""
    name = role()
    db.run(f"grant usage on schema pgmq to {name}")
    session = connect()
    session.run(f"set role {name}")
    return session


def test_a_stranger_sees_and_writes_no_notes_of_rounds(owned, stranger, refused):
    db = owned()
    fill(db, 1)
    every_round(db)
    assert db.column("select queue_name from pgmq.scan") == ["mail"]

    assert stranger.column("select queue_name from pgmq.scan") == []
    stranger.run("delete from pgmq.scan")
    with refused("42501"):
        stranger.run("insert into pgmq.scan (queue_name, file, bound, last_id, writers) values ('mail', 0, 9, 9, '{}')")
    with refused("42501"):
        stranger.run("select pgmq._note_end('mail', 7)")
    assert db.column("select queue_name from pgmq.scan") == ["mail"]


IN_ONE = (  # all of it is one message to the server: one statement, to the clock
    "begin; {rounds}; delete from pgmq.q_mail; {rounds}; rollback",
    "begin isolation level repeatable read; {rounds}; {rounds}; commit",
    "begin; select setseed(0.5); {rounds}; {rounds}; rollback",
    "begin; savepoint s; delete from pgmq.q_mail; rollback to s; {rounds}; {rounds}; commit",
)


@pytest.mark.parametrize("script", IN_ONE)
def test_no_caller_pushes_the_bound_past_a_message(owned, reader, connect, script):
    db = owned()
    slow, consumer = connect(), reader()
    fill(db, 10)
    slow.run("begin; select pgmq.send('mail', '\"late\"')")
    fill(db, 10)
    rounds = "; ".join(f'select pgmq."{name}.mail"()' for name in ROUNDS)
    for _ in range(20):
        consumer.run(script.format(rounds=rounds))

    slow.run("commit")

    assert consumer.column("select msg_id from pgmq.read('mail', 30, 30)") == list(range(1, 22))


def test_a_sender_whose_ids_are_taken_and_whose_rows_are_not_there_makes_no_round(mail):
    rounds = "; ".join(['select pgmq."tidy.mail"()'] * 30)
    row = "(msg_id, vt, message) overriding system value values (1, now(), '1')"
    mail.run(
        "begin; lock table pgmq.q_mail in row exclusive mode; select nextval('pgmq.q_mail_msg_id_seq'); "
        f"{rounds}; insert into pgmq.q_mail {row}; commit"
    )
    fill(mail, 10)

    assert mail.column("select msg_id from pgmq.read('mail', 30, 1)") == [1]


def test_notes_of_partitions_are_written_by_the_owner_alone(db, role, maker):
    admin, other = role("hanjul_admin"), role()
    db.run("select pgmq.create_partitioned('mail', '10', '10'), hanjul.grant_queue('mail', %s, 'admin')", other)
    db.run(f"set role {admin}")

    db.run("update pgmq.partitioning set retention_interval = '0'; delete from pgmq.partitioning")
    db.run(f"set role {maker}; update pgmq.partitioning set tried_at = now(); reset role")

    assert db.rows("select table_name, retention_interval, tried_at from pgmq.partitioning order by 1") == [
        ("a_mail", "10", None),
        ("q_mail", "10", None),
    ]
    db.run(f"set role {other}; update pgmq.partitioning set tried_at = now(); reset role")
    assert db.one("select count(tried_at) from pgmq.partitioning") == 2


def test_dead_letters_of_a_dropped_queue_are_not_for_whoever_makes_another_of_its_name(db, role):
    ada, bob = role(), role()
    for admin in (ada, bob):
        db.run("select hanjul._give_general_rights(%s, 'admin')", admin)
    db.run(f"set role {ada}; select pgmq.create('mail')")
    db.run("select pgmq.send_batch('mail', array['1', '2']::jsonb[])")
    db.run("select hanjul.claim('mail', 30, 2)")
    db.run("select hanjul.reject('mail', '{1}', '{1}', '{rejected}', '{no}')")
    assert db.column("select msg_id from hanjul.dead_letters('mail')") == [1]
    db.run("select pgmq.drop_queue('mail')")

    db.run(f"set role {bob}; select pgmq.create('mail')")

    assert db.column("select msg_id from hanjul.dead_letters('mail')") == []
    assert db.column("select hanjul.redrive('mail')") == []
    assert db.one("select hanjul.prune_dead_letters('mail', '0')") == 0
    db.run("reset role")
    assert db.column("select hanjul.redrive('mail')") == [3]
