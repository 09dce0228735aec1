"""The API of HTTP requests and webhooks, as a client meets it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from tests.api.conftest import serve
from tests.net.conftest import Sender

from hanjul.api import anybody, requests_router
from hanjul.net.client import Http
from hanjul.postgres import Database

URL = "http://a.example/hook"
NOBODY = 987_654_321
TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture
async def client(dsn: str) -> AsyncIterator[Http]:
    async with Http(Database(dsn)) as client:
        yield client


@pytest.fixture
def web(client: Http) -> FastAPI:
    """An application of a user's, with the API for everybody under /hanjul."""
    web = FastAPI()
    web.include_router(requests_router(client, auth=anybody), prefix="/hanjul")
    return web


@pytest.fixture
def sender(dsn: str) -> Iterator[Sender]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield Sender(connection)


async def enqueued(http: httpx.AsyncClient, **body: Any) -> int:
    answer = await http.post("/hanjul/requests", json={"url": URL, **body})
    assert answer.status_code == 202, answer.text
    return int(answer.json()["id"])


async def test_enqueueing_answers_202_with_where_to_ask(http: httpx.AsyncClient) -> None:
    asked = {"method": "PUT", "json": {"to": "가나"}, "params": {"q": "a"}, "headers": {"Authorization": "t", "X-A": "b"},
             "timeout_ms": 250, "retry": {"max_attempts": 3, "statuses": "non-2xx"}, "ordering_key": "o", "delay_s": 60,
             "sign_with": "s", "max_redirects": 0}  # fmt: skip

    answer = await http.post("/hanjul/requests", json={"url": URL, **asked})
    shown = (await http.get(answer.headers["Location"])).json()

    assert answer.status_code == 202
    assert answer.json() == {"id": shown["id"], "status": "PENDING", "status_url": f"/hanjul/requests/{shown['id']}"}
    assert (shown["method"], shown["url"], json.loads(shown["body"])) == ("PUT", f"{URL}?q=a", {"to": "가나"})
    assert shown["headers"] == {"Authorization": "[hidden]", "X-A": "b", "Content-Type": "application/json"}
    assert (shown["timeout_milliseconds"], shown["max_attempts"], shown["ordering_key"], shown["sign_with"]) == (250, 3, "o", "s")
    assert (shown["options"], shown["retry"]) == ({"max_redirects": 0}, {"max_attempts": 3, "statuses": "non-2xx"})
    assert shown["response"] is None


async def test_a_body_is_json_text_or_bytes(http: httpx.AsyncClient, sender: Sender) -> None:
    for body in ({"json": [1]}, {"text": "a"}, {"bytes": "AP8="}):
        await enqueued(http, method="POST", **body)

    stored = sender.sql.execute("select body from net.http_request_queue order by id").fetchall()
    assert stored == [(b"[1]",), (b"a",), (b"\x00\xff",)]


async def test_a_request_shows_what_became_of_it(http: httpx.AsyncClient, sender: Sender) -> None:
    request = await enqueued(http, retry={})
    sender.settle("retry", status_code=503, delay_s=0, error="HTTP status 503")
    sender.settle(content="a\ufffd", body="Yf8=", headers={"Set-Cookie": "a=b"}, content_type="text/plain")

    shown = (await http.get(f"/hanjul/requests/{request}")).json()
    [first, second] = (await http.get(f"/hanjul/requests/{request}/attempts")).json()["attempts"]

    assert (shown["status"], shown["status_code"], shown["attempts"], shown["max_attempts"]) == ("SUCCESS", 200, 2, 5)
    assert (shown["response"]["content"], shown["response"]["body"]) == ("a\ufffd", "Yf8=")
    assert shown["response"]["headers"] == {"Set-Cookie": "[hidden]"}
    assert (first["status_code"], first["error_msg"], second["status_code"]) == (503, "HTTP status 503", 200)


