"""Requests as senders see them: claimed, settled, given back, ended; nothing is sent here."""

import json

import psycopg
import pytest


@pytest.fixture
def ask(db):
    """Put a request in line, as a row; gives its id."""

    def ask(**columns):
        columns = {"method": "GET", "url": "http://127.0.0.1/", "timeout_milliseconds": 5000} | columns
        names = ", ".join(columns)
        values = ", ".join(["%s"] * len(columns))
        return db.one(f"insert into net.http_request_queue ({names}) values ({values}) returning id", *columns.values())

    return ask


def claim(session, qty=10, lease_s=30):
    return session.rows("select id, claims from net.claim_requests(%s, %s)", qty, lease_s)


def ids(session, qty=10, lease_s=30):
    return [row[0] for row in claim(session, qty, lease_s)]


def settle(session, *answers):
    return session.rows("select id, claim, held_by from net.settle_requests(%s)", json.dumps(answers))


def end(session, claimed, how="success", **answer):
    request_id, fence = claimed
    return settle(session, {"id": request_id, "claim": fence, "how": how, "status_code": 200, **answer})


def request(session, request_id, columns="status::text, status_code, error_msg, attempts"):
    [row] = session.rows(f"select {columns} from net.http_request_queue where id = %s", request_id)
    return row


def forget_walk(session):
    """What a new connection knows."""
    session.run("select set_config('hanjul.net_walk', '', false)")


def expire_leases(session):
    session.run(
        "update net.http_request_queue set locked_until = clock_timestamp() - interval '1 second' where locked_until is not null"
    )


# handing out


def test_requests_are_handed_out_in_the_order_in_which_they_are_due(db, ask):
    third = ask(next_attempt_at="2020-01-03")
    first = ask(next_attempt_at="2020-01-01")
    second = ask(next_attempt_at="2020-01-02")

    assert ids(db, 2) == [first, second]
    assert ids(db) == [third]
    assert ids(db) == []


def test_one_that_is_not_due_yet_is_not_handed_out(db, ask):
    ask(next_attempt_at="9999-12-31")

    assert ids(db) == []


def test_nothing_is_handed_out_before_its_transaction_commits(db, connect, ask):
    other = connect()
    other.run("begin")
    request_id = other.one(
        "insert into net.http_request_queue (method, url, timeout_milliseconds) values ('GET', 'http://x/', 1) returning id"
    )
    assert ids(db) == []

    other.run("commit")

    assert ids(db) == [request_id]


def test_one_that_commits_late_is_found_by_who_got_further_already(db, connect, ask):
    other = connect()
    other.run("begin")
    late = other.one(
        "insert into net.http_request_queue (method, url, timeout_milliseconds, next_attempt_at)"
        " values ('GET', 'http://x/', 1, clock_timestamp() - interval '1 hour') returning id"
    )
    early = ask()
    assert ids(db) == [early]
    other.run("commit")

    a_second_later = "(current_setting('hanjul.net_walk')::jsonb || '{\"sweep_at\": \"2020-01-01\"}')::text"
    db.run(f"select set_config('hanjul.net_walk', {a_second_later}, false)")

    assert ids(db) == [late]


def test_two_senders_do_not_wait_for_one_another(db, connect, ask):
    other = connect()
    first, second = ask(), ask()
    db.run("begin")
    assert ids(db, 1) == [first]

    assert ids(other) == [second]

    db.run("commit")
    assert ids(other) == []


def test_one_whose_sender_let_the_lease_end_is_handed_out_again_with_another_fence(db, ask):
    request_id = ask()
    [(_, first)] = claim(db)
    expire_leases(db)
    forget_walk(db)

    assert claim(db) == [(request_id, first + 1)]


def test_one_that_no_sender_survives_ends_as_an_error(db, ask):
    request_id = ask()
    for _ in range(10):
        assert ids(db) == [request_id]
        expire_leases(db)
        forget_walk(db)

    assert ids(db) == []
    assert request(db, request_id, "status::text, error_msg") == ("ERROR", "given up: 10 senders died while they had it")
    assert db.rows("select error_msg, timed_out from net._http_response where id = %s", request_id) == [
        ("given up: 10 senders died while they had it", False)
    ]


