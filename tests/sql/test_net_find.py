"""What clients ask about requests: one, the newest, attempts, the answer, how many; and what is hidden from them."""

import pytest

from hanjul.sender.credentials import is_credential

INSERT = """insert into net.http_request_queue (method, url, timeout_milliseconds, status, finished, webhook)
    values ('GET', %s, 5000, %s, case when %s <> 'PENDING' then clock_timestamp() end, %s) returning id"""


def inserted(db, url="http://a.example/", status="PENDING", webhook=None):
    return db.one(INSERT, url, status, status, webhook)


def listed(db, **only):
    arguments = ", ".join(f"{name} => %s" for name in only)
    return db.column(f"select id from net.list_requests({arguments})", *only.values())


HEADERS = [
    ("Authorization", "Bearer abc"), ("proxy-authorization", "Basic abc"), ("Cookie", "a=b"), ("Set-Cookie", "a=b"),
    ("X-Api-Key", "abc"), ("X-Auth-Token", "abc"), ("X-Hub-Signature-256", "sha256=abc"), ("Client-Secret", "abc"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), HEADERS, ids=[name for name, _ in HEADERS])
def test_headers_that_hold_credentials_are_hidden(shared, name, value):
    assert shared.one("select net.hidden_headers(jsonb_build_object(%s::text, %s::text))", name, value) == {name: "[hidden]"}


def test_they_are_those_that_a_sender_takes_for_credentials(shared):
    names = [name for name, _ in HEADERS] + [
        "X-Auth", "x_auth", "Auth-Value", " Authorization ", "X-Authorization", "apikey", "api_key", "access_key", "Private-Key",
        "X-Password", "x-session-id", "Key", "sig", "JWT", "pw", "pwd", "Content-Type", "Idempotency-Key", "X-Request-Id",
        "Author",
        "X-Author", "Authority", "webhook-id", "monkey", "design", "X-Key-Count", "Date", "",
    ]  # fmt: skip

    hidden = shared.column(
        "select n from unnest(%s::text[]) with ordinality u (n, place) where net.is_credential(n) order by place", names
    )

    assert hidden == [name for name in names if is_credential(name)]


def test_other_headers_are_shown(shared):
    headers = '{"Content-Type": "text/plain", "X-Key-Count": 5, "Accept": null, "X": {"a": [1]}}'

    assert shared.one("select net.hidden_headers(%s::jsonb) = %s::jsonb", headers, headers)
    assert shared.rows("select net.hidden_headers(null), net.hidden_headers('{}'), net.hidden_headers('[1]')") == [
        (None, {}, [1])
    ]


def test_a_secret_that_is_only_named_is_shown(shared):
    headers = '{"Authorization": "Bearer ${secret:crm}", "X-Api-Key": "${secret:k}", "Cookie": "a=b; c=${secret:k}"}'

    assert shared.one("select net.hidden_headers(%s::jsonb)", headers) == {
        "Authorization": "Bearer ${secret:crm}", "X-Api-Key": "${secret:k}", "Cookie": "[hidden]"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/b?c=d#e", "https://a.example/b?c=d#e"),
        ("https://user:pw@a.example/", "https://[hidden]@a.example/"),
        ("https://us@er:p@a.example/x@y", "https://[hidden]@a.example/x@y"),
        ("https://a.example/u@v?w=x@y", "https://a.example/u@v?w=x@y"),
        ("https://a.example/?access_token=1&b=2", "https://a.example/?access_token=[hidden]&b=2"),
        ("https://a.example/?b=2&X-Amz-Signature=1;2#f", "https://a.example/?b=2&X-Amz-Signature=[hidden]#f"),
        ("https://a.example/?api_key=1&apiKey=2&KEY=3&sig=4", "https://a.example/?api_key=[hidden]&apiKey=[hidden]&KEY=[hidden]&sig=[hidden]"),
        ("https://a.example/?monkey=1&design=2&keys=3", "https://a.example/?monkey=1&design=2&keys=3"),
        ("https://a.example/#id_token=1", "https://a.example/#id_token=[hidden]"),
        ("https://a.example/?client_secret=", "https://a.example/?client_secret=[hidden]"),
        ('invalid URL "http://u:p@a.example": Bad', 'invalid URL "http://[hidden]@a.example": Bad'),
    ],
)  # fmt: skip
def test_urls_are_shown_without_what_they_hide(shared, url, shown):
    assert shared.one("select net.hidden_url(%s)", url) == shown


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://A.Example:80/b:c", "a.example"), ("https://u:p@a.example", "a.example"), ("http://[::1]:80/", "::1"),
        ("http://127.0.0.1?x=http://b/", "127.0.0.1"), ("nonsense", None),
    ],
)  # fmt: skip
def test_the_host_of_a_url(shared, url, host):
    assert shared.one("select net.host_of(%s)", url) == host


