"""net.http_request and its kin: bodies, policies, keys, many at once."""

import json

import pytest

ROW = "select method, url, headers, body, timeout_milliseconds from net.http_request_queue where id = %s"
JSON = {"Content-Type": "application/json"}


# Bodies and methods


@pytest.mark.parametrize(
    ("arguments", "method", "headers", "body"),
    [
        ("'get', 'http://x'", "GET", {}, None),
        ("'OPTIONS', 'http://x'", "OPTIONS", {}, None),
        ("'Post', 'http://x', 'é'", "POST", {"Content-Type": "text/plain; charset=utf-8"}, "é".encode()),
        ("'POST', 'http://x', ''", "POST", {"Content-Type": "text/plain; charset=utf-8"}, b""),
        ("'PUT', 'http://x', json_body => '{\"b\":1}'", "PUT", JSON, b'{"b": 1}'),
        ("'PUT', 'http://x', json_body => 'null'", "PUT", JSON, b"null"),
        ("'PATCH', 'http://x', bytes => '\\x00ff'", "PATCH", {"Content-Type": "application/octet-stream"}, b"\x00\xff"),
        ("'PUT', 'http://x', 'a', headers => '{\"content-type\": \"text/csv\"}'", "PUT", {"content-type": "text/csv"}, b"a"),
        ("'PUT', 'http://x', headers => null, params => null", "PUT", None, None),
    ],
)
def test_a_request_of_any_method_and_body(db, arguments, method, headers, body):
    assert db.rows(ROW, db.one(f"select net.http_request({arguments})")) == [(method, "http://x/", headers, body, 5000)]


def test_the_short_forms(db):
    put = db.one("""select net.http_put('http://x', '{"b": 1}', '{"a": 1}', '{"X": "y"}', 7)""")
    patch = db.one("select net.http_patch('http://x')")
    head = db.one("select net.http_head('http://x', timeout_milliseconds => 8)")

    assert [row for n in (put, patch, head) for row in db.rows(ROW, n)] == [
        ("PUT", "http://x/?a=1", {"X": "y", **JSON}, b'{"b": 1}', 7),
        ("PATCH", "http://x/", JSON, b"{}", 5000),
        ("HEAD", "http://x/", {}, None, 8),
    ]


