"""Jobs, from enqueueing to their end: each line of the contract, in SQL alone."""

import json
from datetime import timedelta

import psycopg
import pytest

FETCH = "select id::text, attempt from hanjul.fetch_next_job('w1')"


def status(db, job):
    return db.rows("select status, retry_count, error_message from hanjul.job_queue where id = %s", job)


def lapse(db):
    """Let every lease end."""
    db.run("update hanjul.job set leased_until = clock_timestamp() where status = 'processing'")


def due(db):
    """Move every pending job to now."""
    db.run("update hanjul.job set run_at = clock_timestamp() where status = 'pending'")


# Enqueueing


def test_a_job_is_pending_with_what_was_asked_for(db):
    job = db.one("""
        select hanjul.enqueue_job('mail', '{"to": "ada"}', queue => 'slow', priority => -2, max_retries => 1, timeout_s => 2.5,
                                  key => 'order-7', metadata => '{"who": 1}')""")

    row = db.rows(
        """
        select status, kind, payload, queue, priority, max_retries, timeout_s, key, metadata, retry_count, attempt,
               started_at is null and completed_at is null and worker_id is null and created_at = run_at
        from hanjul.job_queue where id = %s""",
        job,
    )
    assert row == [("pending", "mail", {"to": "ada"}, "slow", -2, 1, 2.5, "order-7", {"who": 1}, 0, 0, True)]


def test_ids_are_ordered_by_time_and_within_a_batch_by_place(db):
    ids = db.column(
        """select hanjul.enqueue_jobs((select jsonb_agg(jsonb_build_object('kind', n::text)) from generate_series(1, 3000) n))"""
    )
    later = db.one("select hanjul.enqueue_job('x')")

    assert [*ids, later] == sorted([*ids, later])
    assert {job.version for job in ids} == {7}
    assert db.column("select kind from hanjul.job where kind <> 'x' order by id") == [str(n) for n in range(1, 3001)]


def test_a_job_is_there_when_its_transaction_commits_and_not_before(db, connect):
    other = connect()
    db.run("begin")
    db.run("select hanjul.enqueue_job('mail')")

    assert other.rows(FETCH) == []
    db.run("commit")
    assert len(other.rows(FETCH)) == 1


def test_a_batch_takes_the_fields_of_enqueue_job_and_its_defaults(db):
    db.run("""select hanjul.enqueue_jobs('[
        {"kind": "a"},
        {"kind": "null", "payload": null},
        {"kind": "b", "payload": [1], "queue": "q", "delay_s": 60, "priority": 5, "max_retries": 0, "key": "k"}]')""")

    assert db.rows(
        """select kind, payload, queue, run_at - created_at, priority, max_retries, key from hanjul.job order by id"""
    ) == [
        ("a", {}, "default", timedelta(0), 0, 3, None),
        ("null", None, "default", timedelta(0), 0, 3, None),
        ("b", [1], "q", timedelta(seconds=60), 5, 0, "k"),
    ]


BAD_JOBS = {
    "kind => ''": "kind must be text of 1 to 200 characters, not ''",
    "kind => null": "kind must be text of 1 to 200 characters, not NULL",
    "kind => repeat('x', 201)": "kind must be text",
    "'a', queue => ''": "queue must be text of 1 to 200 characters, not ''",
    "'a', payload => null": "payload must be JSON, not NULL",
    "'a', max_retries => -1": "max_retries must be between 0 and 1000, not -1",
    "'a', max_retries => null": "max_retries must be between 0 and 1000, not NULL",
    "'a', delay_s => -0.5": "delay_s must be between 0 and 315360000 (ten years), not -0.5",
    "'a', delay_s => 'nan'": "delay_s must be between 0 and 315360000 (ten years), not NaN",
    "'a', delay_s => 1, run_at => now()": "run_at and delay_s exclude each other",
    "'a', run_at => '9999-12-31'": "run_at must lie between the year 2000 and ten years from now, not at '9999-12-31",
    "'a', run_at => 'infinity'": "run_at must lie between the year 2000 and ten years from now, not at 'infinity'",
    "'a', run_at => '-infinity'": "run_at must lie between the year 2000",
    "'a', timeout_s => 0": "timeout_s must be more than 0 and at most 315360000, not 0",
    "'a', timeout_s => 'nan'": "timeout_s must be more than 0 and at most 315360000, not NaN",
    "'a', priority => null": "priority must be an integer, not NULL",
    "'a', key => repeat('k', 1001)": "key must have at most 1000 characters, not 1001",
    "'a', jsonb_build_array(repeat('x', 67108864))": "payload must have at most 64 MiB, not 671088",
    "'a', unique_key => ''": "unique_key must be text of 1 to 1000 characters, not of 0",
    "'a', unique_key => 'k', unique_over => '{waiting}'": "unique_over must name some of pending, processing",
    "'a', unique_key => 'k', unique_over => '{}'": "unique_over must name some of pending, processing",
    "'a', unique_key => 'k', unique_for_s => 0": "unique_for_s must be more than 0, not 0",
    "'a', unique_key => 'k', on_conflict => 'merge'": "on_conflict must be keep, replace or raise, not merge",
}


@pytest.mark.parametrize("arguments", BAD_JOBS)
def test_what_cannot_be_about_a_job_is_refused(shared, arguments):
    with pytest.raises(psycopg.errors.InvalidParameterValue) as refused:
        shared.run(f"select hanjul.enqueue_job({arguments})")

    assert BAD_JOBS[arguments] in str(refused.value)
    assert shared.one("select count(*) from hanjul.job") == 0