async def test_the_answer_can_be_waited_for(http: httpx.AsyncClient, sender: Sender) -> None:
    request = await enqueued(http)

    late = (await http.get(f"/hanjul/requests/{request}", params={"wait": 0.1})).json()
    waiting = asyncio.create_task(http.get(f"/hanjul/requests/{request}", params={"wait": 30}))
    sender.settle(content="ok")

    assert (late["status"], late["response"]) == ("PENDING", None)
    assert (await waiting).json()["response"]["content"] == "ok"


async def test_requests_are_listed_in_pages_newest_first(http: httpx.AsyncClient, sender: Sender) -> None:
    ids = [await enqueued(http, url="http://b.example/?token=t", headers={"X": "y"}) for _ in range(5)]
    sender.fail("no such host")
    await enqueued(http)

    first = (await http.get("/hanjul/requests", params={"status": "ERROR", "host": "b.example", "limit": 2})).json()
    second = (await http.get(first["next"])).json()
    third = (await http.get(second["next"])).json()

    assert [line["id"] for page in (first, second, third) for line in page["requests"]] == ids[::-1]
    assert third["next"] is None
    assert (first["requests"][0]["url"], first["requests"][0]["error_msg"]) == (
        "http://b.example/?token=[hidden]",
        "no such host",
    )
    assert "headers" not in first["requests"][0]


async def test_a_request_is_cancelled_and_tried_again(http: httpx.AsyncClient, sender: Sender) -> None:
    request = await enqueued(http)

    cancelled = await http.post(f"/hanjul/requests/{request}/cancel")
    again = await http.post(f"/hanjul/requests/{request}/cancel")
    retried = await http.post(f"/hanjul/requests/{request}/retry")
    sender.claim()
    busy = await http.post(f"/hanjul/requests/{request}/retry")

    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "ERROR")
    assert (again.status_code, again.json()["type"]) == (409, "urn:problem-type:hanjul:invalid-status")
    assert (retried.status_code, retried.json()["status"]) == (202, "PENDING")
    assert retried.headers["Location"] == f"/hanjul/requests/{request}"
    assert (busy.status_code, "is on its way" in busy.json()["detail"]) == (409, True)


