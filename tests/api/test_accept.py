"""Routes that enqueue what they return, and answer 202."""

import asyncio
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException, Response, UploadFile
from pydantic import BaseModel
from tests.api.conftest import serve

from hanjul import App, InvalidSettings
from hanjul.api import accepted
from hanjul.jobs import Jobs


class Recording(BaseModel):
    session_id: int
    name: str


async def stored(http: httpx.AsyncClient, answer: httpx.Response) -> Any:
    return (await http.get(answer.headers["Location"])).json()


async def test_what_the_route_returns_is_the_payload_and_the_answer_is_202(web: FastAPI, jobs: Jobs) -> None:
    @web.post("/recordings/{session_id}", status_code=202)
    @accepted(jobs, "transcribe", queue="stt", priority=3)
    async def upload(session_id: int, file: UploadFile) -> Recording:
        """Take a recording."""
        return Recording(session_id=session_id, name=f"{file.filename} of {len(await file.read())}")

    async with serve(web) as http:
        answer = await http.post("/recordings/7", files={"file": ("a.wav", b"RIFF")})
        job = await stored(http, answer)
        described = (await http.get("/openapi.json")).json()["paths"]["/recordings/{session_id}"]["post"]

    assert answer.status_code == 202
    assert answer.json() == {"id": job["id"], "status": "pending", "status_url": f"/hanjul/jobs/{job['id']}"}
    assert (job["kind"], job["queue"], job["priority"]) == ("transcribe", "stt", 3)
    assert job["payload"] == {"session_id": 7, "name": "a.wav of 4"}
    assert described["description"] == "Take a recording."
    assert described["responses"]["202"]["content"]["application/json"]["schema"]["$ref"].endswith("/Enqueued")


async def test_a_plain_function_with_dependencies_does_too(web: FastAPI, jobs: Jobs) -> None:
    def who() -> str:
        return "ada"

    @web.post("/mails")
    @accepted(jobs, "mail")
    def send(user: Annotated[str, Depends(who)], subject: str = "Hello") -> dict[str, str]:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()  # it may block
        return {"to": user, "subject": subject}

    async with serve(web) as http:
        job = await stored(http, await http.post("/mails"))

    assert job["payload"] == {"to": "ada", "subject": "Hello"}


async def test_a_route_that_raises_or_answers_itself_answers_as_it_would(web: FastAPI, jobs: Jobs) -> None:
    @web.post("/mails/{n}")
    @accepted(jobs, "mail")
    async def send(n: int) -> Any:
        if n == 1:
            raise HTTPException(402, "pay first")
        return Response("already sent", 200)

    async with serve(web) as http:
        raised, answered, invalid = [await http.post(f"/mails/{n}") for n in ("1", "2", "x")]

    assert (raised.status_code, raised.json()) == (402, {"detail": "pay first"})
    assert (answered.status_code, answered.text) == (200, "already sent")
    assert invalid.status_code == 422
    assert await jobs.counts() == []


async def test_a_request_that_comes_again_finds_its_job_whatever_the_route_makes_of_it(web: FastAPI, jobs: Jobs) -> None:
    calls: list[int] = []

    @web.post("/mails")
    @accepted(jobs, "mail")
    async def send() -> dict[str, int]:
        calls.append(1)
        return {"saved_as": len(calls)}

    async with serve(web) as http:
        ids = {(await http.post("/mails", headers={"Idempotency-Key": "k"})).json()["id"] for _ in range(3)}
        bad = await http.post("/mails", headers={"Idempotency-Key": ""})

    assert len(ids) == 1
    assert bad.status_code == 422


async def test_a_payload_that_cannot_be_is_a_problem(web: FastAPI, jobs: Jobs) -> None:
    @web.post("/mails")
    @accepted(jobs, "mail")
    async def send() -> dict[str, float]:
        return {"x": float("nan")}

    async with serve(web) as http:
        answer = await http.post("/mails")

    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")


async def test_a_declared_function_is_a_kind_and_its_result_comes_of_it(dsn: str, web: FastAPI) -> None:
    app = App(dsn)

    @app.job("double")
    async def double(n: int) -> int:
        return 2 * n

    @web.post("/double/{n}")
    @accepted(app, double)
    async def take(n: int) -> int:
        return n

    async with app, serve(web) as http:
        answer = await http.post("/double/21")
        done = await http.get(answer.headers["Location"], params={"wait": 20})

    assert done.json()["result"] == 42


async def test_a_status_url_of_ones_own_is_given(jobs: Jobs) -> None:
    web = FastAPI()

    @web.post("/mails")
    @accepted(jobs, "mail", status_url="https://example.org/jobs/{id}")
    async def send() -> None:
        return None

    async with serve(web) as http:
        answer = await http.post("/mails")

    assert answer.headers["Location"] == f"https://example.org/jobs/{answer.json()['id']}"


async def test_without_a_route_that_shows_jobs_the_mistake_is_told_before_anything_is_done(jobs: Jobs) -> None:
    web, seen = FastAPI(), []

    @web.exception_handler(InvalidSettings)
    async def told(_request: Any, error: InvalidSettings) -> Response:
        return Response(str(error), 500)

    @web.post("/mails")
    @accepted(jobs, "mail")
    async def send() -> None:
        seen.append(1)

    async with serve(web) as http:
        answer = await http.post("/mails")

    assert "include hanjul.api.jobs_router" in answer.text
    assert seen == []