BAD_BATCHES = {
    "null": "jobs must be a JSON array of objects, not NULL",
    "'{}'": "jobs must be a JSON array of objects, not object",
    """'[{"kind": "a"}, {"kin": "b"}]'""": 'a job has no field "kin"',
    """'[{"kind": "a"}, {"payload": 1}]'""": "kind must be text of 1 to 200 characters, not NULL",
    """'[{"kind": "a"}, {"kind": "b", "max_retries": -7}]'""": "max_retries must be between 0 and 1000, not -7",
    """'[{"kind": "a", "unique_key": "k"}, {"kind": "b", "delay_s": -7}]'""": "delay_s must be between 0",
}


@pytest.mark.parametrize("jobs", BAD_BATCHES)
def test_a_batch_with_one_bad_job_enqueues_none(shared, jobs):
    with pytest.raises(psycopg.errors.InvalidParameterValue) as refused:
        shared.run(f"select hanjul.enqueue_jobs({jobs})")

    assert BAD_BATCHES[jobs] in str(refused.value)
    assert shared.one("select count(*) from hanjul.job") == 0


@pytest.mark.parametrize("jobs", ["[1]", "[null]", '[["kind"]]'])
def test_a_batch_of_what_are_no_objects_is_refused(shared, jobs):
    with pytest.raises(psycopg.errors.DataError):
        shared.run("select hanjul.enqueue_jobs(%s)", jobs)


# Handing out


def test_jobs_are_handed_out_by_priority_then_time_then_id(db):
    for name, priority, run_at in [("late", 0, "-1s"), ("early", 0, "-2s"), ("urgent", -1, "0s"), ("idle", 9, "-1h")]:
        db.run("select hanjul.enqueue_job(%s, priority => %s, run_at => now() + %s::interval)", name, priority, run_at)
    db.run("""select hanjul.enqueue_jobs('[{"kind": "batch 1", "priority": 9}, {"kind": "batch 2", "priority": 9}]')""")

    assert db.column("select kind from hanjul.fetch_next_jobs('w1', '{default}', 10)") == [
        "urgent",
        "early",
        "late",
        "idle",
        "batch 1",
        "batch 2",
    ]


def test_a_job_that_is_handed_out_says_by_whom_since_and_until_when(db):
    job = db.one("select hanjul.enqueue_job('mail', '[1]')")

    [[id_, kind, payload, attempt]] = db.rows("select id, kind, payload, attempt from hanjul.fetch_next_job('w1', lease_s => 60)")

    assert (id_, kind, payload, attempt) == (job, "mail", [1], 1)
    assert db.rows("""select status, worker_id, leased_until - started_at, started_at > created_at from hanjul.job_queue""") == [
        ("processing", "w1", timedelta(seconds=60), True)
    ]


def test_a_job_is_handed_out_once_while_its_lease_lasts(db, connect):
    db.run("select hanjul.enqueue_job('mail')")

    assert len(db.rows(FETCH)) == 1
    assert db.rows(FETCH) == connect().rows(FETCH) == []


def test_a_delayed_job_is_handed_out_when_it_is_due(db):
    db.run("select hanjul.enqueue_job('mail', delay_s => 3600)")
    assert db.rows(FETCH) == []

    due(db)

    assert len(db.rows(FETCH)) == 1


def test_queues_are_asked_in_the_order_given(db):
    for queue in "abc":
        db.run("select hanjul.enqueue_job('k', queue => %s)", queue)

    assert db.column("select queue from hanjul.fetch_next_jobs('w1', '{c,a}', 10)") == ["c", "a"]
    assert db.rows("select * from hanjul.fetch_next_jobs('w1', '{}', 10)") == []


def test_a_new_priority_is_seen_by_a_connection_that_knows_others(db):
    db.run('select hanjul.enqueue_jobs(\'[{"kind": "a"}, {"kind": "b"}]\')')
    db.rows(FETCH)

    db.run("select hanjul.enqueue_job('c', priority => 3), hanjul.enqueue_job('d', priority => -3)")

    assert sorted(db.column("select kind from hanjul.fetch_next_jobs('w1', '{default}', 10)")) == ["b", "c", "d"]


def test_a_job_whose_sender_commits_late_is_found_below_what_was_handed_out(db, connect):
    slow = connect()
    slow.run("begin")
    slow.run("select hanjul.enqueue_job('slow')")
    db.run("select hanjul.enqueue_job('fast')")
    assert db.column("select kind from hanjul.fetch_next_job('w1')") == ["fast"]

    slow.run("commit")

    assert db.column("select kind from hanjul.fetch_next_job('w1')") == ["slow"]


def test_a_job_that_is_told_to_run_in_the_past_is_found(db):
    db.run("select hanjul.enqueue_job('now')")
    db.rows(FETCH)

    db.run("select hanjul.enqueue_job('past', run_at => '2001-01-01')")

    assert db.column("select kind from hanjul.fetch_next_job('w1')") == ["past"]


def test_a_fetch_that_is_rolled_back_forgets_how_far_it_got(db):
    db.run("select hanjul.enqueue_job('mail')")
    db.run("begin")
    assert len(db.rows(FETCH)) == 1
    db.run("rollback")

    assert [attempt for _, attempt in db.rows(FETCH)] == [1]


def test_two_workers_at_once_do_not_wait_for_one_another(db, connect):
    other = connect()
    db.run('select hanjul.enqueue_jobs(\'[{"kind": "a"}, {"kind": "b"}]\')')
    db.run("begin")

    [mine], [theirs] = db.rows(FETCH), other.rows(FETCH)

    assert mine != theirs
    db.run("commit")


