"""Servers that are not there, or misbehave: each is a recorded error in words that pg_net's users know."""

import asyncio
import re
import socket
from pathlib import Path

import pytest
from tests.sender.sending import answer_to, got, request, sender
from tests.sender.server import Reply, Server, Writer, answer, drip, endless, stall, then_close, then_stall

from hanjul import app_http
from hanjul.config import settings
from hanjul.model.errors import InvalidSettings
from hanjul.sender.failures import timeout_text
from hanjul.sender.limits import SenderLimits

TEXT = (
    r"Timeout of {ms} ms reached\. Total time: [0-9]+\.[0-9]{{6}} ms \(DNS time: [0-9]+\.[0-9]{{6}} ms, "
    r"TCP/SSL handshake time: [0-9]+\.[0-9]{{6}} ms, HTTP Request/Response time: [0-9]+\.[0-9]{{6}} ms\)"
)


def _phases(error: str | None) -> tuple[float, float, float, float]:
    words = str(error).replace("(", "").replace(")", "").split()
    total, dns, handshake, request_ = (float(word) for word in words if word.count(".") == 1 and word[0].isdigit())
    return total, dns, handshake, request_


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (then_close(b""), "Server returned nothing (no headers, no data)"),
        (then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), "Transferred a partial file"),
        (then_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal"), "Transferred a partial file"),
        (then_close(b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"), "Weird server reply"),
        (then_close(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "Weird server reply"),
        (then_close(b"SSH-2.0-OpenSSH_9.6\r\n"), "Unsupported protocol"),
        (then_close(b"\x00\xff" * 1000), "Unsupported protocol"),
        (then_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), "Failure when receiving data from the peer"),
    ],
)  # fmt: skip
async def test_what_is_no_proper_answer_is_an_error_and_nothing_is_kept_of_it(server: Server, reply: Reply, error: str) -> None:
    got_it = await got(request(server.on("/", reply)))

    assert got_it.error == error
    assert got_it.error_kind == "protocol"
    assert (got_it.status_code, got_it.content_type, got_it.headers, got_it.content, got_it.body) == (None,) * 5
    assert not got_it.timed_out


async def test_a_connection_that_is_reset_is_a_failure_to_receive(server: Server) -> None:
    async def reset(_: object, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await asyncio.sleep(0.05)
        writer.transport.abort()

    assert (await got(request(server.on("/", reset)))).error == "Failure when receiving data from the peer"


async def test_nobody_listens() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        got_it = await got(request(f"http://127.0.0.1:{unheard.getsockname()[1]}/"))

    assert (got_it.error, got_it.error_kind) == ("Couldn't connect to server", "connect")


async def test_a_name_that_does_not_resolve() -> None:
    got_it = await got(request("http://no-such-host.invalid/"))

    assert (got_it.error, got_it.error_kind) == ("Couldn't resolve host name", "dns")


async def test_no_answer_in_time_names_the_request_phase(server: Server) -> None:
    got_it = await got(request(server.on("/", stall), timeout_ms=200))

    assert got_it.timed_out
    assert got_it.error_kind == "timeout"
    assert got_it.error is not None
    assert re.fullmatch(TEXT.format(ms=200), got_it.error)
    total, dns, handshake, request_ = _phases(got_it.error)
    assert dns > 0
    assert handshake > 0
    assert request_ > 100
    assert total >= 200


async def test_no_handshake_in_time_names_the_handshake_phase(server: Server) -> None:
    got_it = await got(request(server.url().replace("http:", "https:"), timeout_ms=200))

    _, dns, handshake, request_ = _phases(got_it.error)
    assert dns > 0
    assert handshake > 100
    assert request_ == 0
    assert got_it.dns_ms is not None
    assert (got_it.connect_ms, got_it.first_byte_ms) == (None, None)


async def test_no_connection_in_time_names_the_handshake_phase() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(8)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        got_it = await got(request(f"http://127.0.0.1:{port}/", timeout_ms=300))
        connected_only = await got(request(f"http://127.0.0.1:{port}/", timeout_ms=0), connect_timeout_s=0.3)
        for one in waiting:
            one.close()

    assert _phases(got_it.error)[2] > 200
    assert _phases(got_it.error)[3] == 0
    assert str(connected_only.error).startswith("Timeout of 300 ms reached.")


async def test_a_name_that_takes_too_long_names_the_dns_phase() -> None:
    assert timeout_text(1000, 1_000_700, 1_000_700, 0, 0).endswith(
        "(DNS time: 1000.700000 ms, TCP/SSL handshake time: 0.000000 ms, HTTP Request/Response time: 0.000000 ms)"
    )


async def test_phases_are_more_than_nothing_on_a_connection_that_was_there(server: Server) -> None:
    server.on("/stall", stall)
    async with sender() as own:
        await answer_to(own, request(server.url()))
        got_it = await answer_to(own, request(server.url("/stall"), timeout_ms=200))

    assert server.connections == 1
    assert min(_phases(got_it.error)) > 0


@pytest.mark.parametrize("reply", [drip, then_stall(answer()[:-1]), endless(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n")])
async def test_time_is_counted_in_all_not_from_byte_to_byte(server: Server, reply: Reply) -> None:
    got_it = await got(request(server.on("/", reply), timeout_ms=400))

    assert got_it.timed_out or got_it.error_kind in {"too_large", "protocol"}
    assert got_it.duration_ms < 2000


async def test_a_timeout_of_zero_or_less_is_none(server: Server) -> None:
    async def late(_: object, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        writer.write(answer())
        await writer.drain()

    server.on("/", late)

    assert (await got(request(server.url(), timeout_ms=0))).status_code == 200
    assert (await got(request(server.url(), timeout_ms=-5))).status_code == 200


@pytest.mark.parametrize("piece", [b"X: " + b"x" * 60_000 + b"\r\n", b"X-More: 1\r\n", b"x" * 100_000])
async def test_a_head_without_end_is_too_large(server: Server, piece: bytes) -> None:
    got_it = await got(request(server.on("/", endless(b"HTTP/1.1 200 OK\r\n", piece)), timeout_ms=20_000))

    assert got_it.error == "too large: the head of the answer has more than 300 KB, or 5,000 lines"
    assert got_it.error_kind == "too_large"


async def test_slow_servers_hold_up_nobody_else(server: Server) -> None:
    drips = [request(server.on("/drip", drip), timeout_ms=3000) for _ in range(80)]

    async with sender() as own:
        slow = [asyncio.create_task(own.send(one)) for one in drips]
        while server.running < 80:
            await asyncio.sleep(0.01)
        quick = [await answer_to(own, request(server.url(), timeout_ms=2000)) for _ in range(20)]
        assert not any(task.done() for task in slow)

    assert [one.status_code for one in quick] == [200] * 20
    await asyncio.gather(*slow)


async def test_after_every_misbehaviour_the_sender_goes_on(server: Server) -> None:
    replies: list[Reply] = [
        then_close(b""), then_close(b"HTTP/1.1 200 OK\r\nbroken"), then_close(b"nonsense"), stall, drip,
        endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000), endless(b"", b"\0" * 1000), then_close(b"HTTP/1.1 999999 X\r\n\r\n"),
    ]  # fmt: skip
    async with sender(max_response_bytes=100_000) as own:
        for number, reply in enumerate(replies):
            await answer_to(own, request(server.on(f"/{number}", reply), timeout_ms=300))
            assert (await answer_to(own, request(server.url("/good")))).status_code == 200


async def test_a_server_that_closes_connections_without_a_word_loses_no_request(server: Server) -> None:
    """libcurl tries again over five more connections that it kept; all of them may be closed."""

    async def and_close(_: object, writer: Writer) -> None:
        await asyncio.sleep(0.1)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")  # no word of closing
        await writer.drain()

    server.on("/", and_close)  # what a function answers is the last of its connection
    async with sender() as own:
        await asyncio.gather(*(own.send(request(server.url())) for _ in range(30)))

        posted = [await answer_to(own, request(server.url(), "POST", payload=b"x")) for _ in range(3)]

    assert [(answer.status_code, answer.error) for answer in posted] == [(200, None)] * 3


@pytest.mark.parametrize("timeout_ms", [0, -1, 60_000])
async def test_no_attempt_takes_longer_than_the_sender_lets_it(server: Server, timeout_ms: int) -> None:
    url = server.on("/", stall)

    async with asyncio.timeout(20):
        got_it = await got(request(url, timeout_ms=timeout_ms), longest_attempt_s=0.3)

    assert str(got_it.error).startswith("Timeout of 300 ms reached. Total time: ")
    assert (got_it.timed_out, got_it.error_kind) == (True, "timeout")


@pytest.mark.parametrize("longest_s", [0, -1, float("nan"), float("inf"), 1e9])
def test_a_longest_attempt_that_libcurl_cannot_count_is_refused(longest_s: float) -> None:
    with pytest.raises(InvalidSettings, match="longest_attempt_s must be from"):
        SenderLimits(longest_attempt_s=longest_s)


def test_the_longest_attempt_is_a_setting_of_the_process() -> None:
    found = settings({"HANJUL_HTTP_LONGEST_ATTEMPT_S": "60"}, Path("/nowhere"))

    assert (found.http_longest_attempt_s, app_http._limits(found).longest_attempt_s) == (60, 60)