def test_one_that_has_become_too_old_ends_as_an_error(db, ask):
    request_id = ask(give_up_at="2020-01-01", error_msg="Couldn't connect to server", max_attempts=3)

    assert ids(db) == []

    status, error = request(db, request_id, "status::text, error_msg")
    assert (status, error) == (
        "ERROR",
        "given up: it was to be sent until 2020-01-01T00:00:00Z; last: Couldn't connect to server",
    )


@pytest.mark.parametrize(("qty", "lease_s"), [(-1, 30), (100_001, 30), (None, 30), (1, 0), (1, 86401), (1, "nan"), (1, None)])
def test_impossible_claims_are_refused(db, qty, lease_s):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="must be"):
        db.rows("select * from net.claim_requests(%s, %s)", qty, lease_s)


def test_senders_ask_in_how_many_seconds_there_is_something_to_do(db, ask):
    ready = "select line, round(due_in_s::numeric) from net.ready_requests(array['http'])"
    assert db.rows(ready) == []

    ask(next_attempt_at="infinity")
    assert db.rows(ready) == []

    in_a_minute = db.one("select (now() + interval '60 s')::text")
    ask(next_attempt_at=in_a_minute)
    assert db.rows(ready) == [("http", 60)]

    request_id = ask()
    assert db.rows(ready) == [("http", 0)]

    assert ids(db, lease_s=20) == [request_id]
    assert db.rows(ready) == [("http", 20)]


# order


def test_of_an_ordering_key_one_at_a_time_is_handed_out(db, ask):
    first, second, third = (ask(ordering_key="a") for _ in range(3))
    other = ask(ordering_key="b")

    [a, b] = claim(db)
    assert [a[0], b[0]] == [first, other]
    assert ids(db) == []

    end(db, a)

    [a] = claim(db)
    assert a[0] == second
    end(db, a, how="error", error="no")
    assert ids(db) == [third]


def test_those_behind_wait_while_the_first_is_tried_again(db, ask):
    first, second = ask(ordering_key="a", max_attempts=2), ask(ordering_key="a")
    [claimed] = claim(db)
    end(db, claimed, how="retry", delay_s=3600, error="no")
    assert ids(db) == []

    db.run("update net.http_request_queue set next_attempt_at = now() where id = %s", first)
    [claimed] = claim(db)
    assert claimed[0] == first
    end(db, claimed)

    assert ids(db) == [second]


def test_one_that_was_behind_and_is_not_to_be_sent_yet_is_not_hurried(db, ask):
    ask(ordering_key="a")
    ask(ordering_key="a", next_attempt_at="9999-01-01")
    [claimed] = claim(db)

    end(db, claimed)

    assert ids(db) == []


def test_a_long_line_is_put_off_and_moves_up_one_by_one(db, ask):
    line = [ask(ordering_key="a") for _ in range(30)]
    loose = ask()

    seen = []
    while claimed := claim(db, 4):
        seen += [request_id for request_id, _ in claimed]
        for one in claimed:
            end(db, one)

    assert [request_id for request_id in seen if request_id != loose] == line
    assert loose in seen


def test_one_that_stands_in_line_is_not_forgotten_when_the_first_ends_at_the_same_moment(db, connect, ask):
    first, second = ask(ordering_key="a"), None
    [claimed] = claim(db)
    other = connect()
    second = ask(ordering_key="a")
    db.run("begin")
    end(db, claimed)

    assert ids(other) == []
    db.run("commit")

    assert request(db, second, "in_line, next_attempt_at <= clock_timestamp()") == (False, True)
    assert ids(other) == [second]
    assert first < second


def test_a_cancelled_one_lets_the_next_go(db, ask):
    first, second = ask(ordering_key="a"), ask(ordering_key="a")
    assert ids(db) == [first]

    db.run("select net.cancel(%s)", first)

    assert ids(db) == [second]


# settling


