"""Whatever is sent: a problem document that says what is wrong, never a 500, and nothing has changed."""

import json
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from tests.api.conftest import serve

from hanjul import App
from hanjul.api import anybody, jobs_router
from hanjul.jobs import Jobs

JSON = {"Content-Type": "application/json"}
NOBODY = "01900000-0000-7000-8000-000000000000"
NESTED = "[" * 150 + "]" * 150
TOO_NESTED = "[" * 200_000 + "]" * 200_000

BODIES: dict[str, tuple[int, str]] = {
    "": (422, "body: Field required"),
    "nonsense": (400, "body"),
    '{"kind": "mail"': (400, "body"),
    '"mail"': (422, "body"),
    "[]": (422, "body"),
    "null": (422, "body"),
    "{}": (422, "body.kind: Field required"),
    '{"kind": ""}': (422, "body.kind"),
    '{"kind": 7}': (422, "body.kind"),
    '{"kind": null}': (422, "body.kind"),
    f'{{"kind": "{"x" * 201}"}}': (422, "body.kind"),
    '{"kind": "a\\u0000b"}': (422, "kind must be text without NUL"),
    '{"kind": "\\ud800"}': (422, "body.kind"),
    '{"kind": "mail", "payload": NaN}': (422, "nan is not a JSON number"),
    '{"kind": "mail", "payload": [Infinity]}': (422, "inf is not a JSON number"),
    '{"kind": "mail", "payload": 1e400}': (422, "inf is not a JSON number"),
    '{"kind": "mail", "payload": "a\\u0000b"}': (422, "\\u0000"),
    '{"kind": "mail", "payload": {"a\\u0000": 1}}': (422, "\\u0000"),
    '{"kind": "mail", "payload": "\\ud800"}': (422, "surrogate"),
    '{"kind": "mail", "metadata": {"a": "\\ud800"}}': (422, "surrogate"),
    '{"kind": "mail", "metadata": NaN}': (422, "nan is not a JSON number"),
    f'{{"kind": "mail", "payload": {NESTED}}}': (422, "nested more than 100 levels"),
    f'{{"kind": "mail", "metadata": {NESTED}}}': (422, "nested more than 100 levels"),
    f'{{"kind": "mail", "payload": {TOO_NESTED}}}': (400, "parsing the body"),
    f'{{"kind": "mail", "payload": {"9" * 5000}}}': (400, ""),
    '{"kind": "mail", "priority": 2147483648}': (422, "body.priority"),
    '{"kind": "mail", "priority": 0.5}': (422, "body.priority"),
    '{"kind": "mail", "max_retries": -1}': (422, "body.max_retries"),
    '{"kind": "mail", "delay_s": -1}': (422, "body.delay_s"),
    '{"kind": "mail", "delay_s": NaN}': (422, "body.delay_s"),
    '{"kind": "mail", "timeout_s": 0}': (422, "body.timeout_s"),
    '{"kind": "mail", "run_at": "tomorrow"}': (422, "body.run_at"),
    '{"kind": "mail", "run_at": "2030-01-01T00:00:00"}': (422, "body.run_at"),
    '{"kind": "mail", "run_at": "9999-12-31T23:59:59Z"}': (422, "run_at must lie between"),
    '{"kind": "mail", "run_at": "2030-01-01T00:00:00Z", "delay_s": 1}': (422, "exclude each other"),
    '{"kind": "mail", "key": {}}': (422, "body.key"),
    f'{{"kind": "mail", "key": "{"k" * 1001}"}}': (422, "body.key"),
    '{"kind": "mail", "unique": {"fields": ["session_id"]}}': (422, "session_id"),
    '{"kind": "mail", "unique": {"over": []}}': (422, "body.unique.over"),
    '{"kind": "mail", "unique": {"over": ["gone"]}}': (422, "body.unique.over"),
    f'{{"kind": "mail", "payload": ["{"x" * 2000}"], "unique": {{"payload": true}}}}': (422, "unique_key must be text of 1"),
    '{"kind": "mail", "retries": 3}': (422, "body.retries: Extra inputs are not permitted"),
}  # fmt: skip


