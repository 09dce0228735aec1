"""The HTTP client and its twin: what is enqueued, how it is waited for, what people do with requests."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.net.conftest import Sender
from tests.queues.test_transactions import ASYNC, SYNC, Doors, TakeItBack

import hanjul
from hanjul import (
    App,
    BadInput,
    HttpRequest,
    HttpRetry,
    HttpSync,
    InvalidMessage,
    InvalidSettings,
    InvalidStatus,
    MessageTooLarge,
    NotFound,
    RequestFailed,
    RequestNotFound,
    Settings,
)
from hanjul.model.errors import SchemaMismatch
from hanjul.net.client import Http
from hanjul.postgres import Database
from hanjul.postgres.database_sync import DatabaseSync

URL = "http://a.example/hook"
NOBODY = 987_654_321


async def test_a_request_is_enqueued_with_all_that_is_said_of_it(http: Http) -> None:
    due = datetime.now(UTC) + timedelta(hours=1)
    policy = HttpRetry(max_attempts=3, statuses="non-2xx", errors=["dns", "timeout"], retry_after=False)

    handle = await http.put(
        URL, json={"to": "가나", "n": 2**60}, params={"q": "a b", "n": 7}, headers={"X-A": "b"}, timeout_ms=250, retry=policy,
        idempotency_key="k", ordering_key="o", not_before=due, sign_with="s", max_response_bytes=10, max_redirects=0,
    )  # fmt: skip

    asked = await handle.get()
    assert (asked.id, asked.method, asked.url.lower()) == (handle.id, "PUT", f"{URL}?n=7&q=a%20b")
    assert asked.body == '{"n": 1152921504606846976, "to": "가나"}'.encode()
    assert asked.headers == {"X-A": "b", "Content-Type": "application/json", "Idempotency-Key": "k"}
    assert (asked.timeout_milliseconds, asked.max_attempts, asked.next_attempt_at) == (250, 3, due)
    assert asked.retry == {"max_attempts": 3, "statuses": "non-2xx", "errors": ["dns", "timeout"], "retry_after": False}
    assert (asked.ordering_key, asked.idempotency_key, asked.sign_with) == ("o", "k", "s")
    assert (asked.options, asked.status, asked.attempts) == ({"max_response_bytes": 10, "max_redirects": 0}, "PENDING", 0)


@pytest.mark.parametrize(
    ("body", "stored", "content_type"),
    [
        ({"json": [1, None]}, b"[1, null]", "application/json"),
        ({"text": "가"}, "가".encode(), "text/plain; charset=utf-8"),
        ({"data": b"\x00\xff"}, b"\x00\xff", "application/octet-stream"),
        ({"text": "<a/>", "headers": {"content-type": "text/xml"}}, b"<a/>", None),
        ({}, None, None),
    ],
)
async def test_a_body_says_its_type_unless_the_headers_do(
    http: Http, body: dict[str, Any], stored: bytes | None, content_type: str | None
) -> None:
    asked = await (await http.post(URL, **body)).get()

    assert asked.body == stored
    assert (asked.headers or {}).get("Content-Type") == content_type


@pytest.mark.parametrize("method", ["get", "head", "post", "put", "patch", "delete"])
async def test_every_method_has_its_call(http: Http, method: str) -> None:
    handle = await getattr(http, method)(URL, delay_s=60)

    asked = await handle.get()
    assert (asked.method, asked.url, asked.timeout_milliseconds) == (method.upper(), URL, 5000)
    assert 59 < (asked.next_attempt_at - asked.created).total_seconds() < 61


async def test_many_are_enqueued_in_one_commit_and_in_their_order(http: Http) -> None:
    ids = await http.request_many(HttpRequest("POST", f"{URL}/{n}", json=n) for n in range(2500))

    assert list(ids) == sorted(set(ids))
    assert len(ids) == 2500
    assert [line.url for line in await http.requests(limit=2)] == [f"{URL}/2499", f"{URL}/2498"]


async def test_one_bad_request_among_many_enqueues_none(http: Http) -> None:
    good = HttpRequest("GET", URL)

    for before in (1, 1000, 1500):  # they travel by the thousand
        with pytest.raises(BadInput, match=f'^request {before + 1}: invalid URL "nonsense"'):
            await http.request_many([*[good] * before, HttpRequest("GET", "nonsense")])
    with pytest.raises(InvalidMessage, match=r"^request 1002: .*has no JSON form"):
        await http.request_many([*[good] * 1001, HttpRequest("POST", URL, json=object())])
    with pytest.raises(BadInput, match=r"requests must be a list of hanjul\.HttpRequest"):
        await http.request_many(good)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(BadInput, match=r"requests must be hanjul\.HttpRequest, not 'GET'"):
        await http.request_many(["GET"])  # type: ignore[list-item]

    assert await http.requests() == []


async def test_of_those_that_share_a_commit_only_the_bad_one_hears_of_it(http: Http) -> None:
    urls = [f"{URL}/{n}" for n in range(20)] + ["nonsense"]

    done = await asyncio.gather(*[http.get(url) for url in urls], return_exceptions=True)

    assert [type(one) for one in done] == [hanjul.RequestHandle] * 20 + [BadInput]
    assert len(await http.requests()) == 20


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no URL": ({"url": 7}, BadInput, "url must be text, not 7"),
    "scheme": ({"url": "ftp://a/"}, BadInput, 'invalid URL "ftp://a/": '),
    "method": ({"method": "BREW"}, BadInput, "method must be GET, POST"),
    "two bodies": ({"json": 1, "text": "a"}, BadInput, "a request has one body: json, text or data"),
    "bytes as text": ({"text": b"a"}, BadInput, "text must be text, not bytes; data= takes bytes"),
    "text as bytes": ({"data": "a"}, BadInput, "data must be bytes, not str; text= takes text"),
    "no JSON": ({"json": object()}, InvalidMessage, "object has no JSON form"),
    "NUL": ({"text": "a\x00b"}, InvalidMessage, "u0000"),
    "half a character": ({"text": "\ud800"}, InvalidMessage, ""),
    "too large": ({"text": "x" * 3000}, MessageTooLarge, "the limit is 2,000"),
    "headers": ({"headers": ["a"]}, BadInput, "headers"),
    "line break in a header": ({"headers": {"A": "b\r\nC: d"}}, BadInput, "A"),
    "negative timeout": ({"timeout_ms": -1}, BadInput, "timeout_milliseconds must be 0 (none) or more, not -1"),
    "retry": ({"retry": {"max_attempts": 3}}, BadInput, "retry must be a hanjul.HttpRetry, not {'max_attempts': 3}"),
    "attempts": ({"retry": HttpRetry(max_attempts=0)}, BadInput, "max_attempts"),
    "errors": ({"retry": HttpRetry(errors=["weather"])}, BadInput, "errors"),
    "both times": ({"delay_s": 1, "not_before": datetime.now(UTC)}, BadInput, "not_before and delay_s exclude each other"),
    "no time zone": ({"not_before": datetime(2030, 1, 1)}, BadInput, "not_before must be a datetime with a time zone"),
    "year 9999": ({"not_before": datetime(9999, 1, 1, tzinfo=UTC)}, BadInput, "not_before"),
    "delay": ({"delay_s": "soon"}, BadInput, "delay_s must be from 0 to 315360000 seconds, or a timedelta, not 'soon'"),
    "NaN": ({"delay_s": float("nan")}, BadInput, "delay_s must be from 0"),
    "redirects": ({"max_redirects": -1}, BadInput, "max_redirects"),
    "key": ({"idempotency_key": "k" * 300}, BadInput, "idempotency_key must be 1 to 255"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_enqueued_is_refused_and_says_why(dsn: str, case: str) -> None:
    how, error, words = REFUSED[case]
    asked = {"method": "POST", "url": URL, **how}
    async with Http(Database(dsn), max_body_bytes=2000) as http:
        with pytest.raises(error) as refused:
            await http.request(**asked)

        assert words in str(refused.value)
        assert "CONTEXT" not in str(refused.value)
        assert await http.requests() == []


async def test_a_second_request_with_an_idempotency_key_is_the_first(http: Http) -> None:
    first = await http.post(URL, json={"order": 7}, idempotency_key="order-7")
    second = await http.post(URL, json={"order": 7}, idempotency_key="order-7")

    assert first.id == second.id
    with pytest.raises(BadInput, match='the idempotency key "order-7" belongs to request'):
        await http.post(URL, json={"order": 8}, idempotency_key="order-7")


@pytest.fixture(params=[*[("async", name) for name in ASYNC], *[("sync", name) for name in SYNC]], ids=" ".join)
async def doors(request: pytest.FixtureRequest, dsn: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    kind, name = request.param
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # the sync client is called from the test's own loop
    if kind == "async":
        async with Http(Database(dsn, max_connections=2)) as http:
            yield Doors(dsn, http, ASYNC[name])
    else:
        with HttpSync(DatabaseSync(dsn, max_connections=2)) as sync:
            yield Doors(dsn, sync, SYNC[name])


async def test_a_request_is_there_when_the_users_transaction_commits_and_not_before(doors: Doors) -> None:
    async with doors.begin() as tx:
        first = await doors.ask("post", URL, json={"a": ["%s :p1 $1"]}, tx=tx)
        second = await doors.ask("put", URL, data=b"\x00", tx=tx)
        many = await doors.ask("request_many", [HttpRequest("GET", URL)] * 2, tx=tx)
        assert await doors.ask("requests") == []

    assert [line.id for line in await doors.ask("requests")] == [*many[::-1], second.id, first.id]
    assert (await doors.ask("get_request", first.id)).body == b'{"a": ["%s :p1 $1"]}'


async def test_nothing_is_left_of_a_request_whose_transaction_rolls_back(doors: Doors) -> None:
    kept = await doors.ask("get", URL)

    with pytest.raises(TakeItBack):  # noqa: PT012  (the transaction is the block)
        async with doors.begin() as tx:
            await doors.ask("get", URL, tx=tx)
            await doors.ask("cancel", kept.id, tx=tx)
            raise TakeItBack

    assert [(line.id, line.status) for line in await doors.ask("requests")] == [(kept.id, "PENDING")]


async def test_an_answer_of_any_status_is_a_result_where_there_is_no_policy(http: Http, sender: Sender) -> None:
    handle = await http.get(URL)
    waiting = asyncio.create_task(handle.result(timeout_s=30))
    sender.settle(status_code=500, content_type="text/plain", headers={"Set-Cookie": "a=b", "X": "y"}, content="oh")

    answer = await waiting

    assert (answer.status_code, answer.ok, answer.reason, answer.text) == (500, False, "Internal Server Error", "oh")
    assert answer.headers == {"Set-Cookie": "[hidden]", "X": "y"}
    assert await http.response(handle.id) == answer
    assert (await handle.get()).status == "SUCCESS"


async def test_a_request_that_failed_raises_and_says_why(http: Http, sender: Sender) -> None:
    alone = await http.get(URL)
    sender.fail()
    retried = await http.post(URL, retry=HttpRetry(max_attempts=2))
    sender.settle("error", status_code=503, error="HTTP status 503 after 2 attempts")

    with pytest.raises(RequestFailed, match=rf"request {alone.id} \(GET {URL}\) failed: Couldn't connect to server$"):
        await alone.result()
    with pytest.raises(RequestFailed, match=r"503 after 2 attempts \(its last answer: 503\)") as failed:
        await retried.result()
    assert (failed.value.request_id, failed.value.status_code) == (retried.id, 503)


async def test_an_answer_is_found_where_finished_requests_are_not_kept(http: Http, sender: Sender) -> None:
    sender.sql.execute("insert into net.config (name, value) values ('pg_net.queue_retention', '0')")
    well, badly = await http.get(URL), await http.get(URL, ordering_key="later")
    sender.settle(content="ok")
    sender.sql.execute("update net._http_response set status_code = null, error_msg = 'no' where id = %s", [badly.id])

    assert (await well.result()).text == "ok"
    with pytest.raises(RequestFailed, match=rf"request {badly.id} failed: no$"):
        await badly.result()
    with pytest.raises(RequestNotFound):
        await well.get()


async def test_waiting_ends_in_time_and_for_what_does_not_exist_at_once(http: Http) -> None:
    handle = await http.get(URL)

    with pytest.raises(TimeoutError, match=r"had not ended after 0\.1 s"):
        await handle.result(timeout_s=0.1)
    for call in (http.result, http.status, http.get_request, http.cancel, http.retry):
        with pytest.raises(RequestNotFound, match=f"there is no request {NOBODY}"):
            await call(NOBODY)
        with pytest.raises(BadInput, match="a request's id is a whole number, not 'seven'"):
            await call("seven")  # type: ignore[arg-type]  # that is the point
    assert await http.response(NOBODY) is None
    assert await http.attempts(NOBODY) == []


async def test_an_answer_that_is_no_longer_kept_is_told_so(http: Http, sender: Sender) -> None:
    handle = await http.get(URL)
    sender.settle()
    sender.sql.execute("truncate net._http_response")

    with pytest.raises(NotFound, match=r"is no longer kept; pg_net\.ttl"):
        await handle.result()


@pytest.mark.parametrize(
    ("answer", "data"),
    [
        ({"content": "é", "content_type": "text/plain; charset=ISO-8859-1"}, b"\xe9"),
        ({"content": "é", "content_type": "application/json"}, "é".encode()),
        ({"content": "é", "content_type": "text/plain; charset=none-such"}, "é".encode()),
        ({"content": "a\ufffd", "body": "YQD/"}, b"a\x00\xff"),
        ({}, b""),
    ],
)
async def test_an_answers_bytes_are_those_that_came(http: Http, sender: Sender, answer: dict[str, Any], data: bytes) -> None:
    handle = await http.get(URL)
    sender.settle(**answer)

    assert (await handle.result()).data == data


async def test_an_answer_is_read_as_json(http: Http, sender: Sender) -> None:
    full, empty = await http.get(URL, ordering_key="1"), None
    sender.settle(content='{"id": 7}')
    empty = await http.head(URL)
    sender.settle(content=None)

    assert (await full.result()).json() == {"id": 7}
    with pytest.raises(InvalidMessage, match="no int"):
        (await full.result()).json(int)
    with pytest.raises(InvalidMessage, match=f"the answer to request {empty.id} has no body"):
        (await empty.result()).json()


async def test_a_request_is_cancelled_tried_again_and_redriven(http: Http, sender: Sender) -> None:
    handle = await http.get(URL, delay_s=60)
    await handle.cancel()
    assert (await handle.get()).status == "ERROR"
    with pytest.raises(InvalidStatus, match=f"request {handle.id} has ended already"):
        await handle.cancel()

    await http.retry(handle.id)
    assert await http.status(handle.id) == "PENDING"
    assert sender.fail() == [handle.id]
    assert await http.redrive([handle.id, NOBODY]) == 1
    assert await http.status(handle.id) == "PENDING"
    assert await http.redrive() == 0


async def test_a_request_that_is_on_its_way_cannot_be_tried_again(http: Http, sender: Sender) -> None:
    handle = await http.get(URL)
    sender.claim()

    with pytest.raises(InvalidStatus, match="is on its way just now"):
        await http.retry(handle.id)


async def test_requests_are_listed_in_pages_and_counted(http: Http, sender: Sender) -> None:
    failed = await http.get("http://b.example/?token=t")
    sender.fail()
    waiting = [await http.get(URL) for _ in range(3)]

    [first, second] = await http.requests("PENDING", limit=2)
    [third] = await http.requests("PENDING", before=second.id)
    assert [first.id, second.id, third.id] == [handle.id for handle in waiting][::-1]
    [line] = await http.requests("ERROR", host="b.example")
    assert (line.id, line.url) == (failed.id, "http://b.example/?token=[hidden]")
    counts = await http.counts()
    assert (counts.pending, counts.sending, counts.failed, counts.estimated) == (3, 0, 1, False)
    with pytest.raises(BadInput, match="status must be PENDING, SUCCESS or ERROR, not 'gone'"):
        await http.requests("gone")  # type: ignore[arg-type]


async def test_every_attempt_is_on_record(http: Http, sender: Sender) -> None:
    handle = await http.get(URL, retry=HttpRetry())
    sender.settle("retry", status_code=503, delay_s=0, error="HTTP status 503")
    sender.settle(status_code=200)

    [first, second] = await http.attempts(handle.id)
    assert (first.attempt, first.status_code, first.error_msg, first.duration_ms) == (1, 503, "HTTP status 503", 1.5)
    assert first.retry_at is not None
    assert (second.attempt, second.status_code, second.retry_at) == (2, 200, None)


async def test_secrets_are_set_rotated_and_dropped_and_never_shown(http: Http) -> None:
    await http.set_secret("crm", "abc", ["API.example"])
    await http.rotate_secret("crm", "def", keep=timedelta(hours=1))

    [secret] = await http.secrets()
    assert (secret.name, secret.hosts) == ("crm", ["api.example"])
    assert secret.former_until is not None
    assert [await http.drop_secret("crm"), await http.drop_secret("crm")] == [True, False]
    with pytest.raises(NotFound, match="there is no secret 'crm'"):
        await http.rotate_secret("crm", "ghi")
    with pytest.raises(BadInput, match=r"hosts must be a list of host names, as in \['a'\], not 'a'"):
        await http.set_secret("crm", "abc", "a")


def test_the_sync_client_does_the_same(dsn: str, sender: Sender) -> None:
    with HttpSync(DatabaseSync(dsn)) as http:
        handle = http.post(URL, json=[1])
        ids = http.request_many([HttpRequest("GET", URL)])
        sender.settle(content="ok")

        assert handle.result(timeout_s=30).text == "ok"
        assert http.result(ids[0]).ok
        with pytest.raises(RequestNotFound):
            http.result(NOBODY)


async def test_an_app_has_the_client_while_it_runs(dsn: str) -> None:
    app = App(config=Settings(database_url=dsn))
    with pytest.raises(InvalidSettings, match=r"app\.http is there while the app runs"):
        _ = app.http

    async with app:
        handle = await app.http.get(URL)
        assert app.http is app.http
    async with app.clients():
        assert (await app.http.get_request(handle.id)).status == "PENDING"


async def test_clients_are_made_for_the_database_that_is_named(dsn: str) -> None:
    async with hanjul.connect_http(dsn) as http:
        handle = await http.get(URL)

    def later() -> str:
        with hanjul.connect_http_sync(dsn) as sync:
            return sync.status(handle.id)

    assert await asyncio.to_thread(later) == "PENDING"


async def test_a_database_without_our_schema_says_what_to_do(empty_dsn: str) -> None:
    async with Http(Database(empty_dsn)) as http:
        with pytest.raises(SchemaMismatch, match="run `hanjul migrate`"):
            await http.get(URL)


async def test_thousands_that_are_enqueued_at_once_share_commits(http: Http) -> None:
    began = time.monotonic()

    handles = await asyncio.gather(*[http.get(URL) for _ in range(3000)])

    assert len({handle.id for handle in handles}) == 3000
    assert time.monotonic() - began < 30