def test_an_answer_ends_the_request_and_is_kept(db, ask):
    request_id = ask()
    [claimed] = claim(db)

    end(db, claimed, status_code=404, content_type="text/plain", headers={"A": "b"}, content="ach", duration_ms=12.5, dns_ms=1,
        connect_ms=2, first_byte_ms=3, remote_address="127.0.0.1", response_bytes=3)  # fmt: skip

    assert request(db, request_id) == ("SUCCESS", 404, None, 1)
    assert request(db, request_id, "finished is not null, locked_until") == (True, None)
    answer = "status_code, content_type, headers, content, timed_out, error_msg, body, truncated"
    assert db.rows(f"select {answer} from net._http_response where id = %s", request_id) == [
        (404, "text/plain", {"A": "b"}, "ach", False, None, None, False)
    ]
    attempt = (
        "select claim, attempt, duration_ms, dns_ms, connect_ms, first_byte_ms, status_code, response_bytes, error_msg, retry_at"
    )
    assert db.rows(f"{attempt} from net.http_attempt where request_id = %s", request_id) == [
        (1, 1, 12.5, 1.0, 2.0, 3.0, 404, 3, None, None)
    ]


def test_a_failure_without_an_answer_is_an_error(db, ask):
    request_id = ask()
    [claimed] = claim(db)

    end(db, claimed, how="error", status_code=None, error="Couldn't connect to server")

    assert request(db, request_id) == ("ERROR", None, "Couldn't connect to server", 1)
    answer = "select status_code, headers, content, timed_out, error_msg from net._http_response where id = %s"
    assert db.rows(answer, request_id) == [(None, None, None, False, "Couldn't connect to server")]


def test_bytes_that_are_no_text_are_kept_as_they_are(db, ask):
    request_id = ask()
    [claimed] = claim(db)

    end(db, claimed, content="\ufffd", body="/wA=", truncated=True, error="longer than 2 bytes")

    answer = "select content, body, truncated, error_msg from net._http_response where id = %s"
    assert db.rows(answer, request_id) == [("\ufffd", b"\xff\x00", True, "longer than 2 bytes")]


def test_a_retry_is_due_after_its_delay_and_told_of_by_the_request(db, ask):
    request_id = ask(max_attempts=2)
    [claimed] = claim(db)

    end(db, claimed, how="retry", delay_s=60, status_code=503, error="HTTP 503")

    assert request(db, request_id) == ("PENDING", 503, "HTTP 503", 1)
    assert request(db, request_id, "round(extract(epoch from next_attempt_at - clock_timestamp())), locked_until") == (60, None)
    assert db.rows("select from net._http_response") == []
    assert db.one("select retry_at > clock_timestamp() from net.http_attempt where request_id = %s", request_id)


def test_a_retry_that_would_come_too_late_ends_it(db, ask):
    request_id = ask(max_attempts=9, give_up_at="2999-01-01")
    [claimed] = claim(db)

    end(db, claimed, how="retry", delay_s=2_000_000_000 * 20, status_code=503, error="HTTP 503")

    assert request(db, request_id) == ("ERROR", 503, "given up, the next attempt would be too late; last: HTTP 503", 1)


def test_one_that_is_given_back_is_charged_no_attempt(db, ask):
    request_id = ask()
    [claimed] = claim(db)

    end(db, claimed, how="release", delay_s=0, status_code=None, error="waiting: host x is failing")

    assert request(db, request_id) == ("PENDING", None, "waiting: host x is failing", 0)
    assert db.rows("select from net.http_attempt") == []
    for _ in range(7):
        [claimed] = claim(db)
        end(db, claimed, how="release", delay_s=0, status_code=None)
    assert ids(db) == [request_id]


def test_whoever_has_lost_the_lease_settles_nothing(db, ask):
    request_id = ask()
    [old] = claim(db)
    expire_leases(db)
    forget_walk(db)
    [new] = claim(db)

    assert end(db, old, how="error", error="late") == [(request_id, 1, 2)]
    assert request(db, request_id, "status::text, attempts") == ("PENDING", 0)

    assert end(db, new) == []
    assert end(db, new) == [(request_id, 2, None)]
    assert db.one("select count(*) from net._http_response") == 1


def test_of_many_answers_only_the_late_ones_are_refused(db, ask):
    for _ in range(5):
        ask()
    claimed = claim(db)
    db.run("select net.cancel(%s)", claimed[2][0])

    refused = settle(db, *[{"id": i, "claim": c, "how": "success", "status_code": 200} for i, c in claimed])

    assert refused == [(*claimed[2], None)]
    assert db.one("select count(*) from net.http_request_queue where status = 'SUCCESS'") == 4


