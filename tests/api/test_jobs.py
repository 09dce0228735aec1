"""The status API of jobs, as a client meets it."""

import asyncio
import json
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from tests.api.conftest import serve

from hanjul import Unique
from hanjul.api import anybody
from hanjul.api.jobs import mounted
from hanjul.api.schemas import UniqueBody
from hanjul.api.service import Service
from hanjul.jobs import Jobs
from hanjul.testing.waiting import until

NOBODY = UUID("01900000-0000-7000-8000-000000000000")


async def enqueued(http: httpx.AsyncClient, **body: Any) -> str:
    answer = await http.post("/hanjul/jobs", json={"kind": "mail", **body})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


@pytest.fixture
def db(dsn: str) -> Any:
    """What a worker does, in SQL."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


FETCH = "select id, attempt from hanjul.fetch_next_job('w1', 'default', 60)"


async def test_enqueueing_answers_202_with_where_to_ask(http: httpx.AsyncClient, jobs: Jobs) -> None:
    asked = {"payload": {"to": "ada", "n": 2**70, "x": 0.5}, "queue": "slow", "priority": -1, "max_retries": 7, "timeout_s": 2.5,
             "key": "order-7", "metadata": [1], "delay_s": 60}  # fmt: skip

    answer = await http.post("/hanjul/jobs", json={"kind": "mail", **asked})
    shown = (await http.get(answer.headers["Location"])).json()

    assert answer.status_code == 202
    assert answer.json() == {"id": shown["id"], "status": "pending", "status_url": f"/hanjul/jobs/{shown['id']}"}
    assert {name: shown[name] for name in asked if name != "delay_s"} == {n: v for n, v in asked.items() if n != "delay_s"}
    record = await jobs.get(shown["id"])
    assert (record.run_at - record.created_at).total_seconds() == pytest.approx(60)


async def test_a_job_shows_what_became_of_it(http: httpx.AsyncClient, db: Any) -> None:
    job = await enqueued(http, payload=[1])
    db.execute(FETCH)
    db.execute("select hanjul.heartbeat(%s, 1, 60, 0.5, 'half')", [job])
    running = (await http.get(f"/hanjul/jobs/{job}")).json()
    db.execute("select hanjul.complete_job(%s, 1, '{\"ok\": true}')", [job])

    ended = (await http.get(f"/hanjul/jobs/{job}")).json()

    assert (running["status"], running["worker_id"], running["attempt"]) == ("processing", "w1", 1)
    assert (running["progress"], running["progress_note"]) == (0.5, "half")
    assert running["leased_until"] is not None
    assert (ended["status"], ended["result"], ended["progress"], ended["error_message"]) == ("completed", {"ok": True}, 1, None)


async def test_what_failed_is_listed_with_why_in_pages_newest_first(http: httpx.AsyncClient, db: Any) -> None:
    ids = [await enqueued(http, payload={"n": n}) for n in range(5)]
    db.execute(
        "select hanjul.fail_job(id, attempt, 'no such file', final => true) from hanjul.fetch_next_jobs('w', '{default}', 5)"
    )

    first = (await http.get("/hanjul/jobs", params={"status": "failed", "queue": "default", "limit": 2})).json()
    second = (await http.get(first["next"])).json()
    third = (await http.get(second["next"])).json()

    assert [job["id"] for page in (first, second, third) for job in page["jobs"]] == ids[::-1]
    assert third["next"] is None
    assert first["jobs"][0]["error_message"] == "no such file"
    assert "payload" not in first["jobs"][0]


async def test_what_runs_is_shown_by_whom_since_when_and_for_how_long(http: httpx.AsyncClient, db: Any) -> None:
    job = await enqueued(http)
    await enqueued(http)
    db.execute(FETCH)

    page = (await http.get("/hanjul/processing", params={"limit": 1})).json()
    rest = (await http.get(page["next"])).json()

    [running] = page["jobs"]
    assert (running["id"], running["worker_id"], running["queue"]) == (job, "w1", "default")
    assert 0 < running["lease_left_s"] <= 60
    assert running["started_at"] is not None
    assert rest == {"jobs": [], "next": None}


async def test_queues_show_their_lengths_and_who_waits_longest(http: httpx.AsyncClient, jobs: Jobs) -> None:
    await enqueued(http, queue="fast")
    await enqueued(http, queue="slow", delay_s=60)
    await jobs.pause("slow", reason="deploy")

    [fast, slow] = (await http.get("/hanjul/queues")).json()["queues"]

    assert (fast["queue"], fast["pending"], fast["paused_at"]) == ("fast", 1, None)
    assert 0 <= fast["oldest_waiting_s"] < 30
    assert (slow["queue"], slow["pending"], slow["oldest_waiting_s"], slow["pause_reason"]) == ("slow", 1, None, "deploy")


async def test_a_job_that_waits_is_cancelled_and_one_that_runs_is_asked_to_end(http: httpx.AsyncClient, db: Any) -> None:
    running = await enqueued(http)
    db.execute(FETCH)
    waiting = await enqueued(http)

    cancelled, asked = await http.post(f"/hanjul/jobs/{waiting}/cancel"), await http.post(f"/hanjul/jobs/{running}/cancel")

    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert (asked.status_code, asked.json()["status"]) == (202, "processing")
    assert (await http.get(f"/hanjul/jobs/{running}")).json()["cancel_requested_at"] is not None


async def test_what_failed_is_tried_again_and_what_has_not_is_refused(http: httpx.AsyncClient, db: Any) -> None:
    job = await enqueued(http)
    early = await http.post(f"/hanjul/jobs/{job}/retry")
    db.execute("select hanjul.fail_job(id, attempt, 'no', final => true) from hanjul.fetch_next_job('w')")

    answer = await http.post(f"/hanjul/jobs/{job}/retry")

    assert (early.status_code, early.headers["Content-Type"]) == (409, "application/problem+json")
    assert early.json()["type"] == "urn:problem-type:hanjul:invalid-status"
    assert "it is pending" in early.json()["detail"]
    assert (answer.status_code, answer.headers["Location"]) == (202, f"/hanjul/jobs/{job}")
    assert (await http.get(f"/hanjul/jobs/{job}")).json()["status"] == "pending"


async def test_a_unique_job_is_that_which_is_there(http: httpx.AsyncClient) -> None:
    unique = {"fields": ["session_id"]}

    first = await enqueued(http, payload={"session_id": 7, "n": 1}, unique=unique)
    again = await enqueued(http, payload={"session_id": 7, "n": 2}, unique=unique)

    assert first == again


async def test_the_fields_of_a_unique_body_are_those_of_the_client() -> None:
    assert {*UniqueBody.model_fields, "on_conflict"} == set(Unique.__struct_fields__)


# Requests that come twice


async def test_a_request_that_comes_twice_with_its_key_makes_one_job(http: httpx.AsyncClient) -> None:
    body, headers = {"kind": "mail", "payload": {"n": 1}, "delay_s": 5}, {"Idempotency-Key": "7a"}

    first, again = [await http.post("/hanjul/jobs", json=body, headers=headers) for _ in range(2)]
    other = await http.post("/hanjul/jobs", json={**body, "payload": {"n": 2}}, headers=headers)

    assert (first.status_code, again.status_code, first.json()["id"]) == (202, 202, again.json()["id"])
    assert (other.status_code, other.json()["type"]) == (422, "urn:problem-type:hanjul:bad-input")
    assert "used for another request" in other.json()["detail"]


async def test_requests_at_the_same_time_with_one_key_make_one_job(http: httpx.AsyncClient, jobs: Jobs) -> None:
    same = [http.post("/hanjul/jobs", json={"kind": "mail"}, headers={"Idempotency-Key": "k"}) for _ in range(12)]

    answers = await asyncio.gather(*same)

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert [count.n for count in await jobs.counts()] == [1]


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9"])
async def test_a_key_that_can_be_none_is_refused(http: httpx.AsyncClient, key: str) -> None:
    answer = await http.post("/hanjul/jobs", json={"kind": "mail"}, headers={"Idempotency-Key": key.encode("latin-1")})

    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["detail"]


# Waiting


async def test_a_long_poll_answers_when_the_job_has_ended(http: httpx.AsyncClient, db: Any) -> None:
    job = await enqueued(http)
    waiting = asyncio.create_task(http.get(f"/hanjul/jobs/{job}", params={"wait": 30}))
    await asyncio.sleep(0)

    db.execute("select hanjul.complete_job(id, attempt) from hanjul.fetch_next_job('w')")

    async with asyncio.timeout(10):
        assert (await waiting).json()["status"] == "completed"


async def test_a_long_poll_answers_with_what_is_when_its_time_is_up(http: httpx.AsyncClient) -> None:
    job = await enqueued(http)

    answer = await http.get(f"/hanjul/jobs/{job}", params={"wait": 0.05})

    assert (answer.status_code, answer.json()["status"]) == (200, "pending")


async def next_event(lines: Any) -> dict[str, Any]:
    """The next event of a stream, its data as JSON."""
    event: dict[str, Any] = {}
    async for line in lines:
        if not line and "data" in event:
            return {**event, "data": json.loads(event["data"])}
        name, _, value = line.partition(": ")
        if name:
            event[name] = value
    raise EOFError


async def test_a_stream_tells_each_change_until_the_end(http: httpx.AsyncClient, db: Any) -> None:
    job = await enqueued(http)

    async with http.stream("GET", f"/hanjul/jobs/{job}/events") as answer, asyncio.timeout(20):
        lines = answer.aiter_lines()
        pending = await next_event(lines)
        db.execute(FETCH)
        processing = await next_event(lines)
        db.execute("select hanjul.heartbeat(%s, 1, 60, 0.5, 'half')", [job])
        half = await next_event(lines)
        db.execute("select hanjul.complete_job(%s, 1, '[7]')", [job])
        completed = await next_event(lines)
        with pytest.raises(EOFError):
            await next_event(lines)

    assert answer.headers["Content-Type"].startswith("text/event-stream")
    events = (pending, processing, half, completed)
    assert [event["event"] for event in events] == ["status", "status", "progress", "status"]
    assert [event["data"]["status"] for event in events] == ["pending", "processing", "processing", "completed"]
    assert (half["data"]["progress_note"], completed["data"]["result"], completed["id"]) == ("half", [7], "ended")


async def test_a_silent_stream_says_that_it_is_still_there(http: httpx.AsyncClient) -> None:
    job = await enqueued(http)

    async with http.stream("GET", f"/hanjul/jobs/{job}/events") as answer, asyncio.timeout(20):
        async for line in answer.aiter_lines():
            if line == ": still there":
                break


async def test_who_comes_back_after_the_end_is_told_not_to_come_again(http: httpx.AsyncClient, db: Any) -> None:
    job = await enqueued(http)
    db.execute("select hanjul.complete_job(id, attempt) from hanjul.fetch_next_job('w')")

    answer = await http.get(f"/hanjul/jobs/{job}/events", headers={"Last-Event-ID": "ended"})
    first_time = await http.get(f"/hanjul/jobs/{job}/events")

    assert (answer.status_code, first_time.status_code) == (204, 200)
    assert first_time.text.count("event: status") == 1


@pytest.mark.parametrize("path", ["jobs/{}/events", "jobs/{}?wait=60"])
async def test_when_a_client_leaves_nobody_looks_any_more(web: FastAPI, jobs: Jobs, path: str) -> None:
    service = Service(jobs)
    web.include_router(mounted(service, anybody), prefix="/other")
    async with serve(web) as http:
        job = (await jobs.enqueue("mail")).id
        leaving = asyncio.create_task(http.get(f"/other/{path.format(job)}"))
        await until(lambda: service.waiting == 1)

        leaving.cancel()

        await until(lambda: service.waiting == 0)


async def test_there_is_an_end_to_how_many_may_wait(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanjul.api.service.MAX_WAITING", 0)
    job = await enqueued(http)

    for path in (f"/hanjul/jobs/{job}/events", f"/hanjul/jobs/{job}?wait=1"):
        answer = await http.get(path)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert (await http.get(f"/hanjul/jobs/{job}")).status_code == 200


async def test_a_database_that_is_away_is_told_as_unavailable(http: httpx.AsyncClient, jobs: Jobs) -> None:
    job = await enqueued(http)
    await jobs.close()

    answer = await http.get(f"/hanjul/jobs/{job}")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json()["type"] == "urn:problem-type:hanjul:unavailable"


async def test_a_job_is_explained(http: httpx.AsyncClient, jobs: Jobs) -> None:
    job = await enqueued(http, delay_s=60)
    await jobs.pause("default", reason="the model is being replaced")

    causes = (await http.get(f"/hanjul/jobs/{job}/explain")).json()["causes"]
    unknown = await http.get(f"/hanjul/jobs/{NOBODY}/explain")

    assert [cause["cause"] for cause in causes[:2]] == ["paused", "not_due"]
    assert "the model is being replaced" in causes[0]["explanation"]
    assert causes[1]["until"] == (await http.get(f"/hanjul/jobs/{job}")).json()["run_at"]
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:problem-type:hanjul:job-not-found")


async def test_the_api_describes_itself(http: httpx.AsyncClient) -> None:
    paths = (await http.get("/openapi.json")).json()["paths"]

    assert set(paths) == {f"/hanjul/{path}" for path in (
        "jobs", "jobs/{job_id}", "jobs/{job_id}/events", "jobs/{job_id}/explain", "jobs/{job_id}/cancel",
        "jobs/{job_id}/retry", "processing", "queues"
    )}  # fmt: skip
    assert "Idempotency-Key".lower() in json.dumps(paths["/hanjul/jobs"]["post"]).lower()
