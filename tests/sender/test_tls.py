"""HTTPS: who is trusted, HTTP/2 where it is spoken, proxies, and what is the same through them."""

import asyncio
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.sender.sending import answer_to, got, request, sender
from tests.sender.server import Server, Writer, redirect, serving

from hanjul.model.errors import InvalidSettings
from hanjul.model.outcome import Nack
from hanjul.sender.limits import SenderLimits
from hanjul.sender.sender import Sender


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def _context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture
async def secure(authority: trustme.CA) -> AsyncIterator[Server]:
    async with serving(_context(authority, "127.0.0.1", "localhost")) as server:
        yield server


UNTRUSTED = "SSL peer certificate or SSH remote key was not OK"


async def test_a_certificate_that_nobody_vouches_for_is_an_error_and_nothing_is_sent(secure: Server) -> None:
    got_it = await got(request(secure.url(), "POST", payload=b"secret"))

    assert (got_it.error, got_it.error_kind) == (UNTRUSTED, "tls")
    assert secure.seen == []


async def test_who_is_in_the_ca_file_is_trusted(secure: Server, ca_file: str) -> None:
    got_it = await got(request(secure.url()), ca_file=ca_file)

    assert got_it.status_code == 200
    assert got_it.connect_ms is not None


async def test_a_certificate_for_another_name_is_an_error(authority: trustme.CA, ca_file: str) -> None:
    async with serving(_context(authority, "example.com")) as server:
        got_it = await got(request(server.url()), ca_file=ca_file)

    assert got_it.error == UNTRUSTED


async def test_a_server_without_tls_is_an_error_of_tls(server: Server) -> None:
    got_it = await got(request(server.url().replace("http:", "https:"), timeout_ms=1000))

    assert got_it.error_kind in {"tls", "timeout"}


async def test_credentials_do_not_follow_from_https_to_http(secure: Server, server: Server, ca_file: str) -> None:
    secure.on("/", redirect(server.url()))

    await got(request(secure.url(), headers_out={"Authorization": "Bearer 1"}), ca_file=ca_file)

    assert secure.seen[0].get("Authorization") == "Bearer 1"
    assert server.seen[0].get("Authorization") is None


