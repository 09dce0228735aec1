"""What is kept of an answer: contract of pg_net, section 6."""

import gzip
import zlib

import pytest
from tests.sender.sending import got, request
from tests.sender.server import Server, answer, then_close, then_stall

from hanjul.model.outcome import Ack


@pytest.mark.parametrize("status", [200, 201, 204, 304, 400, 404, 500, 503, 599])
async def test_any_status_is_an_answer(server: Server, status: int) -> None:
    body = b"" if status in {204, 304} else b"said"
    url = server.on("/", answer(status, body).replace(b"Content-Length: 0\r\n", b""))

    got_it = await got(request(url))

    assert (got_it.status_code, got_it.error, got_it.timed_out, got_it.error_kind) == (status, None, False, None)
    assert got_it.content == (body.decode() or None)


async def test_phases_address_and_sizes_are_told(server: Server) -> None:
    got_it = await got(request(server.url()))

    assert got_it.remote_address == "127.0.0.1"
    assert got_it.response_bytes == 2
    assert 0 < got_it.duration_ms < 5000
    assert None not in {got_it.dns_ms, got_it.connect_ms, got_it.first_byte_ms}


async def test_header_names_keep_their_case_values_are_trimmed_and_the_last_of_a_name_wins(server: Server) -> None:
    cookies = b"Set-Cookie: one\r\nset-cookie: two\r\n"
    head = b"HTTP/1.1 200 OK\r\nX-oDD:   a b \t\r\n" + cookies + b"content-TYPE: text/x\r\nContent-Length: 0\r\n\r\n"

    got_it = await got(request(server.on("/", head)))

    assert got_it.headers == {"X-oDD": "a b", "set-cookie": "two", "content-TYPE": "text/x", "Content-Length": "0"}
    assert got_it.content_type == "text/x"


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (b"X-Empty:", "X-Empty", ""), (b"X Blank: 1", "X Blank", "1"), (b"X-Control: a\x01b\x7f", "X-Control", "a\x01b\x7f"),
        ("X-Text: é".encode(), "X-Text", "é"), (b"X-Latin: \xe9", "X-Latin", "é"), (b"X-Colons: a:b:c", "X-Colons", "a:b:c"),
    ],
)  # fmt: skip
async def test_odd_headers_are_kept_as_received(server: Server, line: bytes, name: str, value: str) -> None:
    got_it = await got(request(server.on("/", b"HTTP/1.1 200 OK\r\n" + line + b"\r\nContent-Length: 0\r\n\r\n")))

    assert got_it.error is None
    assert (got_it.headers or {})[name] == value


async def test_interim_answers_are_not_the_answer(server: Server) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\n"

    got_it = await got(request(server.on("/", early + answer(200, b"real"))))

    assert (got_it.status_code, got_it.content) == (200, "real")
    assert not {"Link", "X-Interim"} & set(got_it.headers or {})


async def test_trailers_are_not_headers(server: Server) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n"

    got_it = await got(request(server.on("/", chunked)))

    assert got_it.content == "abc"
    assert got_it.headers == {"Transfer-Encoding": "chunked"}