def test_what_ended_costs_later_fetches_nothing_even_under_an_old_snapshot(db, connect):
    """The index entries of finished jobs stay while a snapshot is held; a connection that works passes over them."""
    old = connect()
    db.run("select hanjul.enqueue_jobs((select jsonb_agg(jsonb_build_object('kind', 'k')) from generate_series(1, 5000)))")
    old.run("begin isolation level repeatable read")
    old.run("select 1")
    for _ in range(49):
        db.run("""with mine as (select array_agg(id) ids, array_agg(attempt) attempts
                                from hanjul.fetch_next_jobs('w1', '{default}', 100))
                  select hanjul.complete_jobs(ids, attempts) from mine""")

    def touched(walk):
        db.run(f"select * from {walk}")
        plan = db.one(f"explain (analyze, buffers, format json) select * from {walk}")
        return plan[0]["Plan"]["Shared Hit Blocks"]

    setting = "(current_setting('hanjul.lanes_' || to_hex(hashtext('default')))::jsonb -> 'lanes')"
    from_here = touched(f"hanjul._walk('default', 1, clock_timestamp(), {setting})")
    from_the_head = touched(
        'hanjul._walk(\'default\', 1, clock_timestamp(), \'{"0": ["-infinity", "00000000-0000-0000-0000-000000000000"]}\')'
    )

    assert from_here * 20 < from_the_head


BAD_FETCHES = {
    "'', '{default}', 1": "worker_id must be text of 1 to 200 characters, not ''",
    "null, '{default}', 1": "worker_id must be text of 1 to 200 characters, not NULL",
    "'w', '{default}', -1": "qty must be between 0 and 100000, not -1",
    "'w', '{default}', null": "qty must be between 0 and 100000, not NULL",
    "'w', '{default}', 1, 0": "lease_s must be more than 0 and at most 315360000, not 0",
    "'w', '{default}', 1, 'infinity'": "lease_s must be more than 0",
    "'w', '{default}', 1, null": "lease_s must be more than 0 and at most 315360000, not NULL",
}


@pytest.mark.parametrize("arguments", BAD_FETCHES)
def test_a_fetch_that_makes_no_sense_is_refused(shared, arguments):
    with pytest.raises(psycopg.errors.InvalidParameterValue) as refused:
        shared.run(f"select * from hanjul.fetch_next_jobs({arguments})")

    assert BAD_FETCHES[arguments] in str(refused.value)


def test_the_jobs_of_a_paused_queue_are_not_handed_out(db):
    db.run("select hanjul.enqueue_job('mail'), hanjul.pause_queue('default', 'deploy'), hanjul.pause_queue('default')")
    assert db.rows(FETCH) == []
    assert db.rows("select queue, paused_by = session_user, reason from hanjul.job_pause") == [("default", True, "deploy")]

    db.run("select hanjul.resume_queue('default')")

    assert len(db.rows(FETCH)) == 1


# Settling


@pytest.fixture
def job(db):
    """One job that `w1` has: its id; the attempt is 1."""
    db.run("select hanjul.enqueue_job('mail', max_retries => 1)")
    [[id_, _]] = db.rows(FETCH)
    return id_


def test_a_completed_job_is_in_history_with_its_result(db, job):
    db.run("select hanjul.complete_job(%s, 1, '{\"sent\": true}')", job)

    assert db.rows(
        """select status, result, worker_id, progress, completed_at > started_at, leased_until from hanjul.job_queue"""
    ) == [("completed", {"sent": True}, "w1", 1.0, True, None)]
    assert db.one("select count(*) from hanjul.job") == 0


def test_a_failed_job_waits_for_its_retry_and_fails_for_good_when_it_has_none_left(db, job):
    assert db.one("select hanjul.fail_job(%s, 1, 'no route')", job) == "pending"
    assert status(db, job) == [("pending", 1, "no route")]
    assert db.rows(FETCH) == []
    due(db)
    assert db.rows(FETCH) == [(job, 2)]

    assert db.one("select hanjul.fail_job(%s, 2, 'no host')", job) == "failed"

    assert status(db, job) == [("failed", 1, "no host")]


def test_failures_wait_longer_each_time_up_to_an_hour(db):
    db.run("select hanjul.enqueue_job('mail', max_retries => 100)")
    waits = []
    for attempt in range(1, 16):
        due(db)
        [[job, _]] = db.rows(FETCH)
        db.run("select hanjul.fail_job(%s, %s, 'no')", job, attempt)
        waits.append(db.one("select extract(epoch from run_at - clock_timestamp())::float8 from hanjul.job"))

    for n, wait in enumerate(waits):
        assert 0.85 * min(2**n, 3600) < wait < 1.15 * min(2**n, 3600)


def test_a_worker_says_when_to_try_again_or_that_it_makes_no_sense(db, job):
    db.run("select hanjul.fail_job(%s, 1, 'later', retry_in_s => 0)", job)
    assert db.rows(FETCH) == [(job, 2)]

    assert db.one("select hanjul.fail_job(%s, 2, 'never', retry_in_s => 0, final => true)", job) == "failed"


def test_a_job_that_is_given_back_has_not_failed(db, job):
    db.run("select hanjul.release_jobs(array[%s]::uuid[], '{1}')", job)

    assert status(db, job) == [("pending", 0, None)]
    assert db.rows(FETCH) == [(job, 2)]