def test_a_request_is_shown_without_its_credentials_and_keeps_them(db):
    request = db.one("""insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
        values ('post', 'https://u:p@a.example/?token=t', '{"Authorization": "Bearer t", "A": "b"}', 'text', 7) returning id""")

    shown = db.rows("select id, method, url, headers, body, timeout_milliseconds, status from net.get_request(%s)", request)

    hidden = "https://[hidden]@a.example/?token=[hidden]"
    assert shown == [(request, "POST", hidden, {"Authorization": "[hidden]", "A": "b"}, b"text", 7, "PENDING")]
    assert db.column("select url from net.list_requests()") == [hidden]
    assert db.one("select url from net.http_request_queue") == "https://u:p@a.example/?token=t"
    assert db.rows("select * from net.get_request(-1)") == []


def test_requests_are_listed_newest_first_in_pages(db):
    ids = [inserted(db) for _ in range(5)]

    assert listed(db) == ids[::-1]
    assert listed(db, qty=2) == [ids[4], ids[3]]
    assert listed(db, qty=2, before_id=ids[3]) == [ids[2], ids[1]]
    assert listed(db, before_id=ids[0]) == []


def test_requests_are_chosen_by_status_host_and_webhook(db):
    a = inserted(db, "http://A.example:81/", "ERROR", "w")
    b = inserted(db, "http://b.example/", "ERROR")
    c = inserted(db, "http://a.example/", "SUCCESS", "w")
    d = inserted(db, "http://a.example/", "PENDING")

    assert listed(db, host="A.EXAMPLE") == [d, c, a]
    assert listed(db, status="error") == [b, a]
    assert listed(db, status="PENDING") == [d]
    assert listed(db, status="PENDING", host="b.example") == []
    assert listed(db, status="ERROR", host="a.example", webhook="w") == [a]
    assert listed(db, webhook="w") == [c, a]
    assert listed(db, webhook="other") == []


@pytest.mark.parametrize(
    ("only", "message"),
    [
        ({"status": "failed"}, "status must be PENDING, SUCCESS or ERROR, not 'failed'"),
        ({"qty": 0}, "qty must be between 1 and 10000, not 0"),
        ({"qty": 10_001}, "qty must be between 1 and 10000, not 10001"),
        ({"qty": None}, "qty must be between 1 and 10000, not NULL"),
    ],
)
def test_questions_that_cannot_be_are_refused(shared, refused, only, message):
    with refused("22023", message):
        listed(shared, **only)


def blocks(db, query, *args):
    """How many blocks of tables and indexes a query has looked at."""
    db.rows(query, *args)  # what a session looks up once
    [[plan]] = db.rows("explain (analyze, buffers, format json) " + query, *args)
    return plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]


@pytest.fixture
def history(db):
    """50,000 requests that have ended well; the oldest of them waits, the one after it has failed and belongs to a webhook."""
    db.run("""insert into net.http_request_queue (method, url, timeout_milliseconds, status, finished)
        select 'GET', 'http://a.example/', 1, 'SUCCESS', clock_timestamp() from generate_series(1, 50000)""")
    oldest = db.one("select min(id) from net.http_request_queue")
    db.run("update net.http_request_queue set status = 'PENDING', finished = null where id = %s", oldest)
    db.run("update net.http_request_queue set status = 'ERROR', webhook = 'w' where id = %s", oldest + 1)
    db.run("vacuum analyze net.http_request_queue")
    assert db.one("select pg_relation_size('net.http_request_queue') / 8192") > 800
    return oldest


@pytest.mark.parametrize("only", ["", "status => 'PENDING'", "status => 'ERROR'", "webhook => 'w'", "host => 'a.example'"])
def test_the_newest_of_a_long_history_are_found_without_reading_it(db, history, only):
    found = db.column(f"select id from net.list_requests({only})")

    assert len(found) == (1 if "=> 'P" in only or "=> 'E" in only or "=> 'w" in only else 50)
    assert blocks(db, f"select * from net.list_requests({only})") < 250


