"""docs/http.md: its SQL runs as written, and what it promises happens, with a real sender and a real server."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest

from hanjul.testing.waiting import until

Run = Callable[..., "subprocess.CompletedProcess[str]"]
DOCUMENT = Path(__file__).parents[2] / "docs" / "http.md"
PUBLIC = "https://jsonplaceholder.typicode.com"
TUTORIAL, TRIGGER, BEYOND = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[tuple[str, str, Any]]]]:
    """A server of this machine, and what it has received: method, path and JSON."""
    received: list[tuple[str, str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            received.append((self.command, self.path, json.loads(body) if body else None))
            answer = b'{"id": 1}'
            self.send_response(201 if body else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def log_message(self, *_args: object) -> None:
            """Nothing: pytest's output is enough."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def sending(environment: dict[str, str], where: Path) -> Iterator[None]:
    """`hanjul net worker`, as a user starts it."""
    command = [sys.executable, "-m", "hanjul", "net", "worker", "--set", "http_allow=127.0.0.1"]
    worker = subprocess.Popen(command, env=environment, cwd=where, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        worker.terminate()
        assert worker.wait(timeout=30) == 0


def run(cli: Run, directory: Path, text: str) -> str:
    (directory / "tutorial.sql").write_text(text, "utf-8")
    answer = cli("sql", "-f", "tutorial.sql")
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_all_of_its_sql_runs_as_written(cli: Run, tmp_path: Path) -> None:
    shown = run(cli, tmp_path, TUTORIAL)
    run(cli, tmp_path, TRIGGER)
    run(cli, tmp_path, BEYOND)

    assert f"{PUBLIC}/todos/1" in shown
    assert shown.count("PENDING") == 2


def test_what_it_promises_happens(
    cli: Run, environment: dict[str, str], tmp_path: Path, dsn: str, receiver: tuple[str, list[Any]]
) -> None:
    url, received = receiver
    with sending(environment, tmp_path), psycopg.connect(dsn, autocommit=True) as connection:
        run(cli, tmp_path, TUTORIAL.replace(PUBLIC, url))
        run(cli, tmp_path, TRIGGER.replace(PUBLIC, url))
        got = cli("net", "get", f"{url}/todos/2", "--json")
        standing = "select method::text, status::text, status_code, attempts, error_msg from net.http_request_queue order by id"
        asyncio.run(until(lambda: all(row[1] == "SUCCESS" for row in connection.execute(standing))))
        requests = connection.execute(standing).fetchall()

    assert requests == [
        ("GET", "SUCCESS", 200, 1, None), ("POST", "SUCCESS", 201, 1, None), ("POST", "SUCCESS", 201, 1, None),
        ("GET", "SUCCESS", 200, 1, None),
    ]  # fmt: skip
    assert ("POST", "/todos", {"title": "foo", "body": "bar", "userId": 1}) in received
    assert ("POST", "/todos", {"record": {"id": 1, "item": "tea"}}) in received
    assert (got.returncode, json.loads(got.stdout)["content"]) == (0, '{"id": 1}')