def test_a_job_that_is_given_back_keeps_its_place_in_the_queue(db, connect, job):
    db.run("select hanjul.enqueue_job('younger')")

    db.run("select hanjul.release_jobs(array[%s]::uuid[], '{1}')", job)

    assert connect().rows(FETCH) == [(job, 2)]  # who has just passed that place looks there again at its next sweep


SETTLEMENTS = {
    "complete_job(%s, {attempt})": "completed",
    "fail_job(%s, {attempt}, 'no')": "pending",
    "heartbeat(%s, {attempt})": "processing",
}


@pytest.mark.parametrize("call", SETTLEMENTS)
def test_an_attempt_that_has_passed_on_cannot_settle(db, job, call):
    lapse(db)
    db.run(FETCH)

    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="was lost: attempt 2 has it now, this is attempt 1"):
        db.run("select hanjul." + call.format(attempt=1), job)

    db.run("select hanjul." + call.format(attempt=2), job)
    assert status(db, job)[0][0] == {"fail_job(%s, {attempt}, 'no')": "failed"}.get(call, SETTLEMENTS[call])


@pytest.mark.parametrize("call", SETTLEMENTS)
def test_a_job_that_has_ended_cannot_be_settled_again(db, job, call):
    db.run("select hanjul.complete_job(%s, 1, '1')", job)

    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="is not being processed: it is completed"):
        db.run("select hanjul." + call.format(attempt=1), job)

    assert db.rows("select status, result from hanjul.job_queue") == [("completed", 1)]


@pytest.mark.parametrize("call", SETTLEMENTS)
def test_a_job_that_never_was_cannot_be_settled(shared, call):
    with pytest.raises(psycopg.errors.NoDataFound, match="does not exist"):
        shared.run("select hanjul." + call.format(attempt=1), "01900000-0000-7000-8000-000000000000")


def test_a_batch_settles_what_it_may_and_returns_the_rest(db):
    db.run('select hanjul.enqueue_jobs(\'[{"kind": "a"}, {"kind": "b"}, {"kind": "c"}]\')')
    ids = db.column("select id::text from hanjul.fetch_next_jobs('w1', '{default}', 3)")
    nobody = "01900000-0000-7000-8000-000000000000"
    db.run("select hanjul.complete_job(%s, 1)", ids[0])

    refused = db.rows(
        "select id::text, attempt, held_by, status from hanjul.complete_jobs(%s::uuid[], %s)", [*ids, nobody], [1, 1, 2, 1]
    )

    assert sorted(refused) == sorted([(ids[0], 1, 1, "completed"), (ids[2], 2, 1, "processing"), (nobody, 1, None, None)])
    assert db.column("select kind from hanjul.job") == ["c"]


def test_a_batch_with_an_old_attempt_beside_the_newest_settles_that_and_returns_the_old_one(db, job):
    lapse(db)
    db.run(FETCH)

    refused = db.rows("select attempt, held_by, status from hanjul.complete_jobs(array[%s, %s]::uuid[], '{1,2}')", job, job)

    assert refused == [(1, 2, "completed")]


def test_a_heartbeat_keeps_the_lease_and_tells_progress(db, job):
    assert db.one("select hanjul.heartbeat(%s, 1, 600, 0.4, 'page 3 of 8')", job) is False

    assert db.rows(
        """select leased_until > clock_timestamp() + interval '590 seconds', progress, progress_note from hanjul.job_queue"""
    ) == [(True, pytest.approx(0.4), "page 3 of 8")]


def test_two_batches_that_name_the_same_jobs_in_another_order_do_not_deadlock(db, connect, blocked):
    other = connect()
    db.run('select hanjul.enqueue_jobs(\'[{"kind": "a"}, {"kind": "b"}]\')')
    ids = db.column("select id::text from hanjul.fetch_next_jobs('w1', '{default}', 2)")
    db.run("begin")
    db.run("select hanjul.complete_jobs(%s::uuid[], '{1}')", ids[:1])
    waiting = other.later("select held_by, status from hanjul.complete_jobs(%s::uuid[], '{1,1}')", ids[::-1])
    blocked(other)

    db.run("select hanjul.complete_jobs(%s::uuid[], '{1}')", ids[1:])
    db.run("commit")

    assert waiting.result() == [(1, "completed"), (1, "completed")]


# Leases that end


def test_a_job_whose_lease_ended_is_handed_out_again_as_a_failure(db, job):
    lapse(db)

    assert db.rows(FETCH) == [(job, 2)]
    assert status(db, job) == [("processing", 1, "worker w1 let the lease of attempt 1 end")]


def test_a_job_that_kills_its_workers_is_handed_out_no_more_than_its_retries_allow(db, job):
    for _ in range(2):
        lapse(db)
        db.rows(FETCH)
    assert db.rows(FETCH) == []

    assert db.one("select hanjul.rescue_stale_jobs()") == 1

    assert status(db, job) == [("failed", 1, "worker w1 let the lease of attempt 2 end")]


def test_rescue_puts_stale_jobs_back_and_leaves_live_ones(db, job):
    assert db.one("select hanjul.rescue_stale_jobs()") == 0
    lapse(db)

    assert db.one("select hanjul.rescue_stale_jobs()") == 1

    assert status(db, job) == [("pending", 1, "worker w1 let the lease of attempt 1 end")]
    assert db.rows(FETCH) == [(job, 2)]


# What people do


def test_a_pending_job_is_cancelled_at_once(db):
    job = db.one("select hanjul.enqueue_job('mail')")

    assert db.one("select hanjul.cancel_job(%s)", job) == "cancelled"

    assert db.rows(FETCH) == []
    assert db.column("select status from hanjul.job_queue") == ["cancelled"]