async def test_a_request_that_comes_again_with_its_key_is_the_first(http: httpx.AsyncClient) -> None:
    async def post(body: str, key: str = "order-7") -> httpx.Response:
        return await http.post("/hanjul/requests", json={"url": URL, "text": body}, headers={"Idempotency-Key": key})

    first, second, other, bad = await post("a"), await post("a"), await post("b"), await post("a", "k" * 300)

    assert first.json() == second.json()
    assert (other.status_code, "belongs to request" in other.json()["detail"]) == (422, True)
    assert (bad.status_code, "1 to 255 printable" in bad.json()["detail"]) == (422, True)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "scheme": ({"url": "ftp://a/"}, 'invalid URL "ftp://a/"'),
    "no URL": ({"url": None}, "body.url"),
    "method": ({"method": "BREW"}, "body.method"),
    "two bodies": ({"json": 1, "bytes": "AA=="}, "a request has one body: json, text or bytes"),
    "no base64": ({"bytes": "a"}, "it is not base64"),
    "line break": ({"headers": {"A": "b\r\nC: d"}}, "A"),
    "retry": ({"retry": {"max_attempts": 0}}, "max_attempts"),
    "unknown field": ({"colour": "red"}, "colour"),
    "no time zone": ({"not_before": "2030-01-01T00:00:00"}, "timezone"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_enqueued_is_refused_and_says_why(http: httpx.AsyncClient, case: str) -> None:
    body, words = REFUSED[case]

    answer = await http.post("/hanjul/requests", json={"url": URL, **body})

    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/attempts"), ("POST", "/cancel"), ("POST", "/retry")])
async def test_a_request_that_is_not_there_is_told_so(http: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await http.request(method, f"/hanjul/requests/{NOBODY}{path}")

    assert (answer.status_code, answer.json()["type"]) == (404, "urn:problem-type:hanjul:request-not-found")
    assert (await http.request(method, f"/hanjul/requests/seven{path}")).status_code == 422
    assert (await http.request(method, f"/hanjul/requests/{2**63}{path}")).status_code == 422


async def test_who_has_no_token_sees_nothing(client: Http) -> None:
    web = FastAPI()
    web.include_router(requests_router(client, auth=TOKEN))
    async with serve(web) as http:
        refused = [await http.get(path) for path in ("/requests", "/webhooks", "/requests/1")]
        allowed = await http.get("/requests", headers={"Authorization": f"Bearer {TOKEN}"})

    assert {answer.status_code for answer in refused} == {401}
    assert allowed.json() == {"requests": [], "next": None}


async def test_a_webhook_is_made_tested_paused_and_dropped(http: httpx.AsyncClient, sender: Sender) -> None:
    sender.sql.execute("create table orders (id bigint primary key)")
    body = {"table": "orders", "events": ["insert"], "url": URL, "headers": {"X-Api-Key": "k"}, "retry": {"max_attempts": 3}}

    made = await http.post("/hanjul/webhooks", json=body)
    tested = await http.post("/hanjul/webhooks/orders_insert/test")
    paused = await http.post("/hanjul/webhooks/orders_insert/pause", json={"reason": "receiver moves"})
    sender.sql.execute("insert into orders values (1)")
    [webhook] = (await http.get("/hanjul/webhooks")).json()["webhooks"]
    resumed = await http.post("/hanjul/webhooks/orders_insert/resume")
    [request, _test] = (await http.get("/hanjul/requests")).json()["requests"]
    dropped = await http.delete("/hanjul/webhooks/orders_insert")

    assert (made.status_code, made.json()["name"]) == (201, "orders_insert")
    assert made.json()["signing_secret"].startswith("whsec_")
    assert (await http.get(tested.headers["Location"])).json()["sign_with"] == made.json()["signed_with"]
    assert (webhook["state"], webhook["state_why"], webhook["pending"]) == ("paused", "receiver moves", 1)
    assert (webhook["headers"]["X-Api-Key"], webhook["retry"]["max_attempts"]) == ("[hidden]", 3)
    assert request["webhook"] == "orders_insert"
    assert [answer.status_code for answer in (tested, paused, resumed, dropped)] == [202, 204, 204, 204]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"table": "none"}, 404, 'relation "none" does not exist'),
        ({"table": "pg_stat_activity"}, 422, "pg_stat_activity"),
        ({"ordering": ["none"]}, 422, "none"),
        ({"events": ["explode"]}, 422, "events"),
        ({"condition": "true"}, 422, "condition"),
    ],
)
async def test_webhooks_that_cannot_be_are_refused(
    http: httpx.AsyncClient, sender: Sender, body: dict[str, Any], status: int, words: str
) -> None:
    sender.sql.execute("create table orders (id bigint primary key)")

    answer = await http.post("/hanjul/webhooks", json={"table": "orders", "events": ["insert"], "url": URL, **body})

    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text


@pytest.mark.parametrize(("method", "path"), [("DELETE", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/test")])
async def test_a_webhook_that_is_not_there_is_told_so(http: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await http.request(method, f"/hanjul/webhooks/none{path}")

    assert (answer.status_code, answer.json()["type"]) == (404, "urn:problem-type:hanjul:not-found")


async def test_the_api_describes_itself(http: httpx.AsyncClient) -> None:
    described = (await http.get("/openapi.json")).json()

    assert set(described["paths"]) == {f"/hanjul/{path}" for path in (
        "requests", "requests/{request_id}", "requests/{request_id}/attempts", "requests/{request_id}/cancel",
        "requests/{request_id}/retry", "webhooks", "webhooks/{name}", "webhooks/{name}/pause", "webhooks/{name}/resume",
        "webhooks/{name}/test",
    )}  # fmt: skip
    post = described["paths"]["/hanjul/requests"]["post"]
    assert set(post["responses"]) >= {"202", "4XX", "503"}
    assert {"url", "json", "bytes"} <= set(described["components"]["schemas"]["RequestBody"]["properties"])
