"""The server of `hanjul up`: where it listens, whom it answers, how it ends."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from hanjul import InvalidSettings
from hanjul.api.server import ApiServer, listen, url_of
from hanjul.jobs import Jobs
from hanjul.net.client import Http
from hanjul.postgres import Database
from hanjul.testing.waiting import until

TOKEN = "a-token-that-nobody-guesses"
TASKS = """
import hanjul

app = hanjul.App()


@app.job("double")
async def double(n: int) -> int:
    return 2 * n
"""


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_beyond_this_machine_there_must_be_a_token(host: str) -> None:
    with pytest.raises(InvalidSettings, match="set HANJUL_API_TOKEN, or serve on 127"):
        listen(host, 0, token=None)


def test_with_a_token_it_listens_wherever_it_is_told() -> None:
    with closing(listen("0.0.0.0", 0, token=TOKEN)) as listening:
        assert url_of(listening).startswith("http://0.0.0.0:")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_on_this_machine_it_needs_none(host: str) -> None:
    with closing(listen(host, 0, token=None)) as listening:
        assert listening.getsockname()[1] > 0


def test_a_port_that_is_taken_is_refused_but_the_usual_one_gives_way() -> None:
    with closing(listen("127.0.0.1", None, token=None)) as first, closing(listen("127.0.0.1", None, token=None)) as second:
        assert first.getsockname() != second.getsockname()
        with pytest.raises(InvalidSettings, match=r"cannot serve on 127\.0\.0\.1 port \d+: .*in use"):
            listen("127.0.0.1", first.getsockname()[1], token=None)


def test_a_host_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="cannot serve on 'no such host'"):
        listen("no such host", 0, token=None)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost"}, 200),
        ({"Host": "LOCALHOST:80"}, 200),
        ({"Host": "[::1]:80"}, 200),
        ({"Host": "evil.example"}, 403),  # a name that leads to 127.0.0.1
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "localhost:80", "Origin": "http://localhost:81"}, 403),
        ({"Host": "localhost:80", "Origin": "http://localhost:80"}, 200),
    ],
)
async def test_without_a_token_foreign_pages_are_refused(jobs: Jobs, headers: dict[str, str], status: int) -> None:
    listening = listen("127.0.0.1", 0, token=None)
    async with ApiServer(listening, jobs, None), httpx.AsyncClient() as http:
        answer = await http.get(f"{url_of(listening)}/queues", headers=headers)

    assert answer.status_code == status
    assert status == 200 or answer.json()["type"] == "urn:problem-type:hanjul:forbidden"


async def test_with_a_token_it_is_asked_for_and_unknown_paths_are_problems(jobs: Jobs) -> None:
    listening = listen("127.0.0.1", 0, token=TOKEN)
    async with ApiServer(listening, jobs, TOKEN), httpx.AsyncClient(base_url=url_of(listening)) as http:
        answered = await http.get("/queues", headers={"Authorization": f"Bearer {TOKEN}", "Host": "jobs.example"})
        refused, unknown, other = await http.get("/queues"), await http.get("/nothing"), await http.put("/queues")

    assert [answer.status_code for answer in (answered, refused, unknown, other)] == [200, 401, 404, 405]
    assert {answer.headers["Content-Type"] for answer in (refused, unknown, other)} == {"application/problem+json"}
    assert other.headers["Allow"] == "GET"


async def test_with_an_http_client_it_serves_requests_and_webhooks_too(jobs: Jobs, dsn: str) -> None:
    listening = listen("127.0.0.1", 0, token=None)
    async with (
        Http(Database(dsn)) as client,
        ApiServer(listening, jobs, None, client),
        httpx.AsyncClient(base_url=url_of(listening)) as http,
    ):
        enqueued = await http.post("/requests", json={"url": "http://a.example/"})
        shown, webhooks, queues = await http.get("/requests"), await http.get("/webhooks"), await http.get("/queues")

    assert enqueued.headers["Location"] == f"/api/requests/{enqueued.json()['id']}"
    assert len(shown.json()["requests"]) == 1
    assert (webhooks.json(), queues.status_code) == ({"webhooks": []}, 200)


async def test_what_waits_is_answered_when_the_server_ends(jobs: Jobs) -> None:
    job = (await jobs.enqueue("mail")).id
    listening = listen("127.0.0.1", 0, token=None)
    server = ApiServer(listening, jobs, None)
    async with httpx.AsyncClient(base_url=url_of(listening), timeout=20) as http:
        async with server:
            waiting = [asyncio.create_task(http.get(f"/jobs/{job}{how}")) for how in ("/events", "?wait=60")]
            await until(lambda: server.waiting == 2)
        stream, polled = await asyncio.gather(*waiting)

    assert "event: status" in stream.text
    assert polled.json()["status"] == "pending"


# As a user starts it


def environment(dsn: str, home: Path, **variables: str) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "DATABASE_URL": dsn, "HOME": str(home), "PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "1",
            **variables}  # fmt: skip


@pytest.fixture
def up(dsn: str, tmp_path: Path) -> Any:
    """Start `hanjul up ...`; the process, and the address that it tells."""
    (tmp_path / "tasks.py").write_text(TASKS)
    started: list[subprocess.Popen[str]] = []

    def up(*arguments: str, **variables: str) -> tuple["subprocess.Popen[str]", str]:
        command = [sys.executable, "-m", "hanjul", "up", *arguments]
        process = subprocess.Popen(
            command,
            env=environment(dsn, tmp_path, **variables),
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        started.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("status API for "):
                return process, line.split()[-1].removesuffix("/queues")
        raise AssertionError("it ended without serving")

    yield up
    for process in started:
        process.kill()
        process.communicate()


def ends(process: "subprocess.Popen[str]") -> int:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    return process.returncode


def test_up_serves_the_jobs_of_an_app(up: Callable[..., Any], dsn: str) -> None:
    process, url = up("tasks:app", "--port", "0")

    job = httpx.post(f"{url}/jobs", json={"kind": "double", "payload": 21})
    done = httpx.get(f"{url.removesuffix('/api')}{job.headers['Location']}?wait=20", timeout=30)
    bad = httpx.post(f"{url}/jobs", json={"kind": "double", "payload": "x"})

    assert (done.json()["status"], done.json()["result"]) == ("completed", 42)
    assert bad.status_code == 422
    assert ends(process) == 0


def test_up_serves_without_an_app_and_with_a_token_beyond_this_machine(up: Callable[..., Any]) -> None:
    process, url = up("--host", "0.0.0.0", "--port", "0", HANJUL_API_TOKEN=TOKEN)

    refused = httpx.get(f"{url}/queues")
    answered = httpx.get(f"{url}/queues", headers={"Authorization": f"Bearer {TOKEN}"})

    assert (refused.status_code, answered.status_code, answered.json()) == (401, 200, {"queues": []})
    assert ends(process) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--host", "0.0.0.0"), "set HANJUL_API_TOKEN, or serve on 127.0.0.1"),
        (("--port", "{taken}"), "in use"),
        (("--host", "no such host"), "cannot serve on 'no such host'"),
    ],
)
def test_up_refuses_an_address_that_cannot_be(dsn: str, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        options = [argument.format(taken=taken.getsockname()[1]) for argument in arguments]
        answer = subprocess.run(
            [sys.executable, "-m", "hanjul", "up", *options],
            env=environment(dsn, tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert answer.returncode == 2
    assert said in answer.stderr


def test_up_refuses_to_serve_the_jobs_of_an_app_that_can_have_none(dsn: str, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("import hanjul\napp = hanjul.App(driver='memory')")

    answer = subprocess.run(
        [sys.executable, "-m", "hanjul", "up", "tasks:app", "--port", "0"],
        env=environment(dsn, tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert answer.returncode == 2
    assert "the status API shows jobs, which need the postgres driver" in answer.stderr


def test_up_serves_no_api_where_nobody_wants_it(dsn: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hanjul", "up", "--no-api"]
    variables = environment(dsn, tmp_path)
    process = subprocess.Popen(command, env=variables, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    said = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=20)

    assert "its schema is up to date" in said
    assert "status API" not in rest


# Where FastAPI is not installed


WITHOUT = """
import sys
from importlib.machinery import PathFinder