def test_the_worker_of_a_running_job_hears_that_it_is_to_be_cancelled(db, job):
    assert db.one("select hanjul.cancel_job(%s)", job) == "processing"
    assert db.one("select hanjul.heartbeat(%s, 1)", job) is True
    assert db.rows("select attempt, status, cancel from hanjul.heartbeats(array[%s]::uuid[], '{1}', 30)", job) == [
        (1, "processing", True)
    ]

    db.run("select hanjul.fail_job(%s, 1, 'cancelled on the way')", job)

    assert status(db, job) == [("cancelled", 0, "cancelled on the way")]


def test_a_running_job_that_is_done_before_it_is_cancelled_is_completed(db, job):
    db.run("select hanjul.cancel_job(%s)", job)

    db.run("select hanjul.complete_job(%s, 1)", job)

    assert status(db, job) == [("completed", 0, None)]


def test_a_job_to_be_cancelled_that_is_given_back_is_cancelled(db, job):
    db.run("select hanjul.cancel_job(%s)", job)

    assert db.rows("select * from hanjul.release_jobs(array[%s]::uuid[], '{1}')", job) == []

    assert status(db, job)[0][0] == "cancelled"
    assert db.rows(FETCH) == []


def test_a_job_to_be_cancelled_whose_worker_died_is_cancelled(db, job):
    db.run("select hanjul.cancel_job(%s)", job)
    lapse(db)
    assert db.rows(FETCH) == []

    db.run("select hanjul.rescue_stale_jobs()")

    assert status(db, job)[0][0] == "cancelled"


def test_many_are_cancelled_and_tried_again_or_none(db, job):
    waiting = str(db.one("select hanjul.enqueue_job('mail')"))
    both = [waiting, job, waiting]

    assert sorted(db.rows("select id::text, status from hanjul.cancel_jobs(%s::uuid[])", both)) == sorted(
        [(waiting, "cancelled"), (job, "processing")]
    )
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="it is processing"):
        db.run("select hanjul.retry_jobs(%s::uuid[])", both)
    assert status(db, waiting)[0][0] == "cancelled"
    assert db.column("select r::text from hanjul.retry_jobs(%s::uuid[]) r", [waiting, waiting]) == [waiting]
    assert status(db, waiting)[0][0] == "pending"


def test_a_job_that_has_ended_cannot_be_cancelled(db, job):
    db.run("select hanjul.complete_job(%s, 1)", job)

    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="cannot be cancelled: it is completed"):
        db.run("select hanjul.cancel_job(%s)", job)
    with pytest.raises(psycopg.errors.NoDataFound, match="does not exist"):
        db.run("select hanjul.cancel_job(null)")


def test_a_failed_job_can_be_tried_again_under_its_id(db, job):
    db.run("select hanjul.fail_job(%s, 1, 'no', final => true)", job)

    db.run("select hanjul.retry_job(%s)", job)

    assert status(db, job) == [("pending", 0, "no")]
    assert db.rows(FETCH) == [(job, 2)]
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="cannot be retried: it is processing"):
        db.run("select hanjul.retry_job(%s)", job)


# Unique keys


UNIQUE = "select hanjul.enqueue_job('mail', %s, unique_key => 'k')"


def test_a_unique_key_bars_a_second_job_until_the_first_has_ended(db):
    first = db.one(UNIQUE, "1")
    assert db.one(UNIQUE, "2") == first
    [[_, attempt]] = db.rows(FETCH)
    assert db.one(UNIQUE, "3") == first
    db.run("select hanjul.complete_job(%s, %s)", first, attempt)

    assert db.one(UNIQUE, "4") != first
    assert db.column("select payload from hanjul.job_queue order by id") == [1, 4]


def test_a_conflict_replaces_a_pending_job_if_asked_to_or_raises(db):
    first = db.one(UNIQUE, "1")

    assert db.one("select hanjul.enqueue_job('mail', '2', priority => -1, unique_key => 'k', on_conflict => 'replace')") == first
    assert db.rows("select payload, priority from hanjul.job") == [(2, -1)]
    with pytest.raises(psycopg.errors.UniqueViolation, match=f'unique key "k" is held by job {first}'):
        db.run("select hanjul.enqueue_job('mail', '3', unique_key => 'k', on_conflict => 'raise')")


def test_a_running_job_is_not_replaced(db):
    first = db.one(UNIQUE, "1")
    db.rows(FETCH)

    assert db.one("select hanjul.enqueue_job('mail', '2', unique_key => 'k', on_conflict => 'replace')") == first
    assert db.rows("select payload, status from hanjul.job") == [(1, "processing")]


def test_uniqueness_may_reach_over_finished_jobs_and_end_with_time(db, job):
    call = (
        "select hanjul.enqueue_job('u', unique_key => 'u', unique_over => '{pending,processing,completed}', unique_for_s => 60)"
    )
    first = db.one(call)
    [[_, attempt]] = db.rows(FETCH)
    db.run("select hanjul.complete_job(%s, %s)", first, attempt)
    assert db.one(call) == first

    db.run("update hanjul.job_unique set created_at = created_at - interval '1 minute'")

    assert db.one(call) != first


def test_of_two_that_ask_for_the_same_key_at_once_the_second_waits_for_the_verdict(db, connect, blocked):
    other, third = connect(), connect()
    db.run("begin")
    first = db.one(UNIQUE, "1")
    waiting = other.later(UNIQUE, "2")
    blocked(other)
    db.run("commit")
    assert waiting.result() == [(first,)]

    db.run("select hanjul.cancel_job(%s)", first)
    db.run("begin")
    db.run(UNIQUE, "3")
    waiting = third.later(UNIQUE, "4")
    blocked(third)
    db.run("rollback")
    assert waiting.result() != [(first,)]
    assert db.column("select payload from hanjul.job") == [4]