NODE = """
const http2 = require('node:http2'), fs = require('node:fs');
const [key, cert] = process.argv.slice(1).map(name => fs.readFileSync(name));
const server = http2.createSecureServer({key, cert, allowHTTP1: true});
let sessions = 0;
server.on('session', () => { sessions += 1; });
server.on('request', (request, response) => {
  const parts = [];
  request.on('data', part => parts.push(part));
  request.on('end', () => setTimeout(() => {
    response.setHeader('x-version', request.httpVersion);
    response.setHeader('x-sessions', String(sessions));
    response.setHeader('x-agent', request.headers['user-agent']);
    response.end(Buffer.concat(parts));
  }, 20));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


@asynccontextmanager
async def _node(authority: trustme.CA, tmp_path: Path) -> AsyncIterator[str]:
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    node = await asyncio.create_subprocess_exec(
        "node", "-e", NODE, str(tmp_path / "key.pem"), str(tmp_path / "cert.pem"), stdout=subprocess.PIPE
    )
    try:
        assert node.stdout is not None
        yield f"https://127.0.0.1:{int(await node.stdout.readline())}/"
    finally:
        node.kill()
        await node.wait()


async def test_http_2_is_spoken_where_the_server_speaks_it_and_many_requests_share_a_connection(
    authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    async with _node(authority, tmp_path) as url, sender(ca_file=ca_file) as own:
        first = await answer_to(own, request(url, "POST", payload=b"a\0b"))
        many = await asyncio.gather(*(answer_to(own, request(url)) for _ in range(50)))

    headers = [dict(one.headers or {}) for one in (first, *many)]
    assert {one["x-version"] for one in headers} == {"2.0"}
    assert {one["x-sessions"] for one in headers} == {"1"}
    assert headers[0]["x-agent"].startswith("hanjul/")
    assert first.body == b"a\0b"


async def _forward(reader: asyncio.StreamReader, writer: Writer, seen: list[bytes]) -> None:
    """A proxy that knows CONNECT and absolute URLs, and sends all to where they say."""
    head = await reader.readuntil(b"\r\n\r\n")
    seen.append(head)
    method, url, _ = head.split(b" ", 2)
    place = url if method == b"CONNECT" else url.split(b"/")[2]
    host, _, port = place.decode().rpartition(":")
    there, back = await asyncio.open_connection(host.replace("harmless.invalid", "127.0.0.1"), int(port))
    if method == b"CONNECT":
        writer.write(b"HTTP/1.1 200 Connection established\r\nX-Of-The-Proxy: 1\r\n\r\n")
    else:
        back.write(head)
    await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: Writer) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def _proxy() -> AsyncIterator[tuple[str, list[bytes]]]:
    seen: list[bytes] = []
    listening = await asyncio.start_server(lambda reader, writer: _forward(reader, writer, seen), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", seen
    finally:
        listening.close()


async def test_requests_go_through_the_proxy_by_their_whole_url(server: Server) -> None:
    async with _proxy() as (proxy, seen):
        got_it = await got(request(server.url("/x")), proxy=proxy)

    assert got_it.status_code == 200
    assert seen[0].startswith(f"GET {server.url('/x')} HTTP/1.1\r\n".encode())


async def test_https_goes_through_a_tunnel_and_its_head_is_not_the_answers(secure: Server, ca_file: str) -> None:
    async with _proxy() as (proxy, seen):
        got_it = await got(request(secure.url(), headers_out={"Authorization": "Bearer 1"}), proxy=proxy, ca_file=ca_file)

    assert got_it.status_code == 200
    assert "X-Of-The-Proxy" not in (got_it.headers or {})
    assert seen[0].startswith(b"CONNECT 127.0.0.1:")
    assert b"Bearer" not in seen[0]


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "*", "127.0.0.1:{port}"])
async def test_hosts_that_need_no_proxy_are_reached_without_it(server: Server, no_proxy: str) -> None:
    got_it = await got(request(server.url()), proxy="http://127.0.0.1:9", no_proxy=(no_proxy.format(port=server.port),))

    assert got_it.status_code == 200


async def test_the_guard_judges_what_a_proxy_is_to_reach_and_not_the_proxy(server: Server) -> None:
    async with _proxy() as (proxy, seen):
        refused = await got(request(server.url()), proxy=proxy, http_allow=())
        named = await got(request(server.url(host="localhost")), proxy=proxy, http_allow=())
        numeric = await got(request("http://2852039166/"), proxy=proxy, http_allow=())
        left_to_the_proxy = await got(request(server.url(host="harmless.invalid")), proxy=proxy, http_allow=())

    assert [one.error_kind for one in (refused, named, numeric)] == ["refused"] * 3
    assert left_to_the_proxy.status_code == 200
    assert len(seen) == 1


@pytest.fixture
def silent_dns(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A name server that says nothing about names below silent.example while the test runs."""
    over, ask = threading.Event(), socket.getaddrinfo

    def silent(host: str, *args: Any, **more: Any) -> Any:
        if str(host).endswith("silent.example"):
            over.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return ask(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    yield
    over.set()


@pytest.mark.usefixtures("silent_dns")
@pytest.mark.parametrize("host", ["169.254.169.254", "2852039166", "0xA9FEA9FE", "169.254.43518", "[::ffff:169.254.169.254]"])
async def test_an_address_is_judged_before_the_proxy_sees_it_however_many_names_are_asked_for(host: str) -> None:
    async with _proxy() as (proxy, seen), sender(proxy=proxy, http_allow=()) as own:
        names = [asyncio.create_task(own.send(request(f"http://n{n}.silent.example/", timeout_ms=60_000))) for n in range(80)]
        await asyncio.sleep(0)
        got_it = await answer_to(own, request(f"http://{host}/latest/meta-data", timeout_ms=1000))
        for task in names:
            task.cancel()
        await asyncio.wait(names)

    assert got_it.error_kind == "refused"
    assert seen == []


@pytest.mark.usefixtures("silent_dns")
async def test_a_name_without_an_answer_in_time_is_a_failure_and_not_left_to_the_proxy() -> None:
    async with _proxy() as (proxy, seen), sender(proxy=proxy, http_allow=()) as own:
        asked = request("http://n.silent.example/", timeout_ms=200, retry={"max_attempts": 3}, max_attempts=3)
        started = time.monotonic()
        outcome = await own.send(asked)

    assert time.monotonic() - started < 3
    assert isinstance(outcome, Nack)
    assert asked.answer is not None
    assert (asked.answer.error_kind, str(asked.answer.error)[:27]) == ("dns", "Couldn't resolve host name:")
    assert seen == []


async def test_a_proxy_that_is_not_there() -> None:
    got_it = await got(request("http://127.0.0.1:1/"), proxy="http://127.0.0.1:9")
    unknown = await got(request("http://127.0.0.1:1/"), proxy="http://no-such-proxy.invalid:9")

    assert got_it.error == "Couldn't connect to server"
    assert unknown.error == "Couldn't resolve proxy name"


@pytest.mark.parametrize("proxy", ["", "127.0.0.1:8080", "ftp://a:pw@b/"])
def test_a_proxy_that_is_none_is_refused_and_its_login_is_not_shown(proxy: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        Sender(SenderLimits(proxy=proxy))

    assert "pw" not in str(refused.value)


def test_the_login_of_a_proxy_is_not_shown() -> None:
    assert "pw" not in repr(SenderLimits(proxy="http://ada:pw@proxy.example:3128"))
