"""What goes over the wire: contract of pg_net, section 5."""

from importlib.metadata import version

import pytest
from tests.sender.sending import answer_to, got, request, sender
from tests.sender.server import Seen, Server, serving


async def _seen(server: Server, method: str = "GET", path: str = "/", **fields: object) -> Seen:
    answer = await got(request(server.url(path), method, **fields))
    assert answer.error is None, answer.error
    return server.seen[-1]


async def test_a_get_has_host_accept_and_user_agent_and_nothing_else(server: Server) -> None:
    seen = await _seen(server, path="/todos/1?a=b")

    assert seen.raw.startswith(b"GET /todos/1?a=b HTTP/1.1\r\n")
    assert dict(seen.headers) == {
        "Host": f"127.0.0.1:{server.port}", "Accept": "*/*", "User-Agent": f"hanjul/{version('hanjul')}",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["User-Agent", "user-agent", "Accept", "Host"])
async def test_the_callers_header_replaces_ours_and_goes_out_once(server: Server, name: str) -> None:
    seen = await _seen(server, headers_out={name: "my-own"})

    assert seen.get(name) == "my-own"


async def test_of_two_user_agents_of_the_caller_the_last_one_goes_out(server: Server) -> None:
    seen = await _seen(server, headers_out={"User-Agent": "one", "user-agent": "two"})

    assert seen.all("User-Agent") == ["two"]


async def test_header_values_are_the_text_of_their_json_value(server: Server) -> None:
    headers = {
        "X-Text": "a b",
        "X-Number": 5,
        "X-True": True,
        "X-Object": {"a": [1, "é"]},
        "X-Null": None,
        "X-Empty": "",
        "X-Blank": " ",
    }

    seen = await _seen(server, headers_out=headers)

    assert seen.get("X-Text") == "a b"
    assert seen.get("X-Number") == "5"
    assert seen.get("X-True") == "true"
    assert seen.get("X-Object").encode("latin-1").decode() == '{"a": [1, "é"]}'  # type: ignore[union-attr]
    assert [seen.get(name) for name in ("X-Null", "X-Empty", "X-Blank")] == [None, None, None]


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rb", "a\0b", {"a": "\r\n"}])
async def test_a_value_with_a_line_break_or_nul_is_never_sent(server: Server, value: object) -> None:
    answer = await got(request(server.url(), headers_out={"X-Value": value}))

    if isinstance(value, dict):  # as JSON text it has none: they are escaped
        assert server.seen[-1].get("X-Value") == '{"a": "\\r\\n"}'
    else:
        assert answer.error == "the value of the header X-Value has a line break or a NUL"
        assert server.connections == 0


@pytest.mark.parametrize("name", ["X-A\r\nX-Evil", "X A", "X:A", "", "X\0", "Ü", "X-A\t"])
async def test_a_name_that_is_no_token_is_never_sent(server: Server, name: str) -> None:
    answer = await got(request(server.url(), headers_out={name: "1"}))

    assert answer.error == f"the header name {name!r} has characters that no name may have"
    assert server.connections == 0


async def test_half_a_character_in_a_header_or_a_url_is_never_sent(server: Server) -> None:
    assert "half a character" in str((await got(request(server.url(), headers_out={"X": "\ud800"}))).error)
    assert "half a character" in str((await got(request(server.url("/\ud800")))).error)
    assert "half a character" in str((await got(request(server.url("/?\ud800")))).error)
    assert server.connections == 0


async def test_headers_that_are_no_object_are_an_error_of_the_request(server: Server) -> None:
    answer = await got(request(server.url(), headers_out=["X-Key: canary"]))

    assert answer.error == "the headers must be a JSON object, not a list"


@pytest.mark.parametrize("name", ["Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
                                  "HTTP2-Settings", "Expect", "Proxy-Authorization"])  # fmt: skip
async def test_headers_of_the_connection_are_not_the_callers(server: Server, name: str) -> None:
    seen = await _seen(server, "POST", headers_out={name: "chunked"}, payload=b"x")

    assert seen.get(name) is None
    assert seen.body == b"x"


async def test_the_length_is_that_of_the_body_whatever_the_caller_says(server: Server) -> None:
    seen = await _seen(server, "POST", headers_out={"Content-Length": "3"}, payload=b"12345")

    assert (seen.get("Content-Length"), seen.body) == ("5", b"12345")


