"""Why a job does not run: every cause by itself, and several at once."""

import re

import psycopg
import pytest


@pytest.fixture
def worker(db):
    """A live worker of queue `default` that runs two jobs of kind `mail` at once."""
    db.run("select hanjul.worker_seen('w1', '{default}', '{mail}', 2)")


@pytest.fixture
def job(db, worker):
    """A job that nothing keeps from running."""
    return db.one("select hanjul.enqueue_job('mail')")


def explain(db, job):
    return db.rows("select cause, explanation from hanjul.explain_job(%s)", job)


def fetch(db, lease_s=1000, worker="w1"):
    db.run("select hanjul.fetch_next_job(%s, lease_s => %s)", worker, lease_s)


def test_the_next_job_is_told_to_be_the_next(db, job):
    assert explain(db, job) == [("next", "it is the next of queue default: a worker takes it when it looks")]


def test_a_job_that_is_to_run_later(db, worker):
    job = db.one("select hanjul.enqueue_job('mail', delay_s => 3600)")

    [(cause, explanation)] = explain(db, job)

    assert cause == "not_due"
    assert re.fullmatch(r"not due for another 00:59:5\d", explanation)
    assert db.one("select until = run_at from hanjul.explain_job(%s) cross join hanjul.job", job)


def test_a_job_that_failed_and_is_tried_again_later(db, job):
    fetch(db)
    db.run("select hanjul.fail_job(%s, 1, 'no route', retry_in_s => 60)", job)

    [(cause, explanation)] = explain(db, job)

    assert cause == "retrying"
    assert explanation.startswith("attempt 1 of 4 failed: no route; not due for another 00:00:")


@pytest.mark.parametrize(("why", "told"), [("'not mine'", "not mine"), ("null", "it said no more")])
def test_a_job_that_was_given_back_for_later(db, job, why, told):
    fetch(db)
    db.run(f"select hanjul.release_jobs(array[%s]::uuid[], '{{1}}', '{{60}}', array[{why}])", job)

    [(cause, explanation)] = explain(db, job)

    assert cause == "given_back"
    assert explanation.startswith(f"worker w1 gave it back: {told}; not due for another 00:00:")


def test_a_job_of_a_queue_that_is_paused(db, job):
    db.run("select hanjul.pause_queue('default', 'the mail server is moved')")
    user = db.one("select session_user")

    assert explain(db, job) == [("paused", f"queue default was paused by {user}: the mail server is moved")]
    assert db.one("select since = paused_at from hanjul.explain_job(%s) cross join hanjul.job_pause", job)


def test_a_job_whose_queue_nobody_takes(db, job):
    job = db.one("select hanjul.enqueue_job('mail', queue => 'slow')")

    assert explain(db, job) == [("no_worker", "no live worker takes jobs of queue slow")]


def test_a_job_whose_queues_workers_have_not_been_seen_for_long(db, job):
    db.run("update hanjul.worker set seen_at = clock_timestamp() - interval '90 s'")

    [(cause, explanation)] = explain(db, job)

    assert cause == "no_worker"
    assert re.fullmatch(r"no live worker takes jobs of queue default; the last was seen 00:01:3\d ago", explanation)


def test_a_job_of_a_kind_that_no_live_worker_knows(db, job):
    db.run("select hanjul.worker_seen('w2', '{slow}', '{print}'), hanjul.worker_seen('w3', '{default}', '{print}')")
    db.run("update hanjul.worker set seen_at = '2000-01-01' where id = 'w3'")
    other = db.one("select hanjul.enqueue_job('print', priority => -1)")

    assert explain(db, other) == [("unknown_kind", "no live worker of queue default knows jobs of kind print")]


def test_a_worker_that_does_not_say_its_kinds_knows_all(db):
    db.run("select hanjul.worker_seen('w1', '{default}')")

    assert [cause for cause, _ in explain(db, db.one("select hanjul.enqueue_job('print')"))] == ["next"]


def test_a_job_while_the_workers_run_all_they_can(db, job):
    fetch(db)
    other = db.one("select hanjul.enqueue_job('mail')")
    assert [cause for cause, _ in explain(db, other)] == ["next"]

    fetch(db)
    third = db.one("select hanjul.enqueue_job('mail')")

    assert explain(db, third) == [("busy", "the workers of queue default run 2 jobs, which is all they run at once")]


def test_a_job_behind_others_counts_those_that_are_due_and_go_first(db, job):
    db.run("""select hanjul.enqueue_job('mail', priority => -1), hanjul.enqueue_job('mail', priority => 1),
                     hanjul.enqueue_job('mail', priority => -1, delay_s => 60), hanjul.enqueue_job('mail', queue => 'other')""")
    last = db.one("select hanjul.enqueue_job('mail')")

    assert explain(db, last) == [("behind", "2 due jobs of queue default go first")]