def test_leases_are_extended_for_those_who_have_them(db, ask):
    kept, lost, ended = ask(), ask(), ask()
    claims = dict(claim(db, lease_s=5))
    db.run("update net.http_request_queue set claims = 7 where id = %s", lost)
    end(db, (ended, claims[ended]))

    refused = db.rows("select id, claim, held_by from net.extend_requests(%s, %s, 100)", list(claims), list(claims.values()))

    assert refused == [(lost, 1, 7), (ended, 1, None)]
    assert request(db, kept, "locked_until > clock_timestamp() + interval '90 s'") == (True,)


# people


def test_a_cancelled_request_ends_and_its_sender_is_told(db, ask):
    request_id = ask()
    [claimed] = claim(db)

    db.run("select net.cancel(%s)", request_id)

    status, error = request(db, request_id, "status::text, error_msg")
    assert status == "ERROR"
    assert error.startswith("cancelled by ")
    assert db.rows("select id, claim, held_by from net.extend_requests(%s, %s, 5)", [request_id], [claimed[1]]) == [
        (*claimed, None)
    ]
    assert end(db, claimed) == [(*claimed, None)]


def test_cancelling_what_is_over_or_unknown_is_refused(db, ask):
    request_id = ask()
    end(db, claim(db)[0])

    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=f"request {request_id} has ended already: SUCCESS"):
        db.run("select net.cancel(%s)", request_id)
    with pytest.raises(psycopg.errors.NoDataFound, match="there is no request 999"):
        db.run("select net.cancel(999)")


def test_a_dead_request_is_sent_again_with_all_its_attempts(db, ask):
    request_id = ask(max_attempts=2)
    for how in ("retry", "error"):
        end(db, claim(db)[0], how=how, delay_s=0, status_code=500, error="HTTP 500")
    assert request(db, request_id) == ("ERROR", 500, "HTTP 500", 2)

    assert db.one("select net.redrive()") == 1

    assert request(db, request_id) == ("PENDING", 500, "HTTP 500", 0)
    end(db, claim(db)[0])
    assert request(db, request_id) == ("SUCCESS", 200, None, 1)
    assert db.rows("select claim, attempt from net.http_attempt order by claim") == [(1, 1), (2, 2), (3, 1)]


def test_redrive_leaves_alone_what_failed_by_design_or_did_not_fail(db, ask):
    once, fine = ask(), ask(max_attempts=3)
    for claimed in claim(db):
        end(db, claimed, how="error" if claimed[0] == once else "success", error="no")

    assert db.one("select net.redrive()") == 0
    assert db.one("select net.redrive(%s)", [once, fine]) == 1
    assert ids(db) == [once]


def test_retry_sends_anything_again_that_is_not_on_its_way(db, ask):
    request_id = ask()
    [claimed] = claim(db)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=f"request {request_id} is on its way just now"):
        db.run("select net.retry(%s)", request_id)
    end(db, claimed)

    db.run("select net.retry(%s)", request_id)

    assert ids(db) == [request_id]


def test_the_depth_of_the_queue_is_what_has_not_ended(db, ask):
    ask(), ask(next_attempt_at="infinity")
    end(db, claim(db)[0])

    assert db.one("select net.queue_depth()") == 1


# forgetting


def configure(session, name, value):
    session.run("insert into net.config (name, value) values (%s, %s)", f"pg_net.{name}", value)


def expire(session, max_rows=5000):
    [row] = session.rows("select deleted, next_in_s from net.expire(%s)", max_rows)
    return row


def age(session, hours):
    older = f"- make_interval(hours => {hours})"
    session.run(f"update net._http_response set created = created {older}")
    session.run(f"update net.http_request_queue set created = created {older}, finished = finished {older}")


def test_answers_and_finished_requests_go_when_their_time_is_over(db, ask):
    for _ in range(3):
        ask()
        end(db, claim(db)[0])
    waiting = ask(next_attempt_at="9999-01-01")
    assert expire(db) == (0, pytest.approx(6 * 3600, abs=60))

    age(db, 7)

    assert expire(db, 2) == (4, 0)
    assert expire(db, 2) == (2, None)
    assert db.column("select id from net.http_request_queue") == [waiting]
    assert db.one("select count(*) from net._http_response") == db.one("select count(*) from net.http_attempt") == 0