def test_a_batch_with_unique_keys_tells_the_ids_in_its_own_order(db):
    jobs = [{"kind": "a", "unique_key": "z"}, {"kind": "b"}, {"kind": "c", "unique_key": "a"}, {"kind": "d", "unique_key": "z"}]

    ids = db.column("select hanjul.enqueue_jobs(%s)", json.dumps(jobs))

    assert ids[0] == ids[3]
    assert dict(db.rows("select id, kind from hanjul.job")) == {ids[0]: "a", ids[1]: "b", ids[2]: "c"}


# History and counts


def test_days_are_made_ahead_and_dropped_when_they_are_old(db):
    assert db.one("select hanjul.keep_days(1)") == 2
    assert db.one("select hanjul.keep_days(1)") == 0
    job = db.one("select hanjul.enqueue_job('mail')")
    db.run("select hanjul.cancel_job(%s)", job)
    assert db.one("select tableoid::regclass::text = hanjul._day((now() at time zone 'UTC')::date) from hanjul.job_history")
    db.run("select hanjul._make_day('2020-02-29')")
    db.run("update hanjul.job_history set completed_at = '2020-02-29 23:59:59+00'")

    assert db.one("select hanjul.prune('30 days')") == 1

    assert db.one("select count(*) from hanjul.job_history") == 0
    assert db.rows("select * from hanjul.job_counts()") == []


def test_jobs_that_end_on_a_day_without_a_partition_are_kept_and_move_into_it(db, job):
    db.run("select hanjul.complete_job(%s, 1)", job)
    assert db.one("select tableoid::regclass::text from hanjul.job_history") == "hanjul.job_history_rest"

    db.run("select hanjul.keep_days()")

    assert db.one("select tableoid::regclass::text = hanjul._day((now() at time zone 'UTC')::date) from hanjul.job_history")


def test_no_day_is_made_while_much_lies_outside_of_days(db, job):
    """The server would look through all of it, with every ending job behind it."""
    db.run("select hanjul.complete_job(%s, 1)", job)
    db.run("update hanjul.job_history set payload = (select jsonb_agg(md5(n::text)) from generate_series(1, 1000) n)")
    db.run("insert into hanjul.job_history select h.* from hanjul.job_history h, generate_series(1, 1000)")

    assert db.one("select hanjul.keep_days()") == 0
    db.run("truncate hanjul.job_history_rest")
    assert db.one("select hanjul.keep_days()") == 4


def test_a_job_that_ends_while_its_day_is_made_waits_and_is_kept(db, connect, job, blocked):
    maker = connect()
    maker.run("begin")
    maker.run("select hanjul.keep_days()")

    ending = db.later("select hanjul.complete_job(%s, 1)", job)
    blocked(db)
    maker.run("commit")

    ending.result(20)
    assert maker.one("select tableoid::regclass::text = hanjul._day((now() at time zone 'UTC')::date) from hanjul.job_history")


def test_a_day_that_has_begun_is_not_made_while_a_job_ends(db, connect, job):
    other = connect()
    db.run("begin")
    db.run("select hanjul.complete_job(%s, 1)", job)

    assert other.one("select hanjul.keep_days(1)") == 0

    db.run("commit")
    assert other.one("select hanjul.keep_days(1)") == 2


def test_two_that_prune_at_once_are_one(db, connect):
    other = connect()
    db.run("select hanjul._make_day('2020-02-29')")
    db.run("begin")

    assert db.one("select hanjul.prune('30 days')") == 1
    assert other.one("select hanjul.prune('30 days')") == 0
    db.run("commit")


def test_statistics_are_pruned_with_the_history_that_they_are_of(db):
    db.run(
        "insert into hanjul.job_minute values (now() - interval '31 days', 'q', 'k', 'failed', 1), (now(), 'q', 'k', 'failed', 1)"
    )

    db.run("select hanjul.prune('30 days')")

    assert db.one("select count(*) from hanjul.job_minute where minute > now() - interval '1 minute'") == 1
    assert db.one("select count(*) from hanjul.job_minute") == 1


def test_a_day_is_not_dropped_while_that_would_make_workers_wait(db, connect, job):
    reader = connect()
    db.run("select hanjul._make_day('2020-02-29')")
    reader.run("begin")
    reader.run("select * from hanjul.job_history")

    assert db.one("select hanjul.prune('30 days')") == 0

    reader.run("commit")
    assert db.one("select hanjul.prune('30 days')") == 1


def test_a_call_drops_one_day_the_oldest(db):
    db.run("select hanjul._make_day('2020-02-29'), hanjul._make_day('2020-02-27'), hanjul._make_day('2020-02-28')")
    left = """select right(inhrelid::regclass::text, 4) from pg_inherits
        where inhparent = 'hanjul.job_history'::regclass and inhrelid::regclass::text ~ '_2020' order by 1"""

    assert db.one("select hanjul.prune()") == 1

    assert db.column(left) == ["0228", "0229"]
    assert db.column("select hanjul.prune() from generate_series(1, 3)") == [1, 1, 0]