@pytest.mark.parametrize("closing", [b"HTTP/1.0 200 OK\r\n\r\nold", b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nold"])
async def test_a_body_may_end_with_its_connection(server: Server, closing: bytes) -> None:
    got_it = await got(request(server.on("/", then_close(closing))))

    assert (got_it.status_code, got_it.content) == (200, "old")


async def test_an_answer_without_content_type_or_body_has_none(server: Server) -> None:
    got_it = await got(request(server.on("/", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")))

    assert (got_it.content_type, got_it.content, got_it.body) == (None, None, None)


@pytest.mark.parametrize(
    ("content_type", "body", "text", "exact"),
    [
        ("text/plain", "é한".encode(), "é한", True),
        ("text/plain; charset=latin-1", b"\xe9", "é", True),
        ('text/html; Charset="EUC-KR"', "한글".encode("euc-kr"), "한글", True),
        ("text/plain; charset=shift_jis", "日本".encode("shift_jis"), "日本", True),
        ("text/plain; charset=no-such", "é".encode(), "é", True),
        ("text/plain; charset=base64", b"aGk=", "aGk=", True),
        ("text/plain; charset=idna", b"xn--a", "xn--a", True),
        ("text/plain; charset=utf-16", "a".encode("utf-16"), "a", True),
        ("text/plain", b"a\xffb", "a\ufffdb", False),
        ("text/plain", b"a\0b", "a\ufffdb", False),
        ("image/png", b"\x89PNG\0", "\ufffdPNG\ufffd", False),
        ("text/plain; charset=utf-8", b"\xed\xa0\x80", "\ufffd\ufffd\ufffd", False),
        ("text/plain; charset=euc-kr", b"a\xff\xff", "a\ufffd\ufffd", False),
        ("text/plain; charset=utf-16-le", b"\x00\xd8", "\ufffd", False),
    ],
)  # fmt: skip
async def test_the_content_is_text_and_the_bytes_are_kept_where_it_is_not_they(
    server: Server, content_type: str, body: bytes, text: str, exact: bool
) -> None:
    got_it = await got(request(server.on("/", answer(200, body, content_type=content_type))))

    assert got_it.content == text
    assert got_it.body == (None if exact else body)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", gzip.compress(b"plain", mtime=0)), ("x-gzip", gzip.compress(b"plain", mtime=0)),
     ("deflate", zlib.compress(b"plain")),
     ("deflate", zlib.compress(b"plain")[2:-4]),
     ("gzip, gzip", gzip.compress(gzip.compress(b"plain", mtime=0), mtime=0))],
)  # fmt: skip
async def test_what_is_compressed_unasked_is_decompressed(server: Server, encoding: str, body: bytes) -> None:
    got_it = await got(request(server.on("/", answer(200, body, {"Content-Encoding": encoding}))))

    assert (got_it.content, got_it.body, got_it.truncated) == ("plain", None, False)
    assert got_it.response_bytes == len(body)


@pytest.mark.parametrize("encoding", ["br", "zstd", "aws-chunked", "gzip", "gzip, br", "utf-8"])
async def test_what_cannot_be_decompressed_stays_as_it_is(server: Server, encoding: str) -> None:
    got_it = await got(request(server.on("/", answer(200, b"no gzip", {"Content-Encoding": encoding}))))

    assert (got_it.status_code, got_it.content, got_it.error) == (200, "no gzip", None)


async def test_a_longer_answer_is_cut_and_says_so(server: Server) -> None:
    url = server.on("/", answer(200, "é".encode() * 100))

    whole = await got(request(url, options={"max_response_bytes": 200}))
    cut = await got(request(url, options={"max_response_bytes": 101}))

    assert (whole.content, whole.truncated) == ("é" * 100, False)
    assert (cut.content, cut.truncated, cut.status_code, cut.error) == ("é" * 50, True, 200, None)


async def test_a_request_can_ask_for_less_than_the_sender_allows_and_not_for_more(server: Server) -> None:
    url = server.on("/", answer(200, b"x" * 100))

    got_it = await got(request(url, options={"max_response_bytes": 1000}), max_response_bytes=10)

    assert (got_it.content, got_it.truncated) == ("x" * 10, True)


async def test_the_rest_of_a_cut_answer_is_not_waited_for(server: Server) -> None:
    url = server.on("/", then_stall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000))
    asked = request(url, options={"max_response_bytes": 500})

    got_it = await got(asked)

    assert (got_it.truncated, got_it.error) == (True, None)
    assert got_it.duration_ms < 4000


@pytest.mark.parametrize("options", [{"max_response_bytes": "much"}, {"max_response_bytes": 0}, {"max_redirects": -1},
                                     {"max_redirects": True}])  # fmt: skip
async def test_options_that_are_none_are_the_requests_error(server: Server, options: dict[str, object]) -> None:
    got_it = await got(request(server.url(), options=options))

    assert str(got_it.error).startswith(f"options: {next(iter(options))} must be a whole number")


async def test_an_answer_without_a_policy_is_an_ack(server: Server) -> None:
    from tests.sender.sending import sender

    async with sender() as own:
        outcome = await own.send(request(server.on("/", answer(500))))

    assert type(outcome) is Ack
