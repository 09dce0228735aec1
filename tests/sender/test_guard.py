"""The guard: what is not public is not reached, however it is written, whatever it is called, at whichever hop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network
from typing import Any

import pycurl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sender.sending import answer_to, got, request, sender
from tests.sender.server import Server, redirect, serving

from hanjul.model.errors import InvalidSettings
from hanjul.model.outcome import Reject
from hanjul.sender.guard import Guard, is_public
from hanjul.sender.options import Options
from hanjul.sender.transfer import Transfer

LOOPBACK = [
    "127.0.0.1", "127.1", "127.0.1", "127.000.000.001", "0177.0.0.1", "0177.1", "0x7f.0.0.1", "0x7f.1", "0x7F000001",
    "2130706433", "017700000001", "127.0.0.1.", "127.1.", "127.0.0.2", "127.255.255.254", "0", "0.0.0.0", "0x0",
    "00", "0.0", "0.1", "0.0.0.1", "localhost", "LOCALHOST", "LocalHost", "localhost.", "foo.localhost", "a.b.localhost.",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::FFFF:7F00:0001]",
    "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]", "[::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
    "[2002:7f00:0001::1]", "[64:ff9b:1::7f00:1]", "[::ffff:0:127.0.0.1]",
    "１２７.０.０.１", "127。0。0。1", "①②⑦.⓪.⓪.①", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ｌｏｃａｌｈｏｓｔ",
    "loc%61lhost", "%6c%6f%63%61%6c%68%6f%73%74", "127%2e0%2e0%2e1",
    "%31%32%37.1", "public.example@127.0.0.1", "public.example:80@127.0.0.1", "1.1.1.1%20@127.0.0.1", "a:b@localhost",
]  # fmt: skip
PRIVATE = [
    "10.0.0.1", "10.255.255.255", "10.1", "012.0.0.1", "0xa.0.0.1", "167772161", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "192.168.1", "0xC0A80001", "3232235521", "[::ffff:10.0.0.1]", "[::ffff:192.168.0.1]", "[64:ff9b::10.0.0.1]", "[2002:a00:1::]",
    "[2002:c0a8:1::]", "169.254.169.254", "169.254.43518", "2852039166", "0xA9FEA9FE", "025177524776", "0251.0376.0251.0376",
    "0xa9.0xfe.0xa9.0xfe", "169.254.0.1", "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]", "[fe80::1]", "[fe80::a9fe:a9fe]", "[febf::1]", "[fd00:ec2::254]", "[fc00::1]", "[fdff:ffff::1]",
    "[fec0::1]", "100.64.0.1", "100.127.255.254", "100.100.100.200", "168.63.129.16.nip.invalid", "0.0.0.8", "0.255.255.255",
    "192.0.0.1", "192.0.0.192", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "198.19.255.255", "192.88.99.1",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.254", "255.255.255.255", "4294967295", "[ff02::1]", "[ff0e::1]",
    "[2001:db8::1]", "[3fff::1]", "[2001::1]", "[2001:0:7f00:1::]", "[2001:10::1]", "[2001:20::1]", "[100::1]", "[4000::1]",
    "[5f00::1]", "[::2]", "[::ffff:0:0]", "[1::]", "[e000::1]",
]  # fmt: skip


@pytest.fixture
async def canary() -> AsyncIterator[Server]:
    """Listens on all addresses of this machine; nobody may come."""
    async with serving(host="0.0.0.0") as server:
        yield server
        assert server.connections == 0, "the canary was reached"


def test_there_are_enough_forms() -> None:
    assert len(set(LOOPBACK + PRIVATE)) >= 120


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_form_of_an_address_that_is_not_public_is_connected_to(canary: Server, scheme: str) -> None:
    forms = [f"{scheme}://{host}:{canary.port}/" for host in LOOPBACK + PRIVATE]

    async with sender(http_allow=()) as own:
        asked = [request(url, timeout_ms=4000) for url in forms]
        outcomes = await asyncio.gather(*map(own.send, asked))

    reached = [one.url for one in asked if one.answer is None or one.answer.error is None]
    assert reached == []
    assert all(type(outcome) is Reject for outcome in outcomes)
    kinds = {
        one.url: one.answer.error_kind for one in asked if one.answer and one.answer.error_kind not in {"refused", "invalid"}
    }
    assert all(".invalid" in url for url in kinds), kinds  # nothing timed out, or was tried and failed


async def test_the_error_names_the_address_and_the_way_to_allow_it(canary: Server) -> None:
    got_it = await got(request("http://2852039166/latest/meta-data/"), http_allow=())

    assert got_it.error == "refused: 169.254.169.254 is not a public address (allow it with http_allow)"
    assert got_it.error_kind == "refused"


async def test_a_redirect_chain_does_not_lead_inside(canary: Server) -> None:
    async with serving(host="127.0.0.1") as outside:
        for number, host in enumerate(["127.0.0.2", "2130706434", "[::ffff:127.0.0.2]", "127.2"]):
            outside.on(f"/{number}", redirect(f"/{number}/again"))
            outside.on(f"/{number}/again", redirect(f"http://{host}:{canary.port}/", 307))
            got_it = await got(request(outside.url(f"/{number}"), "POST", payload=b"x"), http_allow=("127.0.0.1/32",))
            assert got_it.error_kind == "refused", host


class _OfItsOwnDns(Options):
    """Names resolve to what a test says, as a name server of somebody else's may have it. What is checked is not changed."""

    addresses: tuple[str, ...] = ()

    def apply(self, curl: Any, transfer: Transfer) -> None:
        super().apply(curl, transfer)
        host, port = transfer.hop.target.host, transfer.hop.target.port
        curl.setopt(pycurl.RESOLVE, [f"+{host}:{port}:{','.join(self.addresses)}"])


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "[::1]", "10.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"])
async def test_what_counts_is_the_address_that_is_connected_to(
    canary: Server, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(_OfItsOwnDns, "addresses", (address,))
    monkeypatch.setattr("hanjul.sender.transfers.Options", _OfItsOwnDns)

    got_it = await got(request(f"http://harmless.example:{canary.port}/"), http_allow=())

    assert got_it.error_kind == "refused", got_it


async def test_a_name_with_several_addresses_is_reached_at_those_alone_that_may_be(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_OfItsOwnDns, "addresses", ("169.254.169.254", "10.0.0.1", "127.0.0.1"))
    monkeypatch.setattr("hanjul.sender.transfers.Options", _OfItsOwnDns)

    got_it = await got(request(server.url(host="harmless.example")), http_allow=("127.0.0.1",))

    assert (got_it.status_code, got_it.remote_address) == (200, "127.0.0.1")


async def test_a_name_that_turns_to_another_address_is_refused_from_then_on(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_OfItsOwnDns, "addresses", ("127.0.0.1",))
    monkeypatch.setattr("hanjul.sender.transfers.Options", _OfItsOwnDns)

    async def close_after(_: object, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()

    url = server.on("/", close_after).replace("127.0.0.1", "harmless.example")
    async with sender(http_allow=("127.0.0.1",)) as own:
        first = await answer_to(own, request(url))
        monkeypatch.setattr(_OfItsOwnDns, "addresses", ("127.0.0.2",))
        second = await answer_to(own, request(url))

    assert first.status_code == 200
    assert second.error == "refused: 127.0.0.2 is not a public address (allow it with http_allow)"


@pytest.mark.parametrize(
    "allow", ["127.0.0.1", "127.0.0.0/8", " 127.0.0.1 ", "*", "127.0.0.1:{port}", "::ffff:127.0.0.1/128", "0.0.0.0/0"]
)
async def test_what_is_allowed_is_reached(server: Server, allow: str) -> None:
    got_it = await got(request(server.url()), http_allow=(allow.format(port=server.port),))

    assert (got_it.status_code == 200) is not allow.startswith("::ffff"), got_it


@pytest.mark.parametrize("allow", ["localhost", "LocalHost.", "localhost:{port}"])
async def test_a_name_is_allowed_whatever_its_addresses(server: Server, allow: str) -> None:
    allowed = (allow.format(port=server.port),)

    assert (await got(request(server.url(host="localhost")), http_allow=allowed)).status_code == 200
    assert (await got(request(server.url()), http_allow=allowed)).error_kind == "refused"


async def test_another_port_is_another_place(server: Server) -> None:
    assert (await got(request(server.url(host="localhost")), http_allow=("localhost:1",))).error_kind == "refused"


@pytest.mark.parametrize("entry", ["", "10.0.0.0/33", "300.1.1.1", "a b", "example.com/8", "1.2.3"])
def test_an_entry_that_is_nothing_is_refused_by_name(entry: str) -> None:
    with pytest.raises(InvalidSettings, match="http_allow"):
        Guard((entry,))


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "172.15.0.1", "172.32.0.1", "192.169.0.1",
                                     "100.128.0.1",
                                     "2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
                                     "2002:808:808::1"])  # fmt: skip
def test_public_addresses_are(address: str) -> None:
    assert is_public(ip_address(address))


@given(st.ip_addresses(v=4))
def test_an_address_that_python_calls_private_is_never_public(ip: Any) -> None:
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        assert not is_public(ip)


@given(st.ip_addresses(v=4), st.sampled_from(["::ffff:0:0/96", "64:ff9b::/96"]))
def test_an_ipv4_address_within_an_ipv6_one_is_judged_as_itself(ip: Any, network: str) -> None:
    embedded = ip_address(int(ip_network(network).network_address) + int(ip))

    assert is_public(embedded) == is_public(ip)


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_that_python_calls_private_is_never_public(ip: Any) -> None:
    if ip not in ip_network("64:ff9b::/96") and ip not in ip_network("2002::/16") and ip not in ip_network("::ffff:0:0/96"):
        assert ip.is_global or not is_public(ip)


async def test_a_unix_socket_or_any_other_family_is_no_address() -> None:
    assert Guard().refusal("a", 80, "/var/run/docker.sock") == "refused: '/var/run/docker.sock' is not an address of the internet"


def test_the_machine_speaks_both_families() -> None:
    assert socket.has_ipv6
