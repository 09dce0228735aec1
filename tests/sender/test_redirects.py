"""Redirects: which are followed, what becomes of the request, what stays behind, and where they end."""

from collections.abc import AsyncIterator

import pytest
from tests.sender.sending import answer_to, got, request, secret, sender
from tests.sender.server import Server, answer, redirect, serving

from hanjul.sender.headers import Header
from hanjul.sender.redirects import Sending, followed
from hanjul.sender.urls import target


@pytest.fixture
async def other() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_and_the_last_answer_is_the_answer(server: Server, status: int) -> None:
    server.on("/from", redirect("/to?x=1", status))
    server.on("/to", answer(201, b"there", {"X-Last": "1"}))

    got_it = await got(request(server.url("/from")))

    assert (got_it.status_code, got_it.content) == (201, "there")
    assert "Location" not in (got_it.headers or {})
    assert (got_it.headers or {})["X-Last"] == "1"
    assert [seen.path for seen in server.seen] == ["/from", "/to?x=1"]
    assert server.connections == 1


@pytest.mark.parametrize(
    ("method", "status", "then", "body"),
    [
        ("POST", 301, "GET", b""), ("POST", 302, "GET", b""), ("POST", 303, "GET", b""),
        ("POST", 307, "POST", b"body"), ("POST", 308, "POST", b"body"),
        ("DELETE", 301, "DELETE", b"body"), ("DELETE", 303, "DELETE", b""), ("DELETE", 307, "DELETE", b"body"),
        ("PUT", 302, "PUT", b"body"), ("PUT", 303, "GET", b""), ("PATCH", 307, "PATCH", b"body"), ("HEAD", 303, "HEAD", b""),
    ],
)  # fmt: skip
async def test_what_becomes_of_method_and_body(server: Server, method: str, status: int, then: str, body: bytes) -> None:
    url = server.on("/", redirect("/to", status) if method != "HEAD" else redirect("/to", status)[: -len(b"moved")])

    await got(request(url, method, payload=b"body", headers_out={"Content-Type": "text/x"}))

    assert (server.seen[-1].method, server.seen[-1].body) == (then, body)
    assert server.seen[-1].get("Content-Type") == "text/x"


PRIVATE = {
    "Authorization": "Bearer 1",
    "Cookie": "a=1",
    "X-Api-Key": "2",
    "apikey": "3",
    "X-Hub-Signature": "4",
    "X-Auth-Token": "5",
    "X-Access-Key": "6",
    "X-Private-Key": "7",
    "Ocp-Apim-Subscription-Key": "8",
    "X-Whatever": "9",
}
HARMLESS = {
    "Accept": "text/x",
    "Accept-Language": "ko",
    "Content-Type": "text/y",
    "Content-Language": "en",
    "User-Agent": "me",
    "Traceparent": "00-1",
    "tracestate": "a=1",
}


async def test_only_harmless_headers_go_on_where_another_port_begins(server: Server, other: Server) -> None:
    url = server.on("/", redirect(other.url("/to"), 307))

    await got(request(url, "POST", payload=b"x", idempotency_key="k",
                      headers_out={**PRIVATE, **HARMLESS, "Host": "my.host"}))  # fmt: skip

    assert all(server.seen[0].get(name) == value for name, value in PRIVATE.items())
    assert [other.seen[0].get(name) for name in PRIVATE] == [None] * len(PRIVATE)
    assert {name: other.seen[0].get(name) for name in HARMLESS} == HARMLESS
    assert other.seen[0].get("Idempotency-Key") == "k"
    assert other.seen[0].get("Host") == f"127.0.0.1:{other.port}"


async def test_credentials_stay_behind_where_another_host_begins_and_do_not_return(server: Server) -> None:
    server.on("/", redirect(f"http://localhost:{server.port}/away"))
    server.on("/away", redirect(server.url("/back")))

    await got(request(server.url(), headers_out=PRIVATE))

    assert [seen.get("Authorization") for seen in server.seen] == ["Bearer 1", None, None]


@pytest.mark.parametrize(
    ("location", "goes"),
    [
        ("http://a.example/b", True), ("http://A.example:80/", True), ("http://a.example:81/", False),
        ("https://a.example/", False), ("https://a.example:80/", False), ("http://b.example/", False),
    ],
)  # fmt: skip
def test_another_scheme_host_or_port_is_another_origin(location: str, goes: bool) -> None:
    sending = Sending("GET", target("http://a.example/"), (Header("X-Anything", "1"), Header("Accept", "*/*")), None)

    on = followed(sending, 302, location)

    assert [header.name for header in on.headers] == (["X-Anything", "Accept"] if goes else ["Accept"])


