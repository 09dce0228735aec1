"""Secrets by name, and signatures: where they may go, and that they are seen nowhere else."""

import logging
import threading
from typing import Any

import pytest
from standardwebhooks import Webhook
from tests.sender.sending import LOCAL, got, request, secret, sender
from tests.sender.server import Server, redirect

from hanjul.model.outcome import Reject
from hanjul.model.request import Request, Secret
from hanjul.sender.failures import Unsendable
from hanjul.sender.guard import Guard
from hanjul.sender.headers import Header, headers_of
from hanjul.sender.urls import target
from hanjul.webhooks import sign, verify

VALUE = "canary-8f3b1c"
SIGNING = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FORMER = "whsec_" + "C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


async def test_the_value_is_put_in_where_the_name_stands(server: Server) -> None:
    headers = {"Authorization": "Bearer ${secret:api}", "X-Both": "${secret:api}/${secret:api}"}

    await got(request(server.url(), headers_out=headers, secrets=secret("api", VALUE)))

    assert server.seen[0].get("Authorization") == f"Bearer {VALUE}"
    assert server.seen[0].get("X-Both") == f"{VALUE}/{VALUE}"


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({"X": "${secret:none}"}, "the secret 'none' does not exist; see net.set_secret"),
        ({"X": "${secret:}"}, "the secret '' does not exist; see net.set_secret"),
        ({"X": "${secret:api}"}, "the secret 'api' may not go to 127.0.0.1; see net.set_secret"),
        ({"X": {"a": "${secret:api}"}}, "the secret 'api' may not go to 127.0.0.1; see net.set_secret"),
    ],
)  # fmt: skip
async def test_a_secret_that_is_missing_or_may_not_go_there_stops_the_request(
    server: Server, headers: dict[str, object], error: str
) -> None:
    asked = request(server.url(), headers_out=headers, secrets=secret("api", VALUE, "example.com"), retry={}, max_attempts=5)

    async with sender() as own:
        outcome = await own.send(asked)

    assert isinstance(outcome, Reject)
    assert asked.answer is not None
    assert (asked.answer.error, asked.answer.error_kind) == (error, "invalid")
    assert VALUE not in repr(asked.answer) + repr(outcome)
    assert server.connections == 0


@pytest.mark.parametrize(
    ("host", "pattern", "goes"),
    [
        ("api.example.com", "api.example.com", True), ("API.Example.com", "api.EXAMPLE.com.", True),
        ("api.example.com.", "api.example.com", True),
        ("a.example.com", "*.example.com", True), ("a.b.example.com", "*.example.com", True),
        ("example.com", "*.example.com", False),
        ("evilexample.com", "*.example.com", False),
        ("example.com.evil.com", "example.com", False), ("example.com", "*", False),
        ("api.example.com@evil.com", "api.example.com", False), ("evil.com#api.example.com", "api.example.com", False),
        ("[::1]", "::1", True), ("[::1]", "[::1]", True), ("%65xample.com", "example.com", True),
        ("evil.com/.example.com", "*.example.com", False),
    ],
)  # fmt: skip
def test_to_which_hosts_a_secret_goes(host: str, pattern: str, goes: bool) -> None:
    asked = request(f"https://{host}/", headers_out={"X": "${secret:s}"}, secrets=secret("s", VALUE, pattern))

    assert _may_go(asked) is goes


def _may_go(asked: Request) -> bool:
    try:
        headers_of(asked, target(asked.url), 0, Guard())
    except Unsendable:
        return False
    return True


@pytest.mark.parametrize("host", ["attacker.example", "", "127.0.0.1:1", "127.0.0.1.attacker.example", "${secret:api}"])
@pytest.mark.parametrize("carries", ["placeholder", "signature"])
async def test_what_carries_a_secret_does_not_go_to_another_host_of_the_same_address(
    server: Server, host: str, carries: str
) -> None:
    headers = {"hOST": host} | ({"Authorization": "Bearer ${secret:api}"} if carries == "placeholder" else {})
    sign_with = "k" if carries == "signature" else None
    secrets = secret("api", VALUE) | secret("k", SIGNING)

    got_it = await got(request(server.url(), headers_out=headers, sign_with=sign_with, secrets=secrets))

    shown = "a secret" if "secret" in host else repr(host)
    assert got_it.error == (f"the header Host says {shown}, but the secrets of this request are for its URL's host, 127.0.0.1")
    assert got_it.error_kind == "invalid"
    assert server.connections == 0


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "localhost:{port}"])
async def test_a_host_header_that_says_what_the_url_says_may_stand_beside_a_secret(server: Server, host: str) -> None:
    host = host.format(port=server.port)
    headers = {"Host": host, "X": "${secret:api}"}
    asked = request(server.url(host="localhost"), headers_out=headers, secrets=secret("api", VALUE, "localhost"))

    assert (await got(asked)).status_code == 200

    assert (server.seen[0].get("Host"), server.seen[0].get("X")) == (host, VALUE)


async def test_without_a_secret_the_callers_host_replaces(server: Server) -> None:
    await got(request(server.url(), headers_out={"Host": "other.example", "Authorization": "mine"}))

    assert server.seen[0].get("Host") == "other.example"


