"""Who may use the status API."""

import httpx
import pytest
from fastapi import FastAPI, HTTPException, Request
from tests.api.conftest import serve

from hanjul import InvalidSettings
from hanjul.api import jobs_router
from hanjul.jobs import Jobs

TOKEN = "a-token-that-nobody-guesses"
NOBODY = "01900000-0000-7000-8000-000000000000"
ROUTES = [("POST", "jobs"), ("GET", "jobs"), ("GET", "jobs/{}"), ("GET", "jobs/{}/events"), ("GET", "jobs/{}/explain"),
          ("POST", "jobs/{}/cancel"), ("POST", "jobs/{}/retry"), ("GET", "processing"), ("GET", "queues")]  # fmt: skip


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def application(router_of: object) -> FastAPI:
    web = FastAPI()
    web.include_router(router_of, prefix="/hanjul")  # type: ignore[arg-type]
    return web


@pytest.mark.parametrize(
    "headers",
    [{}, bearer("wrong"), {"Authorization": "Bearer"}, bearer(TOKEN + "x"), bearer(TOKEN[:-1]),
     {"Authorization": f"Basic {TOKEN}"}, {"Authorization": TOKEN}, {"Authorization": b"Bearer \xff\xfe"}],
    ids=["none", "wrong", "empty", "longer", "shorter", "basic", "bare", "no text"],
)  # fmt: skip
async def test_without_the_token_every_route_refuses(jobs: Jobs, headers: dict[str, str]) -> None:
    async with serve(application(jobs_router(jobs, auth=TOKEN))) as http:
        answers = [
            await http.request(method, f"/hanjul/{path.format(NOBODY)}", headers=headers, json={"kind": "mail"})
            for method, path in ROUTES
        ]

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
    assert {answer.json()["type"] for answer in answers} == {"urn:problem-type:hanjul:unauthorized"}
    assert await jobs.counts() == []


async def test_the_token_lets_in_and_so_does_the_next_one_beside_it(jobs: Jobs) -> None:
    async with serve(application(jobs_router(jobs, auth=f"{TOKEN}, the-next-token-already"))) as http:
        answers = [await http.get("/hanjul/queues", headers=bearer(one)) for one in (TOKEN, "the-next-token-already")]

    assert [answer.status_code for answer in answers] == [200, 200]


async def test_the_token_of_the_settings_is_asked_for(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANJUL_API_TOKEN", TOKEN)

    async with serve(application(jobs_router(jobs))) as http:
        refused, answered = await http.get("/hanjul/queues"), await http.get("/hanjul/queues", headers=bearer(TOKEN))

    assert (refused.status_code, answered.status_code) == (401, 200)


async def test_an_application_lets_in_by_a_dependency_of_its_own(jobs: Jobs) -> None:
    async def signed_in(request: Request) -> None:
        if request.headers.get("X-User") != "ada":
            raise HTTPException(403, "not you")

    async with serve(application(jobs_router(jobs, auth=signed_in))) as http:
        refused = await http.get("/hanjul/queues")
        answered = await http.get("/hanjul/queues", headers={"X-User": "ada"})

    assert (refused.status_code, refused.json()["detail"], answered.status_code) == (403, "not you", 200)


def test_nobody_is_let_in_by_an_oversight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANJUL_API_TOKEN", raising=False)
    jobs: Jobs = object.__new__(Jobs)

    for auth in (None, "", "short", f"{TOKEN},short"):
        with pytest.raises(InvalidSettings, match="HANJUL_API_TOKEN"):
            jobs_router(jobs, auth=auth)


async def test_a_token_in_the_address_is_no_token(jobs: Jobs) -> None:
    async with serve(application(jobs_router(jobs, auth=TOKEN))) as http:
        answer: httpx.Response = await http.get("/hanjul/queues", params={"token": TOKEN, "access_token": TOKEN})

    assert answer.status_code == 401