def test_dead_requests_are_kept_longer(db, ask):
    dead = ask(max_attempts=2)
    end(db, claim(db)[0], how="error", status_code=None, error="no")
    age(db, 24 * 29)
    expire(db)
    assert db.column("select id from net.http_request_queue") == [dead]

    age(db, 24 * 2)
    expire(db)

    assert db.column("select id from net.http_request_queue") == []


def test_the_next_time_to_forget_is_that_of_the_first_which_is_due_dead_ones_too(db, ask):
    ask(max_attempts=2)
    end(db, claim(db)[0], how="error", status_code=None, error="no")
    age(db, 24 * 29)
    expire(db)

    assert expire(db) == (0, pytest.approx(24 * 3600, abs=60))

    ask()
    end(db, claim(db)[0])
    assert expire(db) == (0, pytest.approx(6 * 3600, abs=60))


def test_those_that_ended_last_stay_whenever_they_were_enqueued(db, ask):
    ask(), ask()
    earlier, later = claim(db)
    end(db, later)
    age(db, 7)
    end(db, earlier)

    assert expire(db) == (2, pytest.approx(6 * 3600, abs=60))
    assert db.column("select id from net.http_request_queue") == [earlier[0]]


@pytest.mark.parametrize("analysed", [False, True])
def test_what_is_kept_is_not_read_to_see_whether_it_is_due(db, analysed):
    db.run("alter table net.http_request_queue set (autovacuum_enabled = off)")
    db.run("""insert into net.http_request_queue (method, url, timeout_milliseconds, status, created, finished, max_attempts)
        select 'GET', 'http://x/', 1, s::net.request_status, now() - age, now() - age, 2
        from (values ('ERROR', interval '10 days'), ('SUCCESS', interval '1 hour')) k (s, age), generate_series(1, 20000)""")
    due = db.one("""insert into net.http_request_queue (method, url, timeout_milliseconds, status, created, finished)
        values ('GET', 'http://x/', 1, 'SUCCESS', now() - interval '7 hours', now() - interval '7 hours') returning id""")
    if analysed:
        db.run("vacuum analyze net.http_request_queue")

    expire(db)
    db.run("begin")
    [[plan]] = db.rows("explain (analyze, buffers, format json) select * from net.expire()")
    [(scans, fetched)] = db.rows(
        "select seq_scan, coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables "
        "where relid = 'net.http_request_queue'::regclass"
    )
    db.run("commit")

    assert db.one("select pg_relation_size('net.http_request_queue') / 8192") > 500
    assert plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"] < 100
    assert scans == 0
    assert fetched <= 10  # of 40,000
    assert db.rows("select from net.http_request_queue where id = %s", due) == []


def test_no_retention_takes_the_request_away_with_its_answer(db, ask):
    configure(db, "queue_retention", "0")
    ask()

    end(db, claim(db)[0])

    assert [db.one(f"select count(*) from net.{name}") for name in ("http_request_queue", "_http_response", "http_attempt")] == [
        0,
        1,
        0,
    ]


def test_no_retention_keeps_what_failed_in_spite_of_its_retries(db, ask):
    configure(db, "queue_retention", "0")
    dead = ask(max_attempts=2)

    end(db, claim(db)[0], how="error", error="no")

    assert db.column("select id from net.http_request_queue") == [dead]


# secrets


def test_a_secret_is_read_by_name_and_rotates(db):
    db.run("select net.set_secret('key', 'one', array['API.example.com'])")
    db.run("select net.rotate_secret('key', 'two')")
    read = "select name, value, former, hosts from net.secrets_for(array['key', 'none'])"
    assert db.rows(read) == [("key", "two", "one", ["api.example.com"])]

    db.run("update net.secret set former_until = clock_timestamp()")

    assert db.rows(read) == [("key", "two", None, ["api.example.com"])]
    assert db.one("select net.drop_secret('key')") is True
    assert db.one("select net.drop_secret('key')") is False