def test_no_more_than_ten_thousand_jobs_are_counted(db, worker):
    db.run('select hanjul.enqueue_jobs((select jsonb_agg(\'{"kind": "mail"}\'::jsonb) from generate_series(1, 10001)))')
    last = db.one("select hanjul.enqueue_job('mail')")

    assert explain(db, last) == [("behind", "at least 10000 due jobs of queue default go first")]


def test_a_job_with_which_an_enqueue_of_the_same_key_was_answered(db, worker):
    job = db.one("select hanjul.enqueue_job('mail', unique_key => 'k', delay_s => 60)")
    assert db.one("select hanjul.enqueue_job('mail', unique_key => 'k')") == job

    assert explain(db, job)[1] == (
        "unique",
        "holds unique key k: whoever enqueued with that key since then was answered with this job",
    )


def test_a_job_that_runs(db, job):
    fetch(db)
    db.run("select hanjul.heartbeat(%s, 1, 1000, 0.375, 'page 3 of 8')", job)

    [(cause, explanation)] = explain(db, job)

    assert cause == "running"
    assert re.fullmatch(r"attempt 1 of 4 runs at worker w1; 00:16:\d\d of its lease left; 38 % done: page 3 of 8", explanation)
    assert db.one("select since = started_at and until = leased_until from hanjul.explain_job(%s) cross join hanjul.job", job)


def test_a_job_that_runs_and_is_to_be_cancelled(db, job):
    fetch(db)
    db.run("select hanjul.cancel_job(%s)", job)

    (running, explanation), (cancelling, _) = explain(db, job)

    assert (running, cancelling) == ("running", "cancelling")
    assert explanation.endswith("of its lease left")


def test_a_job_whose_worker_has_not_been_seen(db, job):
    fetch(db)
    db.run("update hanjul.worker set seen_at = clock_timestamp() - interval '90 s'")

    (running, _), (gone, explanation) = explain(db, job)

    assert (running, gone) == ("running", "worker_gone")
    assert explanation.startswith("worker w1 has not been seen for 00:01:3")


def test_a_job_whose_lease_has_ended(db, job):
    fetch(db)
    db.run("update hanjul.job set leased_until = clock_timestamp()")

    [(cause, explanation), (free, _)] = explain(db, job)

    assert (cause, free) == ("lease_ended", "next")
    assert explanation == "worker w1 let the lease of attempt 1 of 4 end; it is to be taken by whoever fetches next"


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("retry_count = max_retries", "rescue_stale_jobs() is to count it as failed"),
        ("cancel_requested_at = now()", "rescue_stale_jobs() is to cancel it"),
    ],
)
def test_a_job_whose_last_lease_has_ended_waits_for_nobody_who_fetches(db, job, state, told):
    fetch(db)
    db.run(f"update hanjul.job set leased_until = clock_timestamp(), {state}")

    causes = explain(db, job)

    assert causes[0][0] == "lease_ended"
    assert causes[0][1].endswith(told)
    assert not {"next", "behind"} & {cause for cause, _ in causes}


def test_jobs_that_have_ended(db, job):
    failed, cancelled = db.rows("select hanjul.enqueue_job('mail', priority => 1), hanjul.enqueue_job('mail', priority => 2)")[0]
    fetch(db)
    db.run("select hanjul.complete_job(%s, 1)", job)
    fetch(db)
    db.run("select hanjul.fail_job(%s, 1, 'no such user', final => true)", failed)
    db.run("select hanjul.cancel_job(%s)", cancelled)

    assert explain(db, job) == [("ended", "completed at attempt 1 by worker w1")]
    assert explain(db, failed) == [("ended", "failed after 1 of 4 attempts (rejected): no such user")]
    assert explain(db, cancelled) == [("ended", "cancelled")]


def test_several_causes_are_told_at_once_the_decisive_first(db):
    db.run("select hanjul.pause_queue('default')")
    job = db.one("select hanjul.enqueue_job('mail', delay_s => 60, unique_key => 'k')")

    assert [cause for cause, _ in explain(db, job)] == ["paused", "not_due", "no_worker", "unique"]


@pytest.mark.parametrize("job", ["'01900000-0000-7000-8000-000000000000'", "null"])
def test_a_job_that_is_not_there_is_refused(shared, job):
    with pytest.raises(psycopg.errors.NoDataFound, match="does not exist"):
        shared.run(f"select * from hanjul.explain_job({job})")
