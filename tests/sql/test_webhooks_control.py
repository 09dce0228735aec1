"""Webhooks that are paused, disabled, tested, rotated and dropped, and how they fare, in SQL alone."""

import json

import pytest

URL = "https://receiver.example/hook"
CLAIM = "select id, claims, convert_from(body, 'UTF8')::json #>> '{record,n}' from net.claim_requests(100, 60)"
STANDS = "select state, state_why, pending, failures, failing_since is not null from hanjul.list_webhooks()"


@pytest.fixture
def hook(db):
    """A session on a database with a table of numbers and a webhook on it, `numbers_insert`, whose events are in order."""
    db.run("create table numbers (n integer primary key, line text default 'a')")
    db.run(f"select hanjul.create_webhook('numbers', '{{insert}}', '{URL}', ordering => '{{line}}')")
    return db


def insert(db, *numbers, line="a"):
    for number in numbers:
        db.run("insert into numbers values (%s, %s)", number, line)


def answer(db, claimed, how="success", status_code=200, **more):
    answers = [{"id": id_, "claim": claim, "how": how, "status_code": status_code, **more} for id_, claim, _ in claimed]
    assert db.rows("select * from net.settle_requests(%s::json)", json.dumps(answers)) == []


def sent(db):
    """Send all there is, one after another; the numbers."""
    numbers = []
    while claimed := db.rows(CLAIM):
        numbers += [int(number) for _, _, number in claimed]
        answer(db, claimed)
    return numbers


def fail(db, times, status_code=500):
    """Let so many attempts fail, of requests in lines of their own."""
    for number in range(1000, 1000 + times):
        insert(db, number, line=str(number))
    answer(db, db.rows(CLAIM), "retry", status_code, delay_s=3600, error=f"HTTP status {status_code}")


# Pausing


def test_the_events_of_a_paused_webhook_are_kept_and_wait_and_are_sent_in_order(hook):
    insert(hook, 1, 2)
    hook.run("select hanjul.pause_webhook('numbers_insert', 'their maintenance')")
    insert(hook, 3)

    assert sent(hook) == []
    assert hook.rows(STANDS) == [("paused", "their maintenance", 3, 0, False)]
    hook.run("select hanjul.resume_webhook('numbers_insert')")

    assert sent(hook) == [1, 2, 3]
    assert hook.rows(STANDS) == [("active", None, 0, 0, False)]


def test_a_paused_webhook_costs_an_idle_sender_nothing(hook):
    hook.run("select hanjul.pause_webhook('numbers_insert')")
    insert(hook, 1, 2, 3)

    assert sent(hook) == []

    assert hook.rows("select * from net.ready_requests('{x}')") == []


def test_the_webhooks_beside_it_go_on(hook):
    hook.run(f"select hanjul.create_webhook('numbers', '{{insert}}', '{URL}', name => 'other')")
    hook.run("select hanjul.pause_webhook('other')")
    hook.run("select net.http_get('http://127.0.0.1/')")

    insert(hook, 1)

    claimed = hook.rows("select webhook from net.claim_requests(100, 60)")
    assert sorted(claimed, key=str) == [("numbers_insert",), (None,)]


def test_what_is_on_its_way_arrives_and_what_then_waits_for_another_attempt_waits_on(hook):
    insert(hook, 1, 2)
    insert(hook, 3, line="b")
    claimed = hook.rows(CLAIM)
    hook.run("select hanjul.pause_webhook('numbers_insert')")

    answer(hook, claimed[:1], "retry", 503, delay_s=0, error="HTTP status 503")
    answer(hook, claimed[1:])

    assert sent(hook) == []
    hook.run("select hanjul.resume_webhook('numbers_insert')")
    assert sent(hook) == [1, 2]


def test_waiting_does_not_count_towards_the_age_at_which_a_request_is_given_up(hook):
    hook.run(
        f"""select hanjul.create_webhook('numbers', '{{insert}}', '{URL}', name => 'short', retry => '{{"max_age_s": 60}}')"""
    )
    hook.run("select hanjul.pause_webhook('short'), hanjul.pause_webhook('numbers_insert')")
    insert(hook, 1)
    hook.rows(CLAIM)
    hook.run(
        """update net.http_request_queue set created = created - interval '1 hour', give_up_at = give_up_at - interval '1 hour'"""
    )
    hook.run("alter table hanjul.webhook disable trigger completed")
    hook.run("update hanjul.webhook set state_since = state_since - interval '1 hour'")
    hook.run("alter table hanjul.webhook enable trigger completed")

    assert hook.rows(CLAIM) == []
    hook.run("select hanjul.resume_webhook('short')")

    assert len(hook.rows(CLAIM)) == 1