@pytest.mark.parametrize(
    ("name", "value", "hosts", "told"),
    [
        ("", "v", ["h"], "a secret needs a name"),
        ("a b", "v", ["h"], "not 'a b'"),
        (None, "v", ["h"], "not NULL"),
        ("k", "", ["h"], "must be 1 to 8000 characters"),
        ("k", "a\nb", ["h"], "without line breaks"),
        ("k", "whsec_!", ["h"], "must be whsec_ and base64"),
        ("k", "v", [], "needs the hosts that it may go to"),
        ("k", "v", ["http://h/"], "'http://h/' is not a host name"),
        ("k", "v", ["*"], "'\\*' is not a host name"),
    ],
)
def test_a_secret_that_cannot_be_is_refused_and_never_shown(db, name, value, hosts, told):
    with pytest.raises(psycopg.errors.InvalidParameterValue, match=told) as raised:
        db.run("select net.set_secret(%s, %s, %s)", name, value, hosts)
    assert value in {"", "v"} or value not in str(raised.value)


def test_rotating_what_is_not_there_is_refused(db):
    with pytest.raises(psycopg.errors.NoDataFound, match="there is no secret 'key'"):
        db.run("select net.rotate_secret('key', 'two')")


@pytest.mark.parametrize("how", ["retry", "release"])
def test_what_was_given_back_is_not_its_old_holders_any_more(db, ask, how):
    request_id = ask(max_attempts=3)
    [claimed] = claim(db)
    end(db, claimed, how=how, delay_s=0, error="no")

    assert end(db, claimed) == [(*claimed, 1)]
    assert db.rows("select id, claim, held_by from net.extend_requests(%s, %s, 5)", [request_id], [claimed[1]]) == [(*claimed, 1)]


def test_nobody_stands_in_anothers_line(db, ask):
    ask(ordering_key="a", next_attempt_at="9999-01-01", enqueued_by="somebody")
    mine = ask(ordering_key="a")

    assert ids(db) == [mine]


def test_what_was_cancelled_is_not_sent_again_with_what_failed(db, ask):
    request_id = ask(max_attempts=3)
    db.run("select net.cancel(%s)", request_id)

    assert db.one("select net.redrive()") == 0
    assert db.one("select net.redrive(array[%s::bigint])", request_id) == 1


def test_what_several_senders_died_with_is_handed_out_alone(db, ask):
    suspect = ask()
    for _ in range(5):
        forget_walk(db)
        assert ids(db) == [suspect]
        expire_leases(db)
    others = [ask() for _ in range(3)]

    batches = []
    while not batches or batches[-1]:
        forget_walk(db)
        batches.append(ids(db))

    assert sorted(batches) == [[], [suspect], others]


def test_a_claim_hands_out_no_more_than_a_sender_can_hold(db, ask):
    bodies = [ask(body=b"x" * (15 << 20)) for _ in range(3)]
    huge = ask(body=b"x" * (40 << 20))

    assert [ids(db), ids(db), ids(db)] == [bodies[:2], bodies[2:], [huge]]


def test_one_that_moves_up_goes_before_what_came_later(db, ask):
    first, second = ask(ordering_key="a"), ask(ordering_key="a")
    [claimed] = claim(db)
    later = ask()
    end(db, claimed)

    assert db.column("select id from net.claim_requests(10, 30, true)") == [second, later]
    assert first < second


def test_a_line_whose_first_was_deleted_by_hand_is_mended(db, ask):
    first, second, third = (ask(ordering_key="a") for _ in range(3))
    ask(ordering_key="b"), ask(ordering_key="b")
    ids(db)
    db.run("delete from net.http_request_queue where id = %s", first)
    assert ids(db) == []

    assert db.one("select net.mend_lines()") == 1

    assert db.column("select id from net.claim_requests(10, 30, true)") == [second]
    assert db.one("select net.mend_lines()") == 0
    assert third > second


def test_the_first_of_a_long_line_is_found_at_once(db):
    db.run(
        "insert into net.http_request_queue (method, url, timeout_milliseconds, ordering_key)"
        " select 'GET', 'http://x/', 1, 'a' from generate_series(1, 20000)"
    )
    assert len(ids(db, 10)) <= 1
    for _ in range(3):
        ids(db, 1000)
    plan = db.column(
        "explain (costs off) select from net.http_request_queue e where e.enqueued_by = current_user"
        " and e.ordering_key = 'a' and e.finished is null and e.locked_until is not null and e.locked_until > now() and e.id <> 1"
    )

    assert any("http_request_queue_leased_idx" in line for line in plan), plan
