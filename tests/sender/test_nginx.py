"""The sender against the nginx of the distribution: many requests, few connections, HTTP/2, large answers, limits."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.sender.sending import answer_to, request, sender
from tests.websites import site as running_site
from tools.nginx import LARGE, Nginx

from hanjul.model.outcome import Ack, Nack, Reject
from hanjul.model.request import Answer
from hanjul.sender.limits import HostLimits
from hanjul.sender.sender import Sender

MANY = 2_000
AT_ONCE = 1_500


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(str(file))
    return str(file)


@pytest.fixture(scope="module")
def site(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    certificate = Path(tmp_path_factory.mktemp("certificate"), "localhost.pem")
    ca.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    with running_site(certificate) as found:
        yield found


async def _all(own: Sender, url: str, count: int, at_once: int) -> list[Answer]:
    """Ask so often, so many at once."""
    room = asyncio.Semaphore(at_once)

    async def ask() -> Answer:
        async with room:
            return await answer_to(own, request(url, timeout_ms=60_000))

    return await asyncio.gather(*(ask() for _ in range(count)))


async def test_thousands_of_gets_are_all_answered_over_few_connections(site: Nginx) -> None:
    async with sender(host=HostLimits(concurrency=50)) as own:
        answers = await _all(own, site.url("/wire"), MANY, at_once=100)

    assert {answer.status_code for answer in answers} == {200}
    connections = {str(answer.content).split()[0] for answer in answers}
    assert len(connections) <= 100  # 50 at once, and libcurl opens some more; why is not known


async def test_a_sender_uses_its_connections_again_after_a_pause(site: Nginx) -> None:
    async with sender() as own:
        first = await answer_to(own, request(site.url("/wire")))
        again = await answer_to(own, request(site.url("/wire")))

    assert first.content == again.content


async def test_over_tls_http_2_is_spoken_and_requests_share_a_connection(site: Nginx, ca_file: str) -> None:
    async with sender(ca_file=ca_file) as own:
        await answer_to(own, request(site.tls_url("/wire")))
        answers = await _all(own, site.tls_url("/wire"), 500, at_once=50)

    said = [str(answer.content).split() for answer in answers]
    assert {protocol for _, protocol in said} == {"HTTP/2.0"}
    assert len({connection for connection, _ in said}) <= 5


async def test_a_certificate_that_nobody_vouches_for_is_refused(site: Nginx) -> None:
    async with sender() as own:
        answer = await answer_to(own, request(site.tls_url("/small")))

    assert answer.error_kind == "tls"


async def test_more_than_a_thousand_are_on_their_way_at_once(site: Nginx) -> None:
    async with sender(concurrency=2 * AT_ONCE, host=HostLimits(concurrency=2 * AT_ONCE)) as own:
        asked = asyncio.create_task(_all(own, site.url("/slow"), AT_ONCE, at_once=AT_ONCE))
        most = 0
        while not asked.done():
            most = max(most, (await asyncio.to_thread(site.status))["active"])
            await asyncio.sleep(0.05)

    assert {answer.status_code for answer in asked.result()} == {200}
    assert {answer.content for answer in asked.result()} == {"slow answer\n" * 33}
    assert most >= AT_ONCE


async def test_large_answers_arrive_whole(site: Nginx, ca_file: str) -> None:
    async with sender(ca_file=ca_file) as own:
        plain = await _all(own, site.url("/large"), 50, at_once=20)
        encrypted = await _all(own, site.tls_url("/large"), 20, at_once=20)

    assert {answer.content for answer in [*plain, *encrypted]} == {LARGE.decode()}
    assert {answer.truncated for answer in [*plain, *encrypted]} == {False}


@pytest.mark.parametrize(("path", "status"), [("/limited", 429), ("/unavailable", 503)])
async def test_a_server_that_has_enough_is_asked_again_as_the_policy_says(site: Nginx, path: str, status: int) -> None:
    async with sender() as own:
        patient = await own.send(
            request(site.url(path), max_attempts=5, retry={"max_attempts": 5, "schedule_s": [7], "jitter": 0})
        )
    async with sender() as own:
        spent = await own.send(request(site.url(path), attempt=5, max_attempts=5, retry={"max_attempts": 5}))
    async with sender() as own:
        plain = await own.send(request(site.url(path)))

    assert isinstance(patient, Nack)
    assert isinstance(spent, Reject)
    assert isinstance(plain, Ack)
