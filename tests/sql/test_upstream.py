"""Where PGMQ itself is installed it stays in charge of schema pgmq, and our functions work on its tables."""

import psycopg
import pytest

from hanjul.sql import install_script, migrations

upstream = pytest.importorskip("pgmq.install", reason="the test group lacks the package pgmq")
OURS = "select msg_id, attempt, released, message from hanjul.claim('mail', 60, %s)"


@pytest.fixture
def theirs(empty_dsn, open_session):
    """A database with upstream's SQL and then ours, and a queue `mail` with messages 1 to 3, made by theirs."""
    with open_session(empty_dsn) as session:
        session.run(upstream.get_embedded_install_sql())
        session.run(install_script())
        session.run("select pgmq.create('mail')")
        session.run("select pgmq.send_batch('mail', array['1', '2', '3']::jsonb[])")
        yield session


def test_upstream_keeps_its_schema_also_when_we_install_again(theirs):
    theirs.run(install_script())

    ours = [migration.name for migration in migrations() if migration.schema != "pgmq"]
    assert theirs.column("select name from hanjul.migration order by number") == ours
    ours_alone = "select to_regproc('pgmq.q_info'), to_regproc('pgmq._wake'), to_regproc('pgmq.create_queue')"
    assert theirs.rows(ours_alone) == [(None, None, None)]


def test_claim_and_ack_work_on_its_tables(theirs):
    assert theirs.rows(OURS, 2) == [(1, 1, 0, "1"), (2, 1, 0, "2")]

    assert theirs.rows("select * from hanjul.ack('mail', '{1, 3}', '{1, 1}')") == [(3, 1, 0)]
    assert theirs.rows("select * from hanjul.ack('mail', '{2}', '{1}', true)") == []

    assert theirs.rows("select (select array_agg(msg_id) from pgmq.q_mail), (select array_agg(msg_id) from pgmq.a_mail)") == [
        ([3], [2])
    ]


def test_nack_extend_and_fencing_work_on_its_tables(theirs):
    theirs.rows(OURS, 1)
    assert theirs.rows("select * from hanjul.extend('mail', '{1}', '{1}', 60)") == []
    assert theirs.rows("select * from hanjul.nack('mail', '{1}', '{1}', '{0}')") == []
    assert theirs.rows(OURS, 1) == [(1, 2, 0, "1")]

    assert theirs.rows("select * from hanjul.nack('mail', '{1}', '{1}', '{0}')") == [(1, 1, 2)]
    assert theirs.rows("select * from hanjul.ack('mail', '{1}', '{1}')") == [(1, 1, 2)]


def test_a_release_takes_the_read_back_on_its_tables(theirs):
    theirs.rows(OURS, 1)

    assert theirs.rows("select * from hanjul.release('mail', '{1}', '{1}', '{0}')") == []

    assert theirs.one("select read_ct from pgmq.q_mail where msg_id = 1") == 0
    assert theirs.rows(OURS, 1) == [(1, 1, 0, "1")]


def test_dead_letters_leave_and_return_to_its_tables(theirs):
    theirs.rows(OURS, 1)
    assert theirs.rows("select * from hanjul.reject('mail', '{1}', '{1}', '{rejected}', '{no}')") == []
    assert theirs.rows("select msg_id, attempts from hanjul.dead_letters('mail')") == [(1, 1)]

    assert theirs.column("select hanjul.redrive('mail')") == [4]

    assert theirs.column("select msg_id from pgmq.read('mail', 0, 9)") == [2, 3, 4]


def test_sending_waking_and_waiting_work_on_its_tables(theirs):
    assert theirs.column("select hanjul.send_many('mail', '[[4], [5, {}, 60]]')") == [4, 5]

    theirs.run("select hanjul.wait('{mail}'), hanjul.wake('mail'), hanjul.unwait('{mail}')")
    assert [name for name, due_in_s in theirs.rows("select * from hanjul.ready('{mail}')") if due_in_s <= 0] == ["mail"]


@pytest.mark.parametrize("call", ["claim('none', 1, 1)", "ack('none', '{1}', '{1}')", "send_many('none', '[[1]]')"])
def test_a_missing_queue_is_the_servers_own_error(theirs, call):
    with pytest.raises(psycopg.errors.UndefinedTable):
        theirs.run(f"select hanjul.{call}")


def test_its_queues_are_bound_again_when_they_are_made_anew(theirs):
    bind = "select queue_name, pattern from hanjul.bind_topics('{mail}', '{a.*}', array[%s]::timestamptz[])"
    assert theirs.rows(bind, None) == [("mail", "a.*")]
    created_at = theirs.one("select created_at from pgmq.meta where queue_name = 'mail'")
    assert theirs.rows(bind, created_at) == []

    theirs.run("select pgmq.drop_queue('mail'), pgmq.create('mail')")

    assert theirs.rows(bind, created_at) == [("mail", "a.*")]
    assert theirs.column("select queue_name from pgmq.list_topic_bindings('mail')") == ["mail"]