def assert_problem(answer: httpx.Response, status: int, said: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert {"type", "title", "status", "detail"} <= set(document)
    assert said.lower() in document["detail"].lower()


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:60] or "nothing")
async def test_a_body_that_is_no_job_is_refused(http: httpx.AsyncClient, jobs: Jobs, body: str) -> None:
    status, said = BODIES[body]

    answer = await http.post("/hanjul/jobs", content=body, headers=JSON)

    assert_problem(answer, status, said)
    assert await jobs.counts() == []


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"\xff\xfe{}", JSON),
        (b'{"kind": "\xff"}', JSON),
        (b"kind=mail", {"Content-Type": "application/x-www-form-urlencoded"}),
        (b'{"kind": "mail"}', {"Content-Type": "text/plain"}),
        (b'{"kind": "mail"}', {}),
    ],
    ids=["no UTF-8", "no UTF-8 inside", "a form", "as text", "as nothing"],
)
async def test_a_body_that_is_not_json_is_refused(http: httpx.AsyncClient, content: bytes, headers: dict[str, str]) -> None:
    answer = await http.post("/hanjul/jobs", content=content, headers=headers)

    assert 400 <= answer.status_code < 500
    assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_huge_body_is_refused_whatever_it_says_of_its_length(http: httpx.AsyncClient, jobs: Jobs) -> None:
    async def endless() -> Any:
        yield b'{"kind": "mail", "payload": "'
        for _ in range(64):
            yield b"x" * 65536

    told = await http.post("/hanjul/jobs", content=json.dumps({"kind": "mail", "payload": "x" * (1 << 20)}), headers=JSON)
    untold = await http.post("/hanjul/jobs", content=endless(), headers=JSON)

    assert_problem(told, 413, "more than 1,048,576 bytes")
    assert_problem(untold, 413, "more than 1,048,576 bytes")
    assert await jobs.counts() == []


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        (f"jobs/{NOBODY}", 404, f"job {NOBODY} does not exist"),
        (f"jobs/{NOBODY}?wait=1", 404, "does not exist"),
        (f"jobs/{NOBODY}/events", 404, "does not exist"),
        ("jobs/ffffffff-ffff-ffff-ffff-ffffffffffff", 404, "does not exist"),
        ("jobs/7", 422, "path.job_id"),
        ("jobs/%00", 422, "path.job_id"),
        (f"jobs/{NOBODY}?wait=61", 422, "query.wait"),
        (f"jobs/{NOBODY}?wait=nan", 422, "query.wait"),
        (f"jobs/{NOBODY}?wait=-1", 422, "query.wait"),
        ("jobs", 422, "query.status"),
        ("jobs?status=lost", 422, "query.status"),
        ("jobs?status=failed&limit=0", 422, "query.limit"),
        ("jobs?status=failed&limit=201", 422, "query.limit"),
        ("jobs?status=failed&limit=1e9", 422, "query.limit"),
        ("jobs?status=failed&before=7", 422, "query.before"),
        ("jobs?status=failed&queue=", 422, "query.queue"),
        ("jobs?status=failed&kind=%00", 422, "NUL"),
        ("jobs?status=failed&key=%00", 422, "NUL"),
        ("processing?queue=%00", 422, "NUL"),
        ("processing?limit=x", 422, "query.limit"),
        ("processing?before=x", 422, "query.before"),
    ],
)
async def test_a_question_that_cannot_be_is_refused(http: httpx.AsyncClient, path: str, status: int, said: str) -> None:
    assert_problem(await http.get(f"/hanjul/{path}"), status, said)


@pytest.mark.parametrize("what", ["cancel", "retry"])
async def test_what_is_done_to_a_job_that_is_not_is_refused(http: httpx.AsyncClient, what: str) -> None:
    assert_problem(await http.post(f"/hanjul/jobs/{NOBODY}/{what}"), 404, "does not exist")
    assert_problem(await http.post(f"/hanjul/jobs/x/{what}"), 422, "path.job_id")


async def test_other_methods_are_refused(http: httpx.AsyncClient) -> None:
    for method, path in (("PUT", "jobs"), ("DELETE", f"jobs/{NOBODY}"), ("GET", f"jobs/{NOBODY}/retry"), ("POST", "queues")):
        assert (await http.request(method, f"/hanjul/{path}")).status_code == 405


async def test_a_payload_that_does_not_fit_its_kind_is_refused(dsn: str) -> None:
    app, web = App(dsn), FastAPI()

    @app.job("sum")
    async def add(numbers: list[int]) -> int:
        return sum(numbers)

    web.include_router(jobs_router(app, auth=anybody))
    async with app, serve(web) as http:
        bad = await http.post("/jobs", json={"kind": "sum", "payload": ["one"]})
        good = await http.post("/jobs", json={"kind": "sum", "payload": [1, 2]})
        done = await http.get(good.headers["Location"], params={"wait": 20})

    assert_problem(bad, 422, "Expected `int`, got `str`")
    assert (done.json()["status"], done.json()["result"]) == ("completed", 3)


async def test_what_is_stored_is_shown_however_strange(http: httpx.AsyncClient, jobs: Jobs, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        [[job]] = connection.execute(
            "select hanjul.enqueue_job('mail', ('[' || repeat('9', 400) || '.5, ' || repeat('9', 400) || ']')::jsonb)"
        )
        [[deep]] = connection.execute("select hanjul.enqueue_job('mail', (repeat('[', 800) || repeat(']', 800))::jsonb)")

    answers = [await http.get(f"/hanjul/jobs/{one}") for one in (job, deep)]
    answers.append(await http.get("/hanjul/jobs?status=pending"))

    assert [answer.status_code for answer in answers] == [200, 200, 200]


async def test_what_is_nested_too_deeply_to_be_shown_says_so(http: httpx.AsyncClient, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        [[job]] = connection.execute("select hanjul.enqueue_job('mail', (repeat('[', 3000) || repeat(']', 3000))::jsonb)")

    assert_problem(await http.get(f"/hanjul/jobs/{job}"), 500, "nested too deeply")