def test_a_resume_that_meets_a_claim_misses_nothing(hook, connect, blocked):
    claiming, resuming = connect(), connect()
    hook.run("select hanjul.pause_webhook('numbers_insert')")
    insert(hook, 1)

    claiming.run("begin")
    assert claiming.rows(CLAIM) == []
    resumed = resuming.later("select hanjul.resume_webhook('numbers_insert')")
    blocked(resuming)
    claiming.run("commit")
    resumed.result(20)

    assert sent(hook) == [1]


def test_a_claim_that_meets_a_resume_puts_off_for_a_second_what_it_cannot_know(hook, connect):
    claiming, resuming = connect(), connect()
    hook.run("select hanjul.pause_webhook('numbers_insert')")
    insert(hook, 1)

    resuming.run("begin")
    resuming.run("select hanjul.resume_webhook('numbers_insert')")
    assert claiming.rows(CLAIM) == []
    resuming.run("commit")

    [[due_in_s]] = hook.rows("select due_in_s from net.ready_requests('{x}')")
    assert due_in_s <= 1
    hook.run("update net.http_request_queue set next_attempt_at = clock_timestamp()")
    assert sent(hook) == [1]


def test_an_event_that_commits_while_its_webhook_is_resumed_is_sent(hook, connect):
    hook.run("select hanjul.pause_webhook('numbers_insert')")
    writing = connect()
    writing.run("begin")
    insert(writing, 1)

    hook.run("select hanjul.resume_webhook('numbers_insert')")
    writing.run("commit")

    assert sent(hook) == [1]


# How it fares


def test_a_webhook_is_failing_from_a_failure_to_the_next_success(hook):
    fail(hook, 2, 503)

    assert hook.rows(STANDS) == [("active", None, 2, 2, True)]
    assert hook.rows("select last_status_code, last_error, last_success_at from hanjul.list_webhooks()") == [
        (503, "HTTP status 503", None)
    ]
    insert(hook, 1)
    assert sent(hook) == [1]
    assert hook.rows(STANDS) == [("active", None, 2, 0, False)]


def test_successes_write_once_a_minute(hook):
    insert(hook, 1, 2, 3)
    before = hook.one("select xmin::text from hanjul.webhook")
    written = []

    for _ in range(3):
        answer(hook, hook.rows(CLAIM))
        written.append(hook.one("select xmin::text from hanjul.webhook"))

    assert before != written[0] == written[1] == written[2]
    hook.run("update hanjul.webhook set last_success_at = last_success_at - interval '1 minute'")
    insert(hook, 4)
    sent(hook)
    assert hook.one("select last_success_at > now() - interval '30 seconds' from hanjul.webhook")


def test_a_sender_does_not_wait_for_who_has_the_webhooks_row(hook, connect):
    other = connect()
    insert(hook, 1)
    claimed = hook.rows(CLAIM)
    other.run("begin")
    other.run("select hanjul.pause_webhook('numbers_insert')")

    answer(hook, claimed)

    other.run("commit")
    assert hook.one("select status from net.http_request_queue") == "SUCCESS"


def test_a_webhook_that_only_fails_is_disabled_and_says_so(hook, connect):
    listening = connect()
    listening.run("listen hanjul_webhook")
    fail(hook, 9)
    hook.run("update hanjul.webhook set failing_since = failing_since - interval '5 days'")

    fail_again = "select hanjul._webhooks_ended('{numbers_insert}', '{f}', '{500}', '{HTTP status 500}')"
    hook.run(fail_again)

    [(state, why, _, failures, _)] = hook.rows(STANDS)
    assert (state, failures) == ("disabled", 10)
    assert why.startswith("nothing but failures since 20")
    assert why.endswith("(10 attempts); last: HTTP status 500")
    assert hook.rows("select what, why from hanjul.webhook_events('numbers_insert')") == [("disabled", why), ("created", None)]
    [told] = listening.connection.notifies(timeout=5, stop_after=1)
    assert json.loads(told.payload) == {"webhook": "numbers_insert", "what": "disabled", "why": why}


@pytest.mark.parametrize(("failures", "days"), [(8, 6), (30, 4.9)], ids=["few attempts", "not for long"])
def test_a_webhook_is_not_disabled_too_early(hook, failures, days):
    fail(hook, failures)
    hook.run("update hanjul.webhook set failing_since = failing_since - make_interval(secs => 86400 * %s)", days)

    hook.run("select hanjul._webhooks_ended('{numbers_insert}', '{f}', '{500}', '{no}')")

    assert hook.one("select state from hanjul.list_webhooks()") == "active"


def test_one_success_among_failures_keeps_it(hook):
    fail(hook, 20)
    hook.run("update hanjul.webhook set failing_since = failing_since - interval '6 days'")

    names = ["numbers_insert"] * 3
    hook.run("select hanjul._webhooks_ended(%s, '{f,t,f}', '{500,200,500}', '{no,null,no}')", names)

    assert hook.rows("select state, failures from hanjul.list_webhooks()") == [("active", 0)]