def test_a_day_that_cannot_be_dropped_now_keeps_nothing_else_from_being_forgotten(db, connect, job):
    reader = connect()
    db.run("select hanjul.complete_job(%s, 1)", job)
    db.run("update hanjul.job_history set completed_at = now() - interval '31 days'")
    db.run("select hanjul._make_day('2020-02-29')")
    reader.run("begin")
    reader.run("select * from hanjul.job_history_20200229")

    assert db.one("select hanjul.prune('30 days')") == 0

    assert db.one("select count(*) from hanjul.job_history") == 0
    assert db.rows("select * from hanjul.job_counts()") == []


def test_a_day_is_not_counted_while_one_of_its_jobs_is_retried(db, connect, job):
    other = connect()
    db.run("select hanjul.complete_job(%s, 1)", job)
    db.run("update hanjul.job_history set status = 'failed', completed_at = '2020-02-29', id = %s", f"{0:032x}")
    db.run("delete from hanjul.job_flow")
    db.run("insert into hanjul.job_flow values (now(), 'default', 'mail', null, 'failed', 1)")
    db.run("select hanjul._make_day('2020-02-29')")
    other.run("begin")
    other.run("select hanjul.retry_job(id) from hanjul.job_history")

    assert db.one("select hanjul.prune('30 days')") == 0

    other.run("commit")
    assert db.one("select hanjul.prune('30 days')") == 1
    assert db.rows("select * from hanjul.job_counts()") == [("default", "mail", "pending", 1)]


def test_jobs_end_while_the_keys_of_a_day_are_forgotten(db, connect, job):
    db.run("select hanjul.keep_days()")
    db.run("insert into hanjul.job_unique select 'key', gen_random_uuid(), now() - interval '31 days'")
    db.run("begin")
    db.run("select hanjul.prune_unique_keys()")

    other = connect()
    other.run("set lock_timeout = '5s'")
    other.run("select hanjul.complete_job(%s, 1)", job)

    db.run("commit")


def test_unique_keys_are_forgotten_in_batches_oldest_first_unless_their_job_is_there(db, connect):
    other = connect()
    db.run("select hanjul.enqueue_job('k', unique_key => 'waits'), hanjul.enqueue_job('k', unique_key => 'young')")
    db.run("select hanjul.enqueue_job('k', queue => 'ended', unique_key => 'ended')")
    db.run("select hanjul.cancel_job(id) from hanjul.job where queue = 'ended'")
    db.run(
        """insert into hanjul.job_unique
           select n::text, gen_random_uuid(), now() - n * interval '1 day' from generate_series(31, 35) n"""
    )
    db.run("update hanjul.job_unique set created_at = '2020-02-29' where unique_key in ('waits', 'ended')")
    keys = "select unique_key from hanjul.job_unique order by 1"

    assert db.one("select hanjul.prune_unique_keys('30 days', 2)") == 2
    assert db.column(keys) == ["31", "32", "33", "ended", "waits", "young"]

    other.run("begin")
    other.run("select from hanjul.job_unique where unique_key = '33' for update")
    assert db.one("select hanjul.prune_unique_keys('30 days', 9)") == 2
    other.run("commit")
    assert db.column(keys) == ["33", "ended", "waits", "young"]
    for arguments in ("'-1 day'", "null", "'1 day', 0", "'1 day', null"):
        with pytest.raises(psycopg.errors.InvalidParameterValue, match=r"older_than must not be|qty must be more than 0"):
            db.run(f"select hanjul.prune_unique_keys({arguments})")


def test_counts_follow_every_change_and_are_the_same_when_rolled_up(db):
    db.run(
        """select hanjul.enqueue_jobs('[
            {"kind": "a"}, {"kind": "a"}, {"kind": "a"}, {"kind": "b"}, {"kind": "b", "queue": "q"}]')"""
    )
    [(one, _), (two, _), (three, _)] = db.rows("select id::text, attempt from hanjul.fetch_next_jobs('w1', '{default}', 3)")
    db.run(
        "select hanjul.complete_job(%s, 1), hanjul.fail_job(%s, 1, 'x', final => true), hanjul.fail_job(%s, 1, 'x')",
        one,
        two,
        three,
    )
    db.run("select hanjul.retry_job(%s)", two)
    db.run("select hanjul.cancel_job(%s)", two)
    counted = "select queue, kind, status, n from hanjul.job_counts()"
    truth = "select queue, kind, status, count(*) from hanjul.job_queue group by 1, 2, 3 order by 1, 2, 3"

    assert db.rows(counted) == db.rows(truth)
    db.run("select hanjul.roll_up()")
    assert db.rows(counted) == db.rows(truth)
    assert db.one("select count(*) from hanjul.job_flow") == 0
    assert dict(db.rows("select status, sum(n)::int from hanjul.job_minute where kind = 'a' group by 1")) == {
        "pending": 5,
        "processing": 3,
        "completed": 1,
        "failed": 1,
        "cancelled": 1,
    }


def test_two_that_roll_up_at_once_count_nothing_twice(db, connect):
    other = connect()
    db.run("select hanjul.enqueue_job('a')")
    db.run("begin")
    db.run("select hanjul.roll_up()")

    other.run("select hanjul.roll_up()")
    db.run("commit")

    assert db.rows("select status, n from hanjul.job_counts()") == [("pending", 1)]


# Looking


def test_a_job_is_found_by_its_id_wherever_it_is(db, job):
    assert db.column("select status from hanjul.find_job(%s)", job) == ["processing"]

    db.run("select hanjul.complete_job(%s, 1)", job)

    assert db.column("select status from hanjul.find_job(%s)", job) == ["completed"]
    assert db.rows("select * from hanjul.find_job('01900000-0000-7000-8000-000000000000')") == []