@pytest.mark.parametrize("status", ["ERROR", "SUCCESS", "PENDING"])
@pytest.mark.parametrize("webhook", [None, "w"])
def test_for_a_host_the_newest_ten_thousand_of_the_status_are_looked_at(db, status, webhook):
    beyond = inserted(db, "http://other.example/", status, webhook)
    db.run(
        "insert into net.http_request_queue (method, url, timeout_milliseconds, status, finished, webhook) select 'GET', "
        "'http://a.example/', 1, %s, case when %s <> 'PENDING' then clock_timestamp() end, %s from generate_series(1, 10001)",
        status, status, webhook,
    )  # fmt: skip
    within = inserted(db, "http://near.example/", status, webhook)
    only = {"status": status} | ({"webhook": webhook} if webhook else {})

    assert listed(db, host="near.example", **only) == [within]
    assert listed(db, host="other.example", **only) == []
    assert listed(db, host="other.example", before_id=within - 5, **only) == [beyond]


def test_what_waits_and_what_has_failed_is_counted_without_reading_history(db, history):
    db.run("update net.http_request_queue set locked_until = clock_timestamp() + interval '1 minute' where finished is null")
    inserted(db)

    assert db.rows("select * from net.count_requests()") == [(2, 1, 1, False)]
    assert blocks(db, "select * from net.count_requests()") < 250


def test_the_newest_that_wait_are_found_in_a_long_backlog(db):
    db.run("""insert into net.http_request_queue (method, url, timeout_milliseconds)
        select 'GET', 'http://a.example/', 1 from generate_series(1, 30000)""")
    db.run("vacuum analyze net.http_request_queue")
    newest = db.one("select max(id) from net.http_request_queue")

    assert listed(db, status="PENDING", qty=2) == [newest, newest - 1]
    assert listed(db, status="PENDING", qty=1, before_id=newest - 10) == [newest - 11]


def test_a_count_of_many_is_an_estimate_and_says_so(db):
    db.run("""insert into net.http_request_queue (method, url, timeout_milliseconds)
        select 'GET', 'http://a.example/', 1 from generate_series(1, 120000)""")
    db.run("vacuum analyze net.http_request_queue")

    assert db.rows("select * from net.count_requests()") == [(120_000, 0, 0, True)]


def test_attempts_are_listed_in_their_order(db):
    request = inserted(db)
    for claim, error in ((2, None), (1, "Couldn't connect to server")):
        db.run("""insert into net.http_attempt (request_id, claim, attempt, started, duration_ms, error_msg)
            values (%s, %s, %s, clock_timestamp(), 1.5, %s)""", request, claim, claim, error)  # fmt: skip

    assert db.rows("select attempt, duration_ms, error_msg from net.list_attempts(%s)", request) == [
        (1, 1.5, "Couldn't connect to server"), (2, 1.5, None)
    ]  # fmt: skip
    assert db.rows("select * from net.list_attempts(-1)") == []


def test_the_answer_is_the_newest_and_its_credentials_are_hidden(db):
    for code in (500, 200):
        db.run(
            """insert into net._http_response (id, status_code, headers, content, timed_out, created)
            values (7, %s, '{"Set-Cookie": "a=b", "Location": "http://b.example/?token=t"}', 'ok', false, clock_timestamp())""",
            code,
        )

    shown = db.rows("select status_code, headers, content, body, truncated, timed_out from net.get_response(7)")

    headers = {"Set-Cookie": "[hidden]", "Location": "http://b.example/?token=[hidden]"}
    assert shown == [(200, headers, "ok", None, False, False)]
    assert db.rows("select * from net.get_response(8)") == []


def test_the_status_is_told_for_as_long_as_the_request_or_its_answer_is_kept(db):
    request = inserted(db)
    db.run("insert into net._http_response (id, status_code) values (%s, 200), (-1, 200)", request)
    db.run("insert into net._http_response (id, error_msg) values (-2, 'Timeout')")

    assert db.rows("select net.status(%s), net.status(-1), net.status(-2), net.status(-3)", request) == [
        ("PENDING", "SUCCESS", "ERROR", None)
    ]


def test_secrets_are_listed_without_their_values(db):
    db.run("""insert into net.secret (name, value, hosts, former, former_until) values
        ('crm', 'v', '{a.example}', 'f', clock_timestamp() + interval '1 hour'),
        ('old', 'v', '{b.example}', 'f', clock_timestamp())""")

    assert db.rows("select name, hosts, former_until is null from net.list_secrets()") == [
        ("crm", ["a.example"], False), ("old", ["b.example"], True)
    ]  # fmt: skip