async def test_a_large_body_is_sent_without_asking_first(server: Server) -> None:
    body = bytes(range(256)) * 8000

    seen = await _seen(server, "POST", payload=body)

    assert seen.get("Expect") is None
    assert seen.body == body


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_bodies_with_nul_go_out_whole_by_every_method(server: Server, method: str) -> None:
    seen = await _seen(server, method, payload=b"a\0b\0")

    assert (seen.method, seen.body) == (method, b"a\0b\0")


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "HEAD"])
async def test_without_a_body_there_is_neither_content_type_nor_length(server: Server, method: str) -> None:
    seen = await _seen(server, method)

    assert seen.method == method
    assert (seen.get("Content-Type"), seen.get("Content-Length")) == (None, None)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_post_without_a_body_has_an_empty_one(server: Server, method: str) -> None:
    seen = await _seen(server, method, headers_out={"Content-Type": "application/json"})

    assert (seen.method, seen.get("Content-Length"), seen.get("Content-Type")) == (method, "0", "application/json")


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_body_without_a_content_type_is_labelled_as_a_form(server: Server, method: str) -> None:
    seen = await _seen(server, method, payload=b'{"a": 1}')

    assert seen.get("Content-Type") == "application/x-www-form-urlencoded"


async def test_methods_are_known_in_any_case_and_others_are_refused(server: Server) -> None:
    assert (await _seen(server, "delete")).method == "DELETE"

    answer = await got(request(server.url(), "TRACE"))

    assert str(answer.error).startswith("the method 'TRACE' is none of DELETE, GET,")


async def test_user_and_password_of_the_url_become_basic_authorization(server: Server) -> None:
    await got(request(server.url().replace("127.0.0.1", "ada:p%40w@127.0.0.1")))

    assert server.seen[-1].get("Authorization") == "Basic YWRhOnBAdw=="


async def test_the_fragment_stays_and_text_beyond_ascii_is_encoded_in_the_path_only(server: Server) -> None:
    await got(request(server.url("/caf%C3%A9/é?q=é#part")))

    assert server.seen[-1].raw.startswith("GET /caf%C3%A9/%C3%A9?q=é HTTP/1.1".encode())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_localhost_is_both_addresses(host: str) -> None:
    async with serving(host=host) as server:
        answer = await got(request(server.url(host="localhost")), http_allow=("localhost",))

    assert answer.status_code == 200
    assert answer.remote_address == host


async def test_an_idempotency_key_is_sent_unless_the_caller_sends_one(server: Server) -> None:
    assert (await _seen(server, "POST", idempotency_key="k-1")).get("Idempotency-Key") == "k-1"
    assert (await _seen(server, "POST", idempotency_key="k-1", headers_out={"idempotency-key": "mine"})).get(
        "Idempotency-Key"
    ) == "mine"


async def test_a_connection_is_used_again(server: Server) -> None:
    async with sender() as own:
        for _ in range(20):
            await answer_to(own, request(server.url()))

    assert len(server.seen) == 20
    assert server.connections == 1


async def test_nothing_of_a_request_is_left_in_the_next_one(server: Server) -> None:
    async with sender() as own:
        await answer_to(own, request(server.url(), "PATCH", headers_out={"X-Secret": "1", "Accept": "text/x"}, payload=b"body"))
        await answer_to(own, request(server.url()))

    last = server.seen[-1]
    assert (last.method, last.body, last.get("X-Secret"), last.get("Accept")) == ("GET", b"", None, "*/*")
    assert last.get("Content-Type") is None


async def test_the_environments_proxy_is_not_ours(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert (await _seen(server)).path == "/"


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", "invalid URL: Bad scheme"), ("/relative", "invalid URL: Bad scheme"), (" http://a/", "invalid URL: Bad scheme"),
        ("http:/one-slash", "invalid URL: Bad scheme"), ("http://", "invalid URL: No host part in the URL"),
        ("http:///path", "invalid URL: No host part in the URL"), ("http://a b/", "invalid URL: Bad hostname"),
        ("http://a\\b/", "invalid URL: Bad hostname"), ("http://a:b/", "invalid URL: Bad hostname"),
        ("http://[::g]/", "invalid URL: Bad IPv6 address"), ("http://[fe80::1%25eth0]/", "invalid URL: Bad IPv6 address"),
        ("http://a@b@c/", "invalid URL: Bad hostname"), ("http://a%2fb/", "invalid URL: Bad hostname"),
        ("http://a:0/", "invalid URL: Port number was not a decimal number between 0 and 65535"),
        ("http://a:65536/", "invalid URL: Port number was not a decimal number between 0 and 65535"),
        ("http://a/b c", "invalid URL: Bad path or query: it has a blank or a control character"),
        ("http://a/?b\n", "invalid URL: Bad path or query: it has a blank or a control character"),
        ("file:///etc/passwd", "Unsupported protocol"), ("gopher://127.0.0.1:9/_x", "Unsupported protocol"),
        ("ftp://127.0.0.1/", "Unsupported protocol"), ("dict://127.0.0.1/", "Unsupported protocol"),
    ],
)  # fmt: skip
async def test_a_url_that_is_none_is_the_requests_error(url: str, error: str) -> None:
    assert (await got(request(url))).error == error