def test_jobs_are_listed_newest_first_page_by_page(db):
    ids = db.column(
        "select hanjul.enqueue_jobs((select jsonb_agg(jsonb_build_object('kind', n % 2)) from generate_series(1, 5) n))"
    )
    page = "select id from hanjul.list_jobs('pending', qty => 2, before => %s)"

    assert db.column(page, None) == ids[:2:-1]
    assert db.column(page, ids[3]) == [ids[2], ids[1]]
    assert db.column("select id from hanjul.list_jobs('pending', kind => '1', queue => 'default')") == ids[::-2]


def test_a_queue_says_when_it_is_worth_to_look_again(db):
    ready = "select queue, due_in_s from hanjul.ready_jobs('{default,none,paused}')"
    assert db.rows(ready) == []
    db.run(
        "select hanjul.enqueue_job('a', delay_s => 600), hanjul.enqueue_job('b', queue => 'paused'), hanjul.pause_queue('paused')"
    )
    assert db.rows(ready) == [("default", pytest.approx(600, abs=10))]

    db.run("select hanjul.enqueue_job('urgent', priority => 7)")
    [[_, due_in_s]] = db.rows(ready)
    assert due_in_s <= 0

    db.run("select * from hanjul.fetch_next_job('w1', lease_s => 60)")
    assert db.rows(ready) == [("default", pytest.approx(60, abs=10))]


def test_a_poll_is_not_woken_by_jobs_that_nobody_is_given_any_more(db, job):
    db.run("update hanjul.job set retry_count = max_retries")
    lapse(db)

    assert db.rows(FETCH) == []
    assert db.rows("select * from hanjul.ready_jobs('{default}')") == []


def test_a_job_that_somebody_keeps_locked_costs_no_other_its_lease(db, connect):
    other = connect()
    db.run('select hanjul.enqueue_jobs(\'[{"kind": "a"}, {"kind": "b"}]\')')
    a, b = db.column("select id::text from hanjul.fetch_next_jobs('w1', '{default}', 2)")
    other.run("begin")
    other.run("select hanjul.cancel_job(%s)", a)

    refused = db.rows("select id::text, held_by, status, cancel from hanjul.heartbeats(%s::uuid[], '{1,1}', 600)", [a, b])

    assert refused == [(a, 1, "locked", False)]
    assert db.column("select leased_until > clock_timestamp() + interval '590 seconds' from hanjul.job where id = %s", b)
    other.run("commit")


def test_what_is_due_behind_a_thousand_running_jobs_is_told(db):
    db.run("select hanjul.enqueue_jobs((select jsonb_agg(jsonb_build_object('kind', 'k')) from generate_series(1, 1001)))")
    db.run("select * from hanjul.fetch_next_jobs('w1', '{default}', 1000)")

    [[_, due_in_s]] = db.rows("select * from hanjul.ready_jobs('{default}')")

    assert due_in_s <= 0


def test_lanes_that_are_empty_are_forgotten(db):
    db.run("""select hanjul.enqueue_jobs((
        select jsonb_agg(jsonb_build_object('kind', 'k', 'priority', n)) from generate_series(1, 50) n))""")
    db.run("""with mine as (select array_agg(id) ids, array_agg(attempt) attempts
                            from hanjul.fetch_next_jobs('w1', '{default}', 100))
              select hanjul.complete_jobs(ids, attempts) from mine""")

    db.rows(FETCH)

    assert db.one("select current_setting('hanjul.lanes_' || to_hex(hashtext('default')))::jsonb -> 'lanes'") == {}


def test_a_fetch_that_walks_and_sweeps_gives_all_that_was_asked_for(db):
    db.run("select hanjul.enqueue_job('first')")
    db.rows(FETCH)
    db.run('select hanjul.enqueue_jobs(\'[{"kind": "a"}, {"kind": "b"}]\')')
    db.run("select hanjul.enqueue_job('past', run_at => '2001-01-01'), hanjul.enqueue_job('past', run_at => '2001-01-01')")

    assert len(db.rows("select * from hanjul.fetch_next_jobs('w1', '{default}', 4)")) == 4


def test_a_job_that_ends_as_it_is_enqueued_is_found(db):
    for _ in range(100):
        job = db.one("select hanjul.enqueue_job('k')")
        db.run("select hanjul.cancel_job(%s)", job)
        assert db.column("select status from hanjul.find_job(%s)", job) == ["cancelled"]


def test_a_job_whose_unique_key_another_holds_by_now_cannot_be_retried(db):
    first = db.one(UNIQUE, "1")
    db.run("select hanjul.cancel_job(%s)", first)
    second = db.one(UNIQUE, "2")

    with pytest.raises(
        psycopg.errors.ObjectNotInPrerequisiteState, match=f"cannot be retried: job {second} holds its unique key"
    ):
        db.run("select hanjul.retry_job(%s)", first)

    db.run("select hanjul.cancel_job(%s)", second)
    db.run("select hanjul.retry_job(%s)", first)
    assert db.one(UNIQUE, "3") == first


def test_who_knows_a_jobs_id_but_not_its_unique_key_replaces_nothing(db):
    victim = db.one("select hanjul.enqueue_job('mail', '1', unique_key => 'theirs')")
    plain = db.one("select hanjul.enqueue_job('mail', '1')")

    for job in (victim, plain):
        db.run("insert into hanjul.job_unique values (%s, %s, now())", f"mine {job}", job)
        db.run("select hanjul._replace_job(%s, '2', now(), 0, 0, null, null, null)", f"mine {job}")

    assert db.column("select payload from hanjul.job") == [1, 1]