def test_the_endpoint_may_say_that_it_is_gone(hook):
    insert(hook, 1, 2)

    answer(hook, hook.rows(CLAIM), "error", 410, error="HTTP status 410")

    assert hook.rows("select state, state_why from hanjul.list_webhooks()") == [
        ("disabled", "the endpoint says that it is gone for good: HTTP status 410")
    ]
    assert sent(hook) == []
    hook.run("select hanjul.pause_webhook('numbers_insert')")
    assert hook.one("select state from hanjul.list_webhooks()") == "disabled"


def test_what_waits_is_sent_when_a_disabled_webhook_is_resumed_and_its_failures_are_forgotten(hook):
    fail(hook, 12)
    hook.run("update hanjul.webhook set failing_since = failing_since - interval '6 days'")
    insert(hook, 1)
    answer(hook, hook.rows(CLAIM), "retry", 500, delay_s=0, error="HTTP status 500")
    assert hook.one("select state from hanjul.list_webhooks()") == "disabled"
    insert(hook, 2)
    assert sent(hook) == []

    hook.run("select hanjul.resume_webhook('numbers_insert')")

    assert hook.rows(STANDS) == [("active", None, 14, 0, False)]
    assert sent(hook) == [1, 2]


def test_what_people_cancel_is_no_failure_of_the_endpoint(hook):
    insert(hook, 1)

    hook.run("select net.cancel(id) from net.http_request_queue")

    assert hook.rows(STANDS) == [("active", None, 0, 0, False)]


# Tests, secrets, the end


def test_a_test_is_sent_whatever_the_state_and_signed(hook):
    hook.run("select hanjul.pause_webhook('numbers_insert')")

    request_id = hook.one("select hanjul.test_webhook('numbers_insert')")

    [claimed] = hook.rows("select id, url, sign_with, max_attempts from net.claim_requests(9, 60)")
    assert claimed == (request_id, URL, hook.one("select secret from hanjul.list_webhooks()"), 1)
    body = hook.one("select convert_from(body, 'UTF8')::jsonb from net.http_request_queue")
    assert body == {"type": "TEST", "table": "numbers", "schema": "public", "record": None, "old_record": None}


def test_a_rotated_secret_signs_beside_the_former_one(hook):
    before = hook.one("select value from net.secret")

    after = hook.one("select hanjul.rotate_webhook_secret('numbers_insert', '1 hour')")

    assert hook.rows("select value, former from net.secret") == [(after, before)]
    assert hook.one("select former_until - now() between '59 minutes' and '1 hour' from net.secret")
    assert hook.column("select what from hanjul.webhook_events()") == ["secret rotated", "created"]
    assert hook.one("select asked is null from hanjul.webhook")


def test_a_secret_that_is_not_its_own_is_not_rotated(hook, refused):
    hook.run("select net.set_secret('shared', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', array['receiver.example'])")
    hook.run(f"select hanjul.create_webhook('numbers', '{{insert}}', '{URL}', name => 'other', secret => 'shared')")

    with refused("55000", "webhook 'other' signs with secret 'shared', which is not its own"):
        hook.run("select hanjul.rotate_webhook_secret('other')")


def test_a_dropped_webhook_takes_its_triggers_its_secret_and_what_was_not_sent(hook):
    insert(hook, 1, 2)
    on_its_way = hook.rows(CLAIM)

    hook.run("select hanjul.drop_webhook('numbers_insert')")

    insert(hook, 3)
    ended = hook.rows("select status, error_msg from net.http_request_queue")
    assert ended == [("ERROR", "webhook 'numbers_insert' was dropped")] * 2
    assert hook.rows("select from net.secret union all select from pg_trigger where tgrelid = 'numbers'::regclass") == []
    [(id_, claim, _)] = on_its_way
    too_late = json.dumps([{"id": id_, "claim": claim, "how": "success", "status_code": 200}])
    assert hook.rows("select * from net.settle_requests(%s::json)", too_late) == [(id_, claim, None)]
    assert hook.column("select what from hanjul.webhook_events('numbers_insert')") == ["dropped", "created"]


def test_another_webhook_of_a_name_that_was_dropped_starts_anew(hook):
    hook.run("select hanjul.drop_webhook('numbers_insert')")
    hook.run(f"select hanjul.create_webhook('numbers', '{{insert}}', '{URL}')")

    insert(hook, 1)

    assert hook.rows(STANDS) == [("active", None, 1, 0, False)]


@pytest.mark.parametrize("call", ["drop_webhook", "pause_webhook", "resume_webhook", "test_webhook", "rotate_webhook_secret"])
def test_a_webhook_that_is_not_there_is_named(hook, refused, call):
    with refused("P0002", "webhook 'none' does not exist"):
        hook.run(f"select hanjul.{call}('none')")
    with refused("P0002", "webhook NULL does not exist"):
        hook.run(f"select hanjul.{call}(null)")