real = PathFinder.find_spec
PathFinder.find_spec = lambda name, *more: None if name in {"fastapi", "uvicorn", "starlette", "pydantic"} else real(name, *more)
"""


def without_fastapi(code: str, dsn: str, home: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code],
        env=environment(dsn, home),
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_core_does_without_it(dsn: str, tmp_path: Path) -> None:
    code = "import hanjul, hanjul.cli.main, hanjul.jobs.client\nprint(sorted({'fastapi', 'uvicorn'} & set(sys.modules)))"

    assert without_fastapi(code, dsn, tmp_path).stdout == "[]\n"


def test_the_api_says_what_to_install(dsn: str, tmp_path: Path) -> None:
    for code in ("import hanjul.api", "import hanjul.api.server"):
        said = without_fastapi(code, dsn, tmp_path).stderr.splitlines()[-1]
        assert said == "ModuleNotFoundError: hanjul.api needs FastAPI: pip install 'hanjul[api]'"


def test_up_says_what_to_install_if_it_is_asked_to_serve(dsn: str, tmp_path: Path) -> None:
    code = "sys.argv = ['hanjul', 'up', '--port', '0']\nfrom hanjul.cli.main import main\nmain()"

    answer = without_fastapi(code, dsn, tmp_path)

    assert answer.returncode == 2
    assert "the status API needs fastapi and uvicorn: pip install 'hanjul[api]'" in answer.stderr