@pytest.mark.parametrize(
    ("url", "allow", "goes"),
    [
        ("http://a.example/", [], False), ("https://a.example/", [], True), ("http://a.example/", ["b.example"], False),
        ("http://a.example/", ["a.example"], True), ("http://a.example:81/", ["a.example:81"], True),
        ("http://a.example/", ["a.example:81"], False), ("http://a.example/", ["*"], True), ("http://10.0.0.1/", [], False),
        ("http://10.0.0.1/", ["10.0.0.0/8"], True), ("http://a.example/", ["10.0.0.0/8"], False),
        ("http://93.184.216.34/", ["10.0.0.0/8"], False), ("http://127.0.0.1/", [], True), ("http://[::1]/", [], True),
        ("http://localhost:8000/", [], True), ("http://localhost.a.example/", [], False),
    ],
)  # fmt: skip
def test_a_secret_goes_over_https_only_but_within_this_machine_and_to_what_is_allowed(
    url: str, allow: list[str], goes: bool
) -> None:
    place = target(url)
    asked = request(url, headers_out={"X": "${secret:s}"}, secrets=secret("s", VALUE, place.host))

    if goes:
        assert Header("X", VALUE, private=True, secret=True) in headers_of(asked, place, 0, Guard(allow))
    else:
        with pytest.raises(Unsendable, match=r"^the secret 's' goes over https only$"):
            headers_of(asked, place, 0, Guard(allow))


async def test_a_value_with_a_line_break_is_never_sent_nor_shown(server: Server) -> None:
    got_it = await got(request(server.url(), headers_out={"X": "${secret:s}"}, secrets=secret("s", f"{VALUE}\r\nX-Evil: 1")))

    assert got_it.error == "the value of the header X has a line break or a NUL"
    assert server.connections == 0


async def test_no_secret_is_seen_in_logs_errors_or_reprs(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.on("/moved", redirect("http://10.0.0.1/"))
    secrets = secret("s", VALUE) | {"k": Secret("k", SIGNING, FORMER, ("127.0.0.1",))}

    for path in ("/", "/moved"):
        asked = request(server.url(path), "POST", payload=b"x", headers_out={"X": "${secret:s}"}, sign_with="k", secrets=secrets)
        headers = headers_of(asked, target(asked.url), 0, Guard())
        answer = await got(asked)
        shown = repr(headers) + repr(answer) + repr(asked) + caplog.text
        assert VALUE not in shown
        assert SIGNING.removeprefix("whsec_") not in shown


def test_a_secret_does_not_show_its_value() -> None:
    assert VALUE not in repr(Secret("s", VALUE, VALUE, ("a",)))


async def test_a_signed_request_is_verified_by_the_public_library(server: Server) -> None:
    body = '{"type": "INSERT", "record": {"name": "한줄"}}'.encode()
    asked = request(server.url(), "POST", payload=body, sign_with="k", secrets=secret("k", SIGNING, former=FORMER))

    await got(asked)

    [seen] = server.seen
    headers = dict(seen.headers)
    assert headers["webhook-id"] == f"msg_{asked.id}"
    assert headers["webhook-signature"].count("v1,") == 2
    for key in (SIGNING, FORMER):
        assert Webhook(key).verify(seen.body, headers) == {"type": "INSERT", "record": {"name": "한줄"}}


async def test_the_id_is_the_same_at_every_attempt_and_the_time_is_not() -> None:
    asked = request("http://127.0.0.1/", "POST", payload=b"x", sign_with="k", secrets=secret("k", SIGNING))

    first, second = (
        {header.name: header.value for header in headers_of(asked, target(asked.url), now, Guard())}
        for now in (1_700_000_000.9, 1_700_000_300)
    )

    assert first["webhook-id"] == second["webhook-id"]
    assert (first["webhook-timestamp"], second["webhook-timestamp"]) == ("1700000000", "1700000300")
    assert first["webhook-signature"] != second["webhook-signature"]


async def test_the_callers_own_webhook_headers_do_not_go_beside_a_signature(server: Server) -> None:
    forged = {"Webhook-Id": "msg_0", "webhook-signature": "v1,forged", "X-Other": "1"}

    await got(request(server.url(), headers_out=forged, sign_with="k", secrets=secret("k", SIGNING)))

    [seen] = server.seen
    assert str(seen.get("webhook-id")) != "msg_0"
    assert "forged" not in str(seen.get("webhook-signature"))
    assert seen.get("X-Other") == "1"


async def test_to_sign_a_large_body_does_not_hold_up_the_event_loop(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    signing_threads: list[threading.Thread] = []

    def signed(*args: Any) -> dict[str, str]:
        signing_threads.append(threading.current_thread())
        return sign(*args)

    monkeypatch.setattr("hanjul.sender.headers.sign", signed)
    small, large = (
        request(server.url(), "POST", payload=b"x" * size, sign_with="k", secrets=secret("k", SIGNING))
        for size in (1000, 300_000)
    )
    async with sender() as own:
        await own.send(small)
        await own.send(large)

    assert [thread is threading.main_thread() for thread in signing_threads] == [True, False]
    for seen in server.seen:
        verify(seen.body, dict(seen.headers), SIGNING)


@pytest.mark.parametrize("value", ["whsec_", "whsec_***", "short", "whsec_QUJD"])
async def test_a_secret_that_cannot_sign_stops_the_request(server: Server, value: str) -> None:
    got_it = await got(request(server.url(), sign_with="k", secrets=secret("k", value)))

    assert str(got_it.error).startswith("the secret 'k' cannot sign: ")
    assert value not in str(got_it.error).replace("`whsec_`", "")
    assert server.connections == 0


async def test_to_sign_is_to_send_a_secret_only_where_it_may_go(server: Server) -> None:
    missing = await got(request(server.url(), sign_with="k"))
    foreign = await got(request(server.url(), sign_with="k", secrets=secret("k", SIGNING, "example.com")))

    assert missing.error == "the secret 'k' does not exist; see net.set_secret"
    assert foreign.error == "the secret 'k' may not go to 127.0.0.1; see net.set_secret"
    assert LOCAL
