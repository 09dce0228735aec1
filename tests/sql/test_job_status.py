"""What a screen shows of the queues of jobs, and requests that arrive twice."""

import psycopg
import pytest

STATUS = "select queue, pending, processing, completed, failed, cancelled from hanjul.queue_status()"
ONCE = "select hanjul.enqueue_job_once(%s, %s, %s::jsonb)"
JOB = '{"kind": "mail", "payload": {"to": "ada"}}'


def test_a_queue_shows_how_many_jobs_have_which_status(db):
    db.run("select hanjul.enqueue_job('a', queue => 'mail') from generate_series(1, 6)")
    ids = db.column("select id from hanjul.fetch_next_jobs('w', '{mail}', 4)")
    db.run("select hanjul.complete_job(%s, 1), hanjul.fail_job(%s, 1, 'no', final => true)", ids[0], ids[1])
    db.run("select hanjul.cancel_job(id) from hanjul.job where status = 'pending' limit 1")
    db.run("select hanjul.enqueue_job('a', queue => 'slow')")

    assert db.rows(STATUS) == [("mail", 1, 2, 1, 1, 1), ("slow", 1, 0, 0, 0, 0)]


def test_a_paused_queue_says_since_when_by_whom_and_why_even_if_it_is_empty(db):
    db.run("select hanjul.pause_queue('mail', 'deploy')")

    shown = db.rows("""
        select queue, pending, oldest_waiting_s, paused_at <= clock_timestamp(), paused_by = session_user, pause_reason
        from hanjul.queue_status()""")

    assert shown == [("mail", 0, None, True, True, "deploy")]


def test_the_oldest_waiting_is_the_one_that_is_due_longest_of_whatever_priority(db):
    due = "select hanjul.enqueue_job('a', run_at => clock_timestamp() - interval '1 second' * %s, priority => %s)"
    db.run(due, 10, -1)
    db.run(due, 500, 7)
    db.run(due, 20, 7)
    db.run(due, 90, 0)

    waiting = db.one("select oldest_waiting_s from hanjul.queue_status()")

    assert 500 <= waiting < 600


def test_jobs_that_run_or_are_not_due_yet_do_not_wait(db):
    db.run("select hanjul.enqueue_job('a', run_at => clock_timestamp() - interval '1 hour')")
    db.run("select from hanjul.fetch_next_job('w')")
    db.run("select hanjul.enqueue_job('a', delay_s => 60)")

    assert db.rows("select pending, processing, oldest_waiting_s from hanjul.queue_status()") == [(1, 1, None)]


def test_what_runs_is_shown_with_its_worker_and_what_is_left_of_its_lease_newest_first(db):
    first = db.one("select hanjul.enqueue_job('a', queue => 'one', priority => 3, key => 'k')")
    second = db.one("select hanjul.enqueue_job('b', queue => 'two')")
    db.run("select hanjul.enqueue_job('a', queue => 'one', priority => 3)")
    db.run("select from hanjul.fetch_next_job('w1', 'one', 100)")
    db.run("select from hanjul.fetch_next_job('w2', 'two', 0.000001)")
    db.run("select hanjul.heartbeat(%s, 1, 100, 0.5, 'half')", first)

    shown = db.rows("""
        select id, queue, kind, worker_id, attempt, started_at <= clock_timestamp(),
               lease_left_s between 50 and 100, lease_left_s < 0, progress, progress_note, key from hanjul.processing_jobs()""")

    assert shown == [
        (second, "two", "b", "w2", 1, True, False, True, None, None, None),
        (first, "one", "a", "w1", 1, True, True, False, 0.5, "half", "k"),
    ]


def test_what_runs_comes_in_pages_and_by_queue(db):
    db.run("select hanjul.enqueue_job('a', queue => q) from unnest('{one,two}'::text[]) q, generate_series(1, 3)")
    db.run("select from hanjul.fetch_next_jobs('w', '{one,two}', 5)")

    of_one = db.column("select id from hanjul.processing_jobs('one')")
    page = db.column("select id from hanjul.processing_jobs(qty => 3)")
    rest = db.column("select id from hanjul.processing_jobs(before => %s)", page[-1])

    assert len(of_one) == 3
    assert [*page, *rest] == sorted(db.column("select id from hanjul.job where status = 'processing'"), reverse=True)
    assert db.rows("select from hanjul.processing_jobs('none')") == []