@pytest.mark.parametrize(
    ("arguments", "sqlstate", "said"),
    [
        ("'BREW', 'http://x'", "22023", "method must be GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS, not 'BREW'"),
        ("null, 'http://x'", "22023", "method must be GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS, not NULL"),
        ("'GET', null", "23502", None),
        ("'GET', 'http://x', timeout_milliseconds => null", "23502", None),
        ("'GET', 'http://x', timeout_milliseconds => -1", "22023", "timeout_milliseconds must be 0 (none) or more, not -1"),
        ("'GET', 'http://x', 'a', '1'", "22023", "body, json_body and bytes exclude one another"),
        ("'GET', 'http://x', 'a', bytes => ''", "22023", "body, json_body and bytes exclude one another"),
        ("'GET', 'http://x', idempotency_key => ''", "22023",
         "idempotency_key must be 1 to 255 printable ASCII characters, not ''"),
        ("'GET', 'http://x', idempotency_key => 'é'", "22023",
         "idempotency_key must be 1 to 255 printable ASCII characters, not 'é'"),
        ("'GET', 'http://x', idempotency_key => repeat('k', 256)", "22023", None),
        ("'GET', 'http://x', ordering_key => ''", "22023", "ordering_key must have 1 to 500 characters, not 0"),
        ("'GET', 'http://x', ordering_key => repeat('k', 501)", "22023", "ordering_key must have 1 to 500 characters, not 501"),
        ("'GET', 'http://x', sign_with => ''", "22023", "sign_with must be the name of a secret, not an empty text"),
        ("'GET', 'http://x', not_before => '9999-12-31'", "22023", None),
        ("'GET', 'http://x', not_before => 'infinity'", "22023", None),
        ("'GET', 'http://x', not_before => '1999-12-31'", "22023", None),
        ("'GET', 'http://x', sign_with => repeat('s', 65537)", "22023", "sign_with must have at most 64 KiB, not 65537 bytes"),
        ("'GET', 'http://x', retry => ('{\"errors\": [\"dns\"' || repeat(', \"dns\"', 10000) || ']}')::jsonb", "22023",
         "retry must have at most 64 KiB as JSON, not 70019 bytes"),
        ("'GET', 'http://x', options => jsonb_build_object('a', repeat('b', 65536))", "22023",
         "options must have at most 64 KiB as JSON, not 65545 bytes"),
        ("'GET', 'http://x', options => '[]'", "22023", "options must be a JSON object, not an array"),
        ("'GET', 'http://x', options => '{\"redirects\": 1}'", "22023", 'options has no field "redirects"'),
        ("'GET', 'http://x', options => '{\"max_redirects\": -1}'", "22023",
         "options.max_redirects must be an integer from 0 to 50, not -1"),
        ("'GET', 'http://x', options => '{\"max_response_bytes\": \"1\"}'", "22023",
         'options.max_response_bytes must be an integer from 0 to 268435456, not "1"'),
        ("'GET', 'http://x', bytes => convert_to(repeat('x', 67108865), 'UTF8')", "54000",
         "body must have at most 64 MiB, not 67108865 bytes; keep it elsewhere, and send where"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(shared, refused, arguments, sqlstate, said):
    with refused(sqlstate, said):
        shared.run(f"select net.http_request({arguments})")


@pytest.mark.parametrize(
    "name",
    [
        "Content-Length",
        "transfer-encoding",
        "Connection",
        "UPGRADE",
        "Proxy-Authorization",
        "proxy-x",
        "TE",
        "Trailer",
        "Expect",
        "Keep-Alive",
    ],
)
def test_headers_that_are_the_senders_are_refused(shared, refused, name):
    with refused("22023", f'header "{name}" is set by the sender itself'):
        shared.run("select net.http_request('GET', 'http://x', headers => jsonb_build_object(%s::text, 'x'))", name)


def test_a_body_of_exactly_64_mib_is_fine(db):
    db.run("select net.http_request('PUT', 'http://x', bytes => convert_to(repeat('x', 67108864), 'UTF8'))")

    assert db.one("select octet_length(body) from net.http_request_queue") == 67108864


# When, in which order, by whom signed


def test_what_a_request_asks_for_is_stored(db):
    db.run("""select net.http_request('GET', 'http://x', ordering_key => 'o', not_before => now() + interval '1 h',
                                      sign_with => 's', headers => '{"Authorization": "Bearer ${secret:crm}"}',
                                      options => '{"max_redirects": 0}')""")

    [(held, *stored)] = db.rows(
        "select next_attempt_at - now() > interval '59 min', ordering_key, sign_with, options, headers, retry, give_up_at, "
        "max_attempts from net.http_request_queue"
    )

    assert held
    assert stored == ["o", "s", {"max_redirects": 0}, {"Authorization": "Bearer ${secret:crm}"}, None, None, 1]
    assert db.column("select id from net.claim_requests(1, 30)") == []


def test_a_time_that_has_passed_is_now(db):
    db.run("select net.http_request('GET', 'http://x', not_before => '2001-01-01')")

    assert len(db.column("select id from net.claim_requests(1, 30)")) == 1


# Policies


@pytest.mark.parametrize(
    ("retry", "max_attempts"),
    [
        (None, 1),
        ("{}", 5),
        ('{"max_attempts": 3}', 3),
        ('{"schedule_s": [5, 300.5]}', 3),
        ('{"schedule_s": [5, 300], "max_attempts": 9}', 9),
        ('{"statuses": "non-2xx", "errors": false}', 5),
        ('{"statuses": [], "errors": ["dns", "connect", "tls", "timeout", "protocol", "too_large"]}', 5),
        ('{"base_s": 0, "cap_s": 0.5, "jitter": 1, "max_age_s": 60, "retry_after": false, "errors": []}', 5),
    ],
)
def test_a_policy_says_how_many_attempts_there_are(db, retry, max_attempts):
    db.run("select net.http_request('GET', 'http://x', retry => %s::jsonb)", retry)

    assert db.rows("select max_attempts, retry = %s::jsonb from net.http_request_queue", retry) == [
        (max_attempts, None if retry is None else True)
    ]


def test_the_age_that_a_policy_allows_counts_from_when_it_is_due(db):
    db.run("select net.http_request('GET', 'http://x', retry => '{\"max_age_s\": 90}', not_before => now() + interval '1 h')")

    assert db.one("select extract(epoch from give_up_at - next_attempt_at)::integer from net.http_request_queue") == 90


@pytest.mark.parametrize(
    ("retry", "said"),
    [
        ("[]", "retry must be a JSON object, not an array"),
        ("null", "retry must be a JSON object, not a JSON null"),
        ('{"attempts": 3}', 'retry has no field "attempts"'),
        ('{"max_attempts": 0}', "retry.max_attempts must be an integer from 1 to 1000, not 0"),
        ('{"max_attempts": 1.5}', "retry.max_attempts must be an integer from 1 to 1000, not 1.5"),
        ('{"max_attempts": "3"}', 'retry.max_attempts must be an integer from 1 to 1000, not "3"'),
        ('{"max_attempts": null}', "retry.max_attempts must be an integer from 1 to 1000, not null"),
        ('{"max_attempts": 1e400}', None),
        ('{"base_s": -1}', "retry.base_s must be a number from 0 to 31536000, not -1"),
        ('{"cap_s": []}', "retry.cap_s must be a number from 0 to 31536000, not []"),
        ('{"jitter": 2}', "retry.jitter must be a number from 0 to 1, not 2"),
        ('{"max_age_s": -1}', "retry.max_age_s must be a number from 0 to 315360000 (ten years), not -1"),
        ('{"retry_after": 1}', "retry.retry_after must be true or false, not 1"),
        ('{"schedule_s": []}', "retry.schedule_s must be a list of 1 to 999 numbers from 0 to 31536000, not []"),
        ('{"schedule_s": [1, "2"]}', 'retry.schedule_s must be a list of 1 to 999 numbers from 0 to 31536000, not [1, "2"]'),
        ('{"schedule_s": [1], "cap_s": 1}', "retry.schedule_s takes the place of base_s and cap_s: give it or them"),
        ('{"statuses": "all"}', 'retry.statuses must be a list of HTTP statuses or "non-2xx", not "all"'),
        ('{"statuses": [99]}', 'retry.statuses must be a list of HTTP statuses or "non-2xx", not [99]'),
        ('{"statuses": [500.5]}', 'retry.statuses must be a list of HTTP statuses or "non-2xx", not [500.5]'),
        ('{"errors": ["disk"]}', None),
        ('{"errors": "dns"}', None),
    ],
)
def test_a_policy_that_cannot_be_is_refused_by_the_name_of_its_field(shared, refused, retry, said):
    with refused("22023", said):
        shared.run("select net.http_request('GET', 'http://x', retry => %s::jsonb)", retry)
    with refused("22023", said):
        shared.run("select net._check_retry(%s::jsonb)", retry)


# Each request once


def test_the_same_request_under_the_same_key_is_the_same_request(db):
    ask = "select net.http_request('POST', 'http://x', json_body => '{\"a\": 1}', idempotency_key => 'k 1')"

    first, again = db.one(ask), db.one(ask)

    assert first == again
    assert db.rows("select headers from net.http_request_queue") == [({**JSON, "Idempotency-Key": "k 1"},)]


def test_a_key_that_headers_give_is_the_one_that_is_sent(db):
    db.run("""select net.http_request('POST', 'http://x', headers => '{"idempotency-key": "other"}', idempotency_key => 'k')""")

    assert db.one("select headers from net.http_request_queue") == {"idempotency-key": "other"}


@pytest.mark.parametrize(
    "other", ["'PUT', 'http://x', 'a'", "'POST', 'http://y', 'a'", "'POST', 'http://x', 'b'", "'POST', 'http://x'"]
)
def test_another_request_under_the_same_key_is_refused(db, refused, other):
    first = db.one("select net.http_request('POST', 'http://x', 'a', idempotency_key => 'k')")

    with refused("22023", f'the idempotency key "k" belongs to request {first}, whose method, URL, headers or body differ'):
        db.run(f"select net.http_request({other}, idempotency_key => 'k')")


def test_a_key_is_of_the_role_that_uses_it(db):
    name = f"key_role_of_{db.one('select current_database()')}"
    db.run(f"create role {name}")
    first = db.one("select net.http_request('POST', 'http://x', 'a', idempotency_key => 'k')")

    db.run(f"set role {name}")
    theirs = db.one("select net.http_request('POST', 'http://x', 'b', idempotency_key => 'k')")

    assert theirs != first
    db.run(f"reset role; drop owned by {name}; drop role {name}")


def test_a_key_is_free_again_when_its_request_is_not_kept_any_more(db):
    first = db.one("select net.http_request('POST', 'http://x', 'a', idempotency_key => 'k')")
    db.run("delete from net.http_request_queue")

    assert db.one("select net.http_request('POST', 'http://x', 'b', idempotency_key => 'k')") > first


@pytest.mark.parametrize(("end", "same"), [("commit", True), ("rollback", False)])
def test_two_at_once_under_one_key_are_one_unless_the_first_is_rolled_back(db, connect, blocked, end, same):
    ask = "select net.http_request('POST', 'http://x', 'a', idempotency_key => 'k')"
    other = connect()
    db.run("begin")
    first = db.one(ask)

    second = other.later(ask)
    blocked(other)
    db.run(end)

    assert (second.result()[0][0] == first) is same
    assert db.one("select count(*) from net.http_request_queue") == 1


# Many


def test_many_are_enqueued_in_their_order(db):
    requests = [
        {"method": "GET", "url": "http://x/1"},
        {"method": "POST", "url": "http://x", "json_body": {"a": 1}, "params": {"n": 2}, "timeout_milliseconds": 9},
        {"method": "PUT", "url": "http://x/3", "bytes": "AP8=", "headers": {"X": "y"}, "retry": {"max_attempts": 2}},
        {
            "method": "PUT",
            "url": "http://x/4",
            "body": "é",
            "bytes": None,
            "json_body": None,
            "headers": None,
            "timeout_milliseconds": None,
        },
    ]

    ids = db.column("select net.http_request_many(%s)", json.dumps(requests))

    assert ids == sorted(ids)
    assert [row for n in ids for row in db.rows(ROW, n)] == [
        ("GET", "http://x/1", {}, None, 5000),
        ("POST", "http://x/?n=2", JSON, b'{"a": 1}', 9),
        ("PUT", "http://x/3", {"X": "y", "Content-Type": "application/octet-stream"}, b"\x00\xff", 5000),
        ("PUT", "http://x/4", {"Content-Type": "text/plain; charset=utf-8"}, "é".encode(), 5000),
    ]
    assert db.one("select max_attempts from net.http_request_queue where id = %s", ids[2]) == 2


def test_no_requests_are_no_ids(db):
    assert db.column("select net.http_request_many('[]')") == []


@pytest.mark.parametrize(
    ("requests", "sqlstate", "said"),
    [
        ("{}", "22023", "requests must be a JSON array of objects, not an object"),
        (None, "22023", "requests must be a JSON array of objects, not NULL"),
        ('[{"method": "GET", "url": "http://x"}, 1]', "22023", "request 2 must be a JSON object, not a JSON number"),
        ('[{"method": "GET", "url": "http://x", "uri": 1}]', "22023", 'request 1 has a field "uri", which no request has'),
        ('[{"method": "GET", "url": "http://x"}, {"method": "GET"}]', "23502",
         'request 2: null value in column "url" of relation "http_request_queue" violates not-null constraint'),
        ('[{"method": "GET", "url": "http://x"}, {"method": "GET", "url": "x"}]', "XX000",
         'request 2: invalid URL "x": Bad scheme'),
        ('[{"method": "BREW"}, {"method": "GET", "url": "http://x"}]', "22023",
         "request 1: method must be GET, POST, PUT, PATCH, DELETE, HEAD or OPTIONS, not 'BREW'"),
        ('[{"method": "GET", "url": "x"}]', "XX000", 'invalid URL "x": Bad scheme'),
        ('[{"method": "GET", "url": "http://x", "bytes": "?"}]', "22023", None),
        ('[{"method": "GET", "url": "http://x", "timeout_milliseconds": "x"}]', "22P02", None),
    ],
)  # fmt: skip
def test_one_bad_request_refuses_all(db, refused, requests, sqlstate, said):
    with refused(sqlstate, said):
        db.run("select net.http_request_many(%s::jsonb)", requests)

    assert db.one("select count(*) from net.http_request_queue") == 0
