"""hanjul net: send, wait, look, put right."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest
from tests.net.conftest import Sender

from hanjul.testing.waiting import until

Run = Callable[..., CompletedProcess[str]]
URL = "http://a.example/hook"


@pytest.fixture
def sender(dsn: str) -> Iterator[Sender]:
    with psycopg.connect(dsn, autocommit=True, application_name="hanjul pg_net sender") as connection:
        yield Sender(connection)


@pytest.fixture
def background() -> Iterator[Callable[..., "Future[CompletedProcess[str]]"]]:
    """Run a command while the test goes on."""
    with ThreadPoolExecutor(1) as threads:
        yield threads.submit


def asked(cli: Run, *arguments: str) -> Any:
    """What a command answers as JSON."""
    answer = cli("net", *arguments, "--json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def enqueued(cli: Run, *arguments: str) -> str:
    answer = cli("net", *arguments, "--no-wait")
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.strip()


def test_a_get_prints_the_answer_and_tells_its_status(cli: Run, sender: Sender, background: Any) -> None:
    answer = background(cli, "net", "get", URL)
    asyncio.run(until(lambda: sender.settle(content='{"id": 7}\n', content_type="application/json")))

    got = answer.result()
    assert (got.returncode, got.stdout) == (0, '{"id": 7}\n')
    assert got.stderr == "200 OK, 2 ms, application/json, 10 bytes\n"


def test_an_answer_from_400_on_is_an_exit_code(cli: Run, sender: Sender, background: Any) -> None:
    answer = background(cli, "net", "post", URL, '{"a": 1}')
    asyncio.run(until(lambda: sender.settle(status_code=404, content="no such thing")))

    got = answer.result()
    assert (got.returncode, got.stdout) == (1, "no such thing")
    assert got.stderr.startswith("404 Not Found, ")


def test_a_request_that_fails_says_why(cli: Run, sender: Sender, background: Any) -> None:
    answer = background(cli, "net", "get", URL, "--json")
    asyncio.run(until(lambda: sender.fail("Couldn't resolve host name")))

    got = answer.result()
    assert (got.returncode, got.stdout) == (1, "")
    assert f"(GET {URL}) failed: Couldn't resolve host name" in got.stderr


def test_where_nobody_sends_it_says_what_to_do_and_the_request_stays(cli: Run) -> None:
    answer = cli("net", "get", URL, "--wait", "0.5")

    assert answer.returncode == 1
    assert "no sender runs on this database: start `hanjul net worker`, or `hanjul up`" in answer.stderr
    assert [request["status"] for request in asked(cli, "requests")] == ["PENDING"]


def test_an_answer_that_is_late_can_be_waited_for_again(cli: Run, sender: Sender) -> None:
    late = cli("net", "get", URL, "--wait", "0.2")
    [request] = sender.settle(content="ok")

    assert f"had not ended after 0.2 s; it goes on; ask again with: hanjul net wait {request}" in late.stderr
    assert cli("net", "wait", str(request)).stdout == "ok"
    assert asked(cli, "wait", str(request))["status_code"] == 200


def test_a_request_is_enqueued_with_all_that_is_said_of_it(cli: Run, sender: Sender) -> None:
    request = enqueued(
        cli, "request", "put", URL, '{"to": "가나"}', "-H", "X-A: b: c", "--header", "Authorization: Bearer t",
        "--param", "q=a=b", "--timeout-ms", "250", "--attempts", "3", "--delay", "60",
        "--idempotency-key", "k", "--ordering-key", "o", "--sign-with", "s",
    )  # fmt: skip

    shown = asked(cli, "show", request)["request"]
    assert (shown["method"], shown["url"].lower()) == ("PUT", f"{URL}?q=a%3db")
    assert shown["headers"] == {
        "X-A": "b: c", "Authorization": "[hidden]", "Content-Type": "application/json", "Idempotency-Key": "k"
    }  # fmt: skip
    assert (shown["timeout_milliseconds"], shown["max_attempts"], shown["retry"]) == (250, 3, {"max_attempts": 3})
    assert (shown["ordering_key"], shown["sign_with"]) == ("o", "s")
    [[body]] = sender.sql.execute("select convert_from(body, 'UTF8') from net.http_request_queue")
    assert json.loads(body) == {"to": "가나"}


def test_texts_and_files_are_bodies_too(cli: Run, sender: Sender, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\x00\xff")
    enqueued(cli, "post", URL, "--text", "plain")
    enqueued(cli, "post", URL, "--file", "a.bin")

    stored = sender.sql.execute("select body, headers ->> 'Content-Type' from net.http_request_queue order by id").fetchall()
    assert stored == [(b"plain", "text/plain; charset=utf-8"), (b"\x00\xff", "application/octet-stream")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["get", "ftp://a/"], 'invalid URL "ftp://a/"'),
        (["get", URL, "-H", "nonsense"], "-H 'nonsense': it takes NAME: VALUE"),
        (["get", URL, "--param", "nonsense"], "--param 'nonsense': it takes NAME=VALUE"),
        (["post", URL, "{"], "the body '{' is not JSON"),
        (["post", URL, "{}", "--text", "a"], "a request has one body: JSON, --text or --file"),
        (["request", "brew", URL], "method must be GET"),
        (["config", "set", "ttl", "soon"], "pg_net.ttl must be"),
        (["config", "set", "colour", "red"], 'there is no setting "colour"'),
        (["secret", "set", "a b", "--host", "a", "--generate"], "a secret needs a name"),
    ],
)
def test_bad_input_is_refused_and_says_why(cli: Run, arguments: list[str], words: str) -> None:
    answer = cli("net", *arguments)

    assert (answer.returncode, words in answer.stderr) == (2, True), answer.stderr


@pytest.mark.parametrize("command", ["show", "attempts", "cancel", "retry", "wait"])
def test_a_request_that_is_not_there_is_told_so(cli: Run, command: str) -> None:
    answer = cli("net", command, "987654321")

    assert (answer.returncode, "there is no request 987654321" in answer.stderr) == (4, True)


def test_requests_are_listed_newest_first_and_chosen(cli: Run, sender: Sender) -> None:
    first = int(enqueued(cli, "get", "http://u:p@b.example/"))
    sender.fail("no")
    second, third = [int(enqueued(cli, "get", URL)) for _ in "12"]

    def listed(*options: str) -> list[int]:
        return [request["id"] for request in asked(cli, "requests", *options)]

    assert listed() == [third, second, first]
    assert listed("--limit", "1", "--before", str(third)) == [second]
    assert listed("--status", "error") == listed("--host", "b.example") == [first]
    assert listed("--webhook", "none") == []
    shown = cli("net", "requests", "--status", "ERROR").stdout
    assert "http://[hidden]@b.example/" in shown
    assert asked(cli, "counts") == [{"pending": 2, "sending": 0, "failed": 1, "estimated": False}]


def test_a_request_is_shown_with_its_attempts_and_its_answer(cli: Run, sender: Sender) -> None:
    request = enqueued(cli, "get", URL, "--attempts", "2")
    sender.settle("retry", status_code=503, delay_s=0, error="HTTP status 503")
    sender.settle(content="ok", headers={"Set-Cookie": "a=b"})

    people, programs = cli("net", "show", request).stdout, asked(cli, "show", request)
    assert ["status", "SUCCESS"] in [line.split() for line in people.splitlines()]
    assert [attempt["status_code"] for attempt in programs["attempts"]] == [503, 200]
    assert (programs["response"]["content"], programs["response"]["headers"]) == ("ok", {"Set-Cookie": "[hidden]"})
    assert asked(cli, "attempts", request) == programs["attempts"]


def test_requests_are_cancelled_tried_again_and_redriven(cli: Run, sender: Sender) -> None:
    request = enqueued(cli, "get", URL)

    assert cli("net", "cancel", request).stdout == f"request {request} is cancelled\n"
    refused = cli("net", "cancel", request)
    assert (refused.returncode, "has ended already" in refused.stderr) == (1, True)
    assert cli("net", "retry", request).stdout == f"request {request} is sent again\n"
    sender.fail()
    assert cli("net", "redrive", request).stdout == "1 requests are sent again\n"
    assert cli("net", "redrive", "--yes").stdout == "0 requests are sent again\n"


def test_settings_are_set_shown_and_reset(cli: Run) -> None:
    def ttl() -> Any:
        return next((s["value"], s["source"]) for s in asked(cli, "config", "list") if s["name"] == "pg_net.ttl")

    before = ttl()
    cli("net", "config", "set", "ttl", "1 day")
    assert ttl() == ("1 day", "set_config")
    cli("net", "config", "reset", "pg_net.ttl")
    assert ttl() == before == ("6 hours", "default")


def test_secrets_come_from_a_pipe_or_are_made_and_are_never_shown(cli: Run, sender: Sender, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "hanjul", "net", "secret", "set", "crm", "--host", "a.example"]
    piped = subprocess.run(
        command, env=environment, input="from a pipe\n", text=True, capture_output=True, timeout=60, check=True
    )
    made = cli("net", "secret", "rotate", "crm", "--generate")

    assert "from a pipe" not in piped.stdout
    stored = sender.sql.execute("select value, former from net.secret").fetchall()
    assert stored == [(made.stdout.strip(), "from a pipe")]
    [secret] = asked(cli, "secret", "list")
    assert (secret["name"], secret["hosts"], "value" in secret) == ("crm", ["a.example"], False)
    assert cli("net", "secret", "drop", "crm", "--yes").stdout == "secret crm is dropped\n"
    assert cli("net", "secret", "drop", "crm", "--yes").returncode == 4


def test_a_webhook_is_made_tested_paused_and_dropped(cli: Run, sender: Sender) -> None:
    sender.sql.execute("create table orders (id bigint primary key, paid boolean)")

    made = cli("net", "webhook", "create", "orders", "insert,update", URL, "-H", "X-A: b", "--no-order", "--attempts", "3")
    tested = cli("net", "webhook", "test", "orders_insert_update").stdout.strip()
    cli("net", "webhook", "pause", "orders_insert_update", "--reason", "receiver moves")
    [webhook] = asked(cli, "webhook", "list")
    cli("net", "webhook", "resume", "orders_insert_update")
    rotated = cli("net", "webhook", "rotate", "orders_insert_update")

    assert made.stdout.startswith("webhook orders_insert_update is there; try it: hanjul net webhook test orders_insert_update")
    assert "whsec_" in made.stdout
    assert asked(cli, "show", tested)["request"]["sign_with"] == webhook["secret"]
    assert (webhook["url"], webhook["state"], webhook["state_why"], webhook["ordering"]) == (URL, "paused", "receiver moves", [])
    assert (webhook["headers"]["X-A"], webhook["retry"]["max_attempts"]) == ("b", 3)
    assert rotated.stdout.startswith("whsec_")
    assert "resumed" in [event["what"] for event in asked(cli, "webhook", "events")]
    assert cli("net", "webhook", "drop", "orders_insert_update", "--yes").returncode == 0
    assert cli("net", "webhook", "list").stderr == "no webhooks: hanjul net webhook create TABLE EVENTS URL\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["create", "none", "insert", URL], 4, 'relation "none" does not exist'),
        (["create", "pg_stat_activity", "insert", URL], 2, "pg_stat_activity"),
        (["test", "none"], 4, "webhook 'none' does not exist"),
        (["drop", "none", "--yes"], 4, "webhook 'none' does not exist"),
    ],
)
def test_webhooks_that_cannot_be_are_refused(cli: Run, arguments: list[str], code: int, words: str) -> None:
    answer = cli("net", "webhook", *arguments)

    assert (answer.returncode, words in answer.stderr) == (code, True), answer.stderr