def test_what_runs_is_found_before_a_backlog_without_reading_it(db):
    db.run("select hanjul.enqueue_job('a')")
    db.run('select hanjul.enqueue_jobs((select jsonb_agg(\'{"kind": "a"}\'::jsonb) from generate_series(1, 30000)))')
    db.run("select from hanjul.fetch_next_jobs('w', '{default}', 2)")
    db.run("set jit = off")
    db.run("vacuum analyze hanjul.job")

    plan = db.one("explain (analyze, buffers, format json) select * from hanjul.processing_jobs(), hanjul.queue_status()")[0][
        "Plan"
    ]

    pages = db.one("select relpages from pg_class where oid = 'hanjul.job'::regclass")
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < pages / 2


def test_a_request_that_comes_twice_makes_one_job(db):
    first, again = [db.one(ONCE, "key-1", "hash", JOB) for _ in range(2)]
    other = db.one(ONCE, "key-2", "hash", JOB)

    assert first == again != other
    assert db.column("select payload from hanjul.job order by id") == [{"to": "ada"}] * 2


def test_a_key_that_comes_with_another_request_is_refused(db):
    db.run(ONCE, "key-1", "hash", JOB)

    with pytest.raises(psycopg.errors.InvalidParameterValue, match='the idempotency key "key-1" was used for another request'):
        db.run(ONCE, "key-1", "other", JOB)

    assert db.one("select count(*) from hanjul.job") == 1


def test_a_request_holds_while_its_job_is_kept_whatever_became_of_it(db):
    job = db.one(ONCE, "key-1", "hash", JOB)
    db.run("select hanjul.complete_job(id, attempt) from hanjul.fetch_next_job('w')")

    again = db.one(ONCE, "key-1", "hash", JOB)
    db.run("delete from hanjul.job_history")
    later = db.one(ONCE, "key-1", "another by now", JOB)

    assert job == again != later


def test_of_two_requests_at_once_the_second_waits_for_what_becomes_of_the_first(db, connect):
    other, third = connect(), connect()
    db.run("begin")
    job = db.one(ONCE, "key-1", "hash", JOB)
    waiting, refused = other.later(ONCE, "key-1", "hash", JOB), third.later(ONCE, "key-1", "other", JOB)
    db.run("commit")

    assert waiting.result(timeout=20) == [(job,)]
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        refused.result(timeout=20)


def test_a_request_whose_transaction_rolls_back_has_not_been(db):
    db.run("begin")
    db.run(ONCE, "key-1", "hash", JOB)
    db.run("rollback")

    assert db.one(ONCE, "key-1", "other", JOB) is not None


def test_a_request_may_find_the_job_of_a_unique_key(db):
    unique = '{"kind": "mail", "unique_key": "u"}'
    job = db.one("select hanjul.enqueue_job('mail', unique_key => 'u')")

    assert db.one(ONCE, "key-1", "hash", unique) == job


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("", "h", JOB), "an idempotency key must be text of 1 to 255 characters, not of 0"),
        (("x" * 256, "h", JOB), "not of 256"),
        ((None, "h", JOB), "not of NULL"),
        (("k", "", JOB), "request_hash must be text of 1 to 255 characters"),
        (("k", None, JOB), "not of NULL"),
        (("k", "h", "[1]"), "a job|object"),
        (("k", "h", '{"kind": ""}'), "kind must be text"),
    ],
)
def test_a_request_that_cannot_be_is_refused_and_changes_nothing(db, arguments, said):
    with pytest.raises(psycopg.Error, match=said):
        db.run(ONCE, *arguments)

    assert db.one("select count(*) from hanjul.job_unique") == 0
