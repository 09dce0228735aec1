"""Requests of every shape that a generator can think of: an answer each, and never one that begins with 5."""

import json
from contextlib import suppress
from typing import Any

import httpx
import psycopg
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.api.conftest import serve

from hanjul.api import anybody, jobs_router, requests_router
from hanjul.api.request_schemas import RequestBody, WebhookBody
from hanjul.api.schemas import EnqueueBody, UniqueBody
from hanjul.jobs import Jobs
from hanjul.net.client import Http
from hanjul.postgres import Database

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.text(alphabet='\x00\ud800\udfff"\\{}', max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
unique = st.dictionaries(st.sampled_from(list(UniqueBody.model_fields)), anything, max_size=4)
body = st.fixed_dictionaries({"kind": st.just("mail") | anything}).flatmap(
    lambda given: st.dictionaries(st.sampled_from(list(EnqueueBody.model_fields)), anything | unique, max_size=4).map(
        lambda more: {**more, **given}
    )
)
raw = st.binary(max_size=60) | (body | anything).map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
headers = st.sampled_from([{}, {"Idempotency-Key": "k"}, {"Content-Type": "application/json; charset=\xff"}])
questions = st.tuples(
    st.sampled_from(["jobs", "processing", "queues", "jobs/{}", "jobs/{}/events", "jobs/{}/explain"]),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8),
    st.dictionaries(st.sampled_from(["status", "queue", "kind", "key", "limit", "before", "wait"]),
                    st.sampled_from(["failed", "pending", "1", "0", "-1", "0.01", "nan", "\x00", "", "9" * 30]), max_size=3),
)  # fmt: skip


def of_http(fields: list[str], **fixed: Any) -> Any:
    """Bodies with these fields, most of which fit."""
    some = st.sampled_from(
        ["http://a.example/", "a", "", "insert", "\x00", "AP8=", 1, -1, 0.5, {}, {"A": "b"}, ["insert"], [], None]
    )
    return st.dictionaries(st.sampled_from(fields), some | anything, max_size=4).map(lambda more: {**fixed, **more})


request_body = of_http([field.alias or name for name, field in RequestBody.model_fields.items()], url="http://a.example/")
webhook_body = of_http(list(WebhookBody.model_fields), table="orders", events=["insert"], url="http://a.example/")
http_questions = st.tuples(
    st.sampled_from(["requests", "requests/{}", "requests/{}/attempts", "webhooks", "webhooks/{}"]),
    st.sampled_from(["1", "2", "0", "-1", "9" * 19, "9" * 30, "a", "1.5"])
    | st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8),
    st.dictionaries(st.sampled_from(["status", "host", "webhook", "limit", "before", "wait"]),
                    st.sampled_from(["ERROR", "PENDING", "1", "0", "-1", "0.01", "nan", "\x00", "", "9" * 30]), max_size=3),
)  # fmt: skip
http_deeds = st.sampled_from(
    ["requests/{}/cancel", "requests/{}/retry", "webhooks/{}/pause", "webhooks/{}/resume", "webhooks/{}/test"]
)


async def answered(web: FastAPI, requests: list[Any]) -> list[httpx.Response]:
    """The answers to those requests that can be sent at all."""
    answers: list[httpx.Response] = []
    async with serve(web) as http:
        for method, path, how in requests:
            with suppress(httpx.InvalidURL, UnicodeEncodeError):
                answers.append(await http.request(method, path, **how))
    assert [answer for answer in answers if answer.status_code >= 500] == []
    assert all(answer.status_code < 400 or "detail" in answer.json() for answer in answers)
    return answers


async def test_no_request_makes_the_server_fail(jobs: Jobs) -> None:
    web = FastAPI()
    web.include_router(jobs_router(jobs, auth=anybody))
    requests: list[Any] = []

    @settings(max_examples=100, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(raw, headers, questions)
    def gather(content: bytes, more: dict[str, str], question: tuple[str, str, dict[str, str]]) -> None:
        path, name, parameters = question
        requests.append(("POST", "/jobs", {"content": content, "headers": {"Content-Type": "application/json", **more}}))
        requests.append(("GET", f"/{path.format(name)}", {"params": parameters}))

    gather()
    answers = await answered(web, requests)

    assert {200, 202, 422} <= {answer.status_code for answer in answers}


async def test_no_request_about_requests_or_webhooks_makes_the_server_fail(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create table orders (id bigint primary key, a text)")
    requests: list[Any] = []

    def as_json(body: Any) -> dict[str, Any]:
        return {"content": json.dumps(body).encode("utf-8", "surrogatepass"), "headers": {"Content-Type": "application/json"}}

    @settings(max_examples=100, database=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(request_body | anything, webhook_body | anything, headers, http_questions, http_deeds)
    def gather(request: Any, webhook: Any, more: dict[str, str], question: tuple[str, str, dict[str, str]], deed: str) -> None:
        path, name, parameters = question
        sent = as_json(request)
        requests.append(("POST", "/requests", {**sent, "headers": {**sent["headers"], **more}}))
        requests.append(("POST", "/webhooks", as_json(webhook)))
        requests.append(("GET", f"/{path.format(name)}", {"params": parameters}))
        requests.append(("POST", f"/{deed.format(name)}", {}))
        requests.append(("DELETE", f"/webhooks/{name}", {}))

    gather()
    web = FastAPI()
    async with Http(Database(dsn)) as client:
        web.include_router(requests_router(client, auth=anybody))
        answers = await answered(web, requests)

    assert {200, 201, 202, 404, 422} <= {answer.status_code for answer in answers}