async def test_a_secret_stays_behind_in_a_harmless_header_too(server: Server, other: Server) -> None:
    url = server.on("/", redirect(other.url()))

    await got(request(url, headers_out={"Accept": "${secret:s}"}, secrets=secret("s", "value")))

    assert (server.seen[0].get("Accept"), other.seen[0].get("Accept")) == ("value", "*/*")


async def test_credentials_go_along_within_one_host(server: Server) -> None:
    url = server.on("/", redirect("/to"))

    await got(request(url.replace("127.0.0.1", "ada:pw@127.0.0.1"), headers_out={"Cookie": "a=1"}))

    assert server.seen[1].get("Cookie") == "a=1"
    assert server.seen[1].get("Authorization") == server.seen[0].get("Authorization") is not None


async def test_the_urls_login_stays_behind_too(server: Server, other: Server) -> None:
    url = server.on("/", redirect(other.url()))

    await got(request(url.replace("127.0.0.1", "ada:pw@127.0.0.1")))

    assert server.seen[0].get("Authorization") is not None
    assert other.seen[0].get("Authorization") is None


async def test_secrets_and_signatures_stay_behind(server: Server, other: Server) -> None:
    url = server.on("/", redirect(other.url(), 307))
    secrets = secret("s", "whsec_" + "QUJD" * 8)

    await got(request(url, "POST", payload=b"x", headers_out={"X-Mine": "${secret:s}"}, sign_with="s", secrets=secrets))

    assert server.seen[0].get("X-Mine")
    assert server.seen[0].get("webhook-signature")
    assert [other.seen[0].get(name) for name in ("X-Mine", "webhook-id", "webhook-timestamp", "webhook-signature")] == [None] * 4


async def test_a_loop_ends_at_the_maximum(server: Server) -> None:
    got_it = await got(request(server.on("/", redirect("/"))))

    assert got_it.error == "Number of redirects hit maximum amount"
    assert got_it.status_code is None
    assert len(server.seen) == 11


async def test_a_request_says_how_many_redirects_it_follows(server: Server) -> None:
    server.on("/", redirect("/two"))
    server.on("/two", redirect("/three"))

    none = await got(request(server.url(), options={"max_redirects": 0}))
    one = await got(request(server.url(), options={"max_redirects": 1}))
    two = await got(request(server.url(), options={"max_redirects": 2}))

    assert (none.status_code, (none.headers or {})["Location"], none.error) == (302, "/two", None)
    assert one.error == "Number of redirects hit maximum amount"
    assert two.status_code == 200


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "javascript:alert(1)"])
async def test_a_redirect_leads_to_the_web_only(server: Server, location: str) -> None:
    got_it = await got(request(server.on("/", redirect(location))))

    assert got_it.error is not None or got_it.status_code == 302
    assert len(server.seen) == 1
    if got_it.error is not None:
        assert got_it.error in {"Unsupported protocol", "invalid URL: Bad scheme"}


@pytest.mark.parametrize("location", ["", " ", "http://", "http://[::g]/", "//", "http://a b/", "\xff\xfe"])
async def test_a_location_that_is_none_is_no_crash(server: Server, location: str) -> None:
    url = server.on("/", b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location.encode("latin-1") + b"\r\n\r\n")

    async with sender() as own:
        await answer_to(own, request(url))
        assert (await answer_to(own, request(server.url("/good")))).status_code == 200


async def test_an_answer_that_is_no_redirect_may_have_a_location(server: Server) -> None:
    got_it = await got(request(server.on("/", answer(201, b"made", {"Location": "/made"}))))

    assert (got_it.status_code, len(server.seen)) == (201, 1)


async def test_all_hops_share_the_time(server: Server) -> None:
    from tests.sender.server import stall

    server.on("/", redirect("/slow"))
    server.on("/slow", stall)

    got_it = await got(request(server.url(), timeout_ms=300))

    assert str(got_it.error).startswith("Timeout of 300 ms reached. Total time: ")
    assert 250 < got_it.duration_ms < 1500


@pytest.mark.parametrize("inside", ["http://169.254.169.254/latest/meta-data/", "http://[::ffff:169.254.169.254]/", "http://2852039166/",
                                    "//169.254.169.254/", "http://10.0.0.1:80/"])  # fmt: skip
async def test_the_guard_sees_every_hop(server: Server, inside: str) -> None:
    got_it = await got(request(server.on("/", redirect(inside))))

    assert got_it.error_kind == "refused"
    assert "is not a public address (allow it with http_allow)" in str(got_it.error)
    assert len(server.seen) == 1
