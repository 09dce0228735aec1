"""Collecting answers: what _http_collect_response says at each moment of a request's life."""

import json

import pytest

COLLECT = "select (c).status::text, (c).message, (c).response::text from net._http_collect_response(%s) c"
NOT_FOUND = ("ERROR", "request matching request_id not found", None)


@pytest.fixture
def settle(db):
    """End every request that is due, like this."""

    def settle(**answer):
        claimed = db.rows("select id, claims from net.claim_requests(100, 30)")
        answers = [{"id": n, "claim": claim, "duration_ms": 1, **answer} for n, claim in claimed]
        db.run("select net.settle_requests(%s::json)", json.dumps(answers))

    return settle


@pytest.fixture
def request_id(db):
    """One request that waits."""
    return db.one("select net.http_get('http://x/')")


def test_a_request_that_waits_is_pending(db, request_id):
    assert db.rows(COLLECT, request_id) == [("PENDING", "request is pending", None)]


def test_a_request_that_is_on_its_way_is_pending(db, request_id):
    db.run("select net.claim_requests(1, 30)")

    assert db.rows(COLLECT, request_id) == [("PENDING", "request is pending", None)]


@pytest.mark.parametrize("status_code", [200, 404, 500])
def test_any_answer_is_a_success(db, settle, request_id, status_code):
    settle(how="success", status_code=status_code, headers={"a": "b"}, content="x")

    assert db.rows(COLLECT, request_id) == [("SUCCESS", "ok", f'({status_code},"{{""a"": ""b""}}",x)')]


def test_no_answer_is_an_error_with_its_reason(db, settle, request_id):
    settle(how="error", error="Couldn't connect to server", timed_out=False)

    assert db.rows(COLLECT, request_id) == [("ERROR", "Couldn't connect to server", None)]


def test_an_answer_that_is_not_good_enough_is_an_error_and_shown(db, settle):
    n = db.one("select net.http_request('GET', 'http://x/', retry => '{\"max_attempts\": 1}')")
    settle(how="error", status_code=503, headers={}, content="busy", error="HTTP status 503")

    assert db.rows(COLLECT, n) == [("ERROR", "HTTP status 503", "(503,{},busy)")]


@pytest.mark.parametrize("n", [-1, 0, 10**15, None])
@pytest.mark.parametrize("wait", ["", ", false", ", true", ", null"])
def test_what_does_not_exist_is_not_found_and_not_waited_for(db, n, wait):
    query = COLLECT.replace("(%s)", f"(%s{wait})")

    assert db.rows(query, n) == [NOT_FOUND]


def test_what_is_not_kept_any_more_is_not_found(db, settle, request_id):
    settle(how="success", status_code=200)
    db.run("delete from net._http_response")

    assert db.rows(COLLECT.replace("%s", "%s, false"), request_id) == [NOT_FOUND]


def test_an_answer_without_its_request_is_enough(db, request_id, settle):
    settle(how="success", status_code=204)
    db.run("delete from net.http_request_queue")

    assert db.rows(COLLECT, request_id) == [("SUCCESS", "ok", "(204,,)")]
    assert db.one("select net._await_response(%s)", request_id) is True


def test_the_newest_answer_counts_and_none_while_the_request_is_sent_again(db, settle, request_id):
    settle(how="error", error="first")
    db.run("select net.retry(%s)", request_id)
    while_again = db.rows(COLLECT, request_id)

    settle(how="success", status_code=200)

    assert while_again == [("PENDING", "request is pending", None)]
    assert db.rows(COLLECT, request_id) == [("SUCCESS", "ok", "(200,,)")]


def test_the_older_name_does_the_same(db, settle, request_id):
    pending = db.rows(COLLECT.replace("_http_coll", "http_coll"), request_id)
    settle(how="success", status_code=200)

    assert pending == [("PENDING", "request is pending", None)]
    assert db.rows(COLLECT.replace("_http_coll", "http_coll"), request_id) == [("SUCCESS", "ok", "(200,,)")]


# Waiting


def test_who_does_not_want_to_collect_later_waits_for_the_answer(db, settle, request_id, connect):
    collected = connect().later(COLLECT.replace("%s", "%s, async := false"), request_id)

    settle(how="success", status_code=200)

    assert collected.result(20) == [("SUCCESS", "ok", "(200,,)")]


def test_await_response_says_whether_there_is_one(db, settle, request_id, connect):
    awaited = connect().later("select net._await_response(%s)", request_id)

    settle(how="error", error="no")

    assert awaited.result(20) == [(True,)]
    assert db.one("select net._await_response(-1)") is False


@pytest.mark.parametrize(
    "begin",
    [
        "begin",
        "begin; savepoint inner_one",
        "begin; select net.http_get('http://y/'); savepoint a; savepoint b",
        "begin isolation level repeatable read",
    ],
)
@pytest.mark.parametrize("call", ["_http_collect_response({}, false)", "http_collect_response({}, false)", "_await_response({})"])
def test_a_request_of_this_transaction_cannot_be_waited_for(db, refused, begin, call):
    db.run(begin)
    n = db.one("select net.http_get('http://x/')")

    said = f"request {n} was enqueued by this transaction: it is sent after the commit, so there is no answer to wait for"
    with refused("25001", said):
        db.run(f"select net.{call.format(n)}")
    db.run("rollback")


def test_a_request_of_a_subtransaction_that_is_released_cannot_be_waited_for(db, refused):
    db.run("begin; savepoint a")
    n = db.one("select net.http_get('http://x/')")
    db.run("release a")

    with refused("25001"):
        db.run("select net._await_response(%s)", n)
    db.run("rollback")


def test_a_request_that_was_committed_before_is_waited_for_in_a_transaction_that_enqueued_others(db, settle, request_id, connect):
    other = connect()
    other.run("begin; select net.http_get('http://y/')")
    awaited = other.later("select net._await_response(%s)", request_id)

    settle(how="success", status_code=200)

    assert awaited.result(20) == [(True,)]
    other.run("rollback")


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_transaction_that_would_never_see_the_answer_is_told_so(db, refused, request_id, level):
    db.run(f"begin isolation level {level}")

    with refused("25001", f"a transaction at isolation level {level} does not see an answer that comes later"):
        db.run("select net._await_response(%s)", request_id)
    db.run("rollback")


def test_waiting_can_be_cancelled(db, request_id, refused):
    db.run("set statement_timeout = '100ms'")

    with refused("57014"):
        db.run("select net._await_response(%s)", request_id)
