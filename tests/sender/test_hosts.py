"""The gate of each host: concurrency, rate, the bounded line, and the breaker that leaves a failing host alone."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from tests.sender.sending import answer_to, request, sender
from tests.sender.server import Server, Writer, answer, stall, then_close

from hanjul.model.errors import InvalidSettings
from hanjul.model.outcome import Ack, Outcome, Reject, Release
from hanjul.sender.breaker import Breaker
from hanjul.sender.hosts import Host, Pass
from hanjul.sender.limits import HostLimits, SenderLimits

POLICY = {"max_attempts": 5}


async def _slow(_: object, writer: Writer) -> None:
    await asyncio.sleep(0.1)
    writer.write(answer())
    await writer.drain()


def _kinds(outcomes: list[Outcome]) -> dict[str, int]:
    names = [type(outcome).__name__ for outcome in outcomes]
    return {name: names.count(name) for name in names}


async def test_a_host_gets_no_more_at_once_than_its_concurrency(server: Server) -> None:
    server.on("/", _slow)

    async with sender(host=HostLimits(concurrency=3)) as own:
        outcomes = await asyncio.gather(*(own.send(request(server.url())) for _ in range(6)))

    assert server.most_running == 3
    assert _kinds(outcomes) == {"Ack": 6}


async def test_a_line_is_no_longer_than_the_concurrency_and_the_rest_is_put_off_one_after_the_other(server: Server) -> None:
    server.on("/", _slow)

    async with sender(host=HostLimits(concurrency=2)) as own:
        outcomes = await asyncio.gather(*(own.send(request(server.url())) for _ in range(24)))

    put_off = [outcome for outcome in outcomes if isinstance(outcome, Release)]
    assert _kinds(outcomes) == {"Ack": 4, "Release": 20}
    delays = [outcome.delay_s for outcome in put_off]
    assert delays == sorted(delays)
    assert len(set(delays)) == 20
    assert 0 < delays[0] < 1 < delays[-1] < 10
    assert put_off[0].reason == f"waiting: 2 requests to host 127.0.0.1:{server.port} are before it"


async def test_the_line_of_a_host_that_is_known_to_be_fast_is_as_long_as_it_moves_in_a_moment(server: Server) -> None:
    async with sender(host=HostLimits(concurrency=2)) as own:
        for _ in range(40):
            await answer_to(own, request(server.url()))

        outcomes = await asyncio.gather(*(own.send(request(server.url())) for _ in range(40)))

    assert _kinds(outcomes) == {"Ack": 40}
    assert server.most_running <= 2


async def test_when_a_fast_host_stalls_what_is_beyond_its_concurrency_is_put_off_after_all(server: Server) -> None:
    stalling = server.on("/stall", stall)

    async with sender(host=HostLimits(concurrency=2)) as own:
        for _ in range(40):
            await answer_to(own, request(server.url()))
        held = [asyncio.create_task(own.send(request(stalling))) for _ in range(12)]
        first = await next(asyncio.as_completed(held))
        await asyncio.sleep(0)
        released = [task for task in held if task.done()]
        for task in held:
            task.cancel()

    assert isinstance(first, Release)
    assert held[4:] == released


async def test_what_is_put_off_has_no_answer(server: Server) -> None:
    server.on("/", stall)
    last = request(server.url())

    async with sender(host=HostLimits(concurrency=1)) as own:
        tasks = [asyncio.create_task(own.send(request(server.url()))) for _ in range(2)]
        await asyncio.sleep(0)
        assert isinstance(await own.send(last), Release)
        for task in tasks:
            task.cancel()

    assert last.answer is None


async def test_a_slow_host_holds_up_no_other(server: Server) -> None:
    server.on("/", stall)

    async with sender(host=HostLimits(concurrency=2)) as own:
        held = [asyncio.create_task(own.send(request(server.url(), timeout_ms=2000))) for _ in range(50)]
        await asyncio.sleep(0)
        other = await answer_to(own, request(server.url("/quick", host="localhost")))
        released = [task for task in held if task.done()]
        for task in held:
            task.cancel()

    assert other.status_code == 200
    assert len(released) == 46


async def test_one_that_gives_up_in_the_line_leaves_its_place_to_the_next(server: Server) -> None:
    server.on("/", _slow)

    async with sender(host=HostLimits(concurrency=1)) as own:
        first, second = (asyncio.create_task(own.send(request(server.url()))) for _ in range(2))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        third = asyncio.create_task(own.send(request(server.url())))
        assert type(await first) is Ack
        assert type(await third) is Ack

    assert len(server.seen) == 2


async def test_a_rate_spaces_requests_and_puts_off_what_would_wait_long(server: Server) -> None:
    started = time.monotonic()

    async with sender(host=HostLimits(rate=20)) as own:
        outcomes = await asyncio.gather(*(own.send(request(server.url())) for _ in range(30)))
        took_s = time.monotonic() - started

    kinds = _kinds(outcomes)
    assert 8 <= kinds["Ack"] <= 13
    assert took_s >= (kinds["Ack"] - 1) / 20 - 0.01
    delays = [outcome.delay_s for outcome in outcomes if isinstance(outcome, Release)]
    assert delays[-1] - delays[0] == pytest.approx((len(delays) - 1) / 20, abs=0.01)


async def test_one_that_gives_up_while_the_rate_holds_it_leaves_its_place() -> None:
    host = Host("a:80", HostLimits(concurrency=2, rate=4.0), SenderLimits())
    first = await host.enter(request("http://a/"))
    assert isinstance(first, Pass)
    first.leave(failed=False)

    for _ in range(2):
        held = asyncio.create_task(host.enter(request("http://a/")))
        await asyncio.sleep(0)
        held.cancel()
        await asyncio.wait({held})
        host._free_at = 0.0  # as if time had passed

    async with asyncio.timeout(5):
        assert isinstance(await host.enter(request("http://a/")), Pass)
        assert host._running == 1


async def test_a_place_that_was_given_to_one_in_the_line_is_taken_by_no_other() -> None:
    host = Host("a:80", HostLimits(concurrency=1), SenderLimits())
    first = await host.enter(request("http://a/"))
    assert isinstance(first, Pass)
    waiting = asyncio.create_task(host.enter(request("http://a/")))
    await asyncio.sleep(0)

    late = asyncio.create_task(host.enter(request("http://a/")))  # runs before the one that waits is woken
    first.leave(failed=False)
    entered = await waiting

    assert isinstance(entered, Pass)
    assert not late.done()
    entered.leave(failed=False)
    assert isinstance(await late, Pass)


async def test_one_that_gives_up_at_its_turn_passes_its_place_on() -> None:
    host = Host("a:80", HostLimits(concurrency=2), SenderLimits())
    first, other = await host.enter(request("http://a/")), await host.enter(request("http://a/"))
    assert isinstance(first, Pass)
    assert isinstance(other, Pass)
    gives_up, waits = (asyncio.create_task(host.enter(request("http://a/"))) for _ in range(2))
    await asyncio.sleep(0)

    first.leave(failed=False)
    gives_up.cancel()

    assert isinstance(await waits, Pass)
    other.leave(failed=False)
    assert host._running == 1


async def test_limits_of_a_host_by_name_or_by_name_and_port(server: Server) -> None:
    server.on("/", _slow)
    hosts = {"localhost": HostLimits(concurrency=1), f"127.0.0.1:{server.port}": HostLimits(concurrency=4)}

    async with sender(hosts=hosts) as own:
        await asyncio.gather(*(own.send(request(server.url(host="localhost"))) for _ in range(4)))
        assert server.most_running == 1
        await asyncio.gather(*(own.send(request(server.url())) for _ in range(8)))
        assert server.most_running == 4


@pytest.fixture
def broken(server: Server) -> str:
    return server.on("/", then_close(b""))


async def test_a_host_that_fails_ten_times_in_a_row_is_left_alone(server: Server, broken: str) -> None:
    async with sender() as own:
        for _ in range(10):
            await answer_to(own, request(broken, retry=POLICY, max_attempts=5))
        held = request(broken, retry=POLICY, max_attempts=5)
        outcome = await own.send(held)

    assert isinstance(outcome, Release)
    assert 4 < outcome.delay_s < 7
    assert outcome.reason == f"waiting: host 127.0.0.1:{server.port} is failing"
    assert held.answer is None
    assert len(server.seen) == 10


async def test_a_status_is_no_failure_of_the_host(server: Server) -> None:
    url = server.on("/", answer(500))

    async with sender(break_after=3) as own:
        for _ in range(10):
            await own.send(request(url, retry=POLICY, max_attempts=5))

    assert len(server.seen) == 10


async def test_an_answer_in_between_begins_the_count_anew(server: Server, broken: str) -> None:
    async with sender(break_after=3) as own:
        for path in ["/", "/", "/good", "/", "/", "/good", "/"]:
            assert not isinstance(await own.send(request(server.url(path), retry=POLICY, max_attempts=5)), Release)


async def test_after_its_time_one_probe_goes_and_an_answer_opens_the_way_again(server: Server, broken: str) -> None:
    async with sender(break_after=2, probe_s=0.2, probe_max_s=60) as own:
        for _ in range(2):
            await own.send(request(broken, retry=POLICY))
        server.on("/", _slow)
        await asyncio.sleep(0.25)
        outcomes = await asyncio.gather(*(own.send(request(broken, retry=POLICY)) for _ in range(5)))
        after = await asyncio.gather(*(own.send(request(broken, retry=POLICY)) for _ in range(5)))

    assert _kinds(outcomes) == {"Ack": 1, "Release": 4}
    assert _kinds(after) == {"Ack": 5}


async def test_a_request_without_a_policy_waits_no_longer_than_its_timeout_then_it_is_sent(server: Server, broken: str) -> None:
    async with sender(break_after=1) as own:
        await own.send(request(broken))
        young, old = request(broken, timeout_ms=2000), request(broken, created_at=datetime.now(UTC) - timedelta(seconds=6))
        held, sent = await own.send(young), await own.send(old)

    assert isinstance(held, Release)
    assert 1 < held.delay_s <= 2
    assert type(sent) is Reject
    assert old.answer is not None
    assert old.answer.error == "Server returned nothing (no headers, no data)"


async def test_a_host_that_asks_for_time_gets_it(server: Server) -> None:
    url = server.on("/", answer(429, b"slow down", {"Retry-After": "60"}))

    async with sender() as own:
        await own.send(request(url, retry=POLICY, max_attempts=5))
        outcome = await own.send(request(url, retry=POLICY, max_attempts=5))

    assert isinstance(outcome, Release)
    assert 59 < outcome.delay_s <= 72
    assert outcome.reason == f"waiting: host 127.0.0.1:{server.port} asked for it (Retry-After)"
    assert len(server.seen) == 1


async def test_nobody_holds_a_host_for_ever_by_a_retry_after(server: Server) -> None:
    url = server.on("/", answer(503, b"", {"Retry-After": "999999999999"}))

    async with sender() as own:
        await own.send(request(url, retry=POLICY, max_attempts=5))
        outcome = await own.send(request(url, retry=POLICY, max_attempts=5))

    assert isinstance(outcome, Release)
    assert outcome.delay_s <= 360


async def test_a_refused_address_is_not_the_hosts_failure() -> None:
    async with sender(http_allow=(), break_after=1) as own:
        for _ in range(3):
            assert type(await own.send(request("http://127.0.0.1:1/", retry=POLICY, max_attempts=5))) is Reject


def test_the_breaker_waits_twice_as_long_after_each_probe_that_fails() -> None:
    breaker = Breaker(SenderLimits(break_after=1, probe_s=5, probe_max_s=30))
    now, waits = 1000.0, []

    breaker.failed(now, probe=False)
    for _ in range(5):
        waits.append(breaker.wait_s(now))
        now += waits[-1]
        assert breaker.probe()
        assert not breaker.probe()
        breaker.failed(now, probe=True)

    assert waits == [pytest.approx(wait, rel=0.11) for wait in (5, 10, 20, 30, 30)]
    breaker.succeeded()
    assert breaker.wait_s(now) == 0
    assert breaker.unmarked


def test_a_probe_that_is_given_up_leaves_its_turn_to_another() -> None:
    breaker = Breaker(SenderLimits(break_after=1))
    breaker.failed(0.0, probe=False)

    assert breaker.probe()
    breaker.gave_up(probe=True)

    assert breaker.probe()


@pytest.mark.parametrize(
    "limits",
    [{"concurrency": 0}, {"max_response_bytes": 0}, {"max_redirects": -1}, {"break_after": 0}, {"probe_s": 0},
     {"probe_s": 10, "probe_max_s": 5}, {"ca_file": "/no/such/file"}, {"connect_timeout_s": 0}],
)  # fmt: skip
def test_limits_that_cannot_work_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(InvalidSettings, match=next(iter(limits))):
        SenderLimits(**limits)


def test_host_limits_that_cannot_work_are_refused() -> None:
    with pytest.raises(InvalidSettings, match="concurrency of a host"):
        HostLimits(concurrency=0)
    with pytest.raises(InvalidSettings, match="rate of a host"):
        HostLimits(rate=0)


async def test_what_one_role_meets_at_a_host_holds_up_no_other(server: Server) -> None:
    server.on("/stalls", stall)
    server.on("/limits", b"HTTP/1.1 429 No\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n")

    async with sender() as own:
        for _ in range(12):
            await own.send(request(server.url("/stalls"), timeout_ms=1, enqueued_by="mallory"))
        await own.send(request(server.url("/limits"), enqueued_by="mallory"))

        hers = await own.send(request(server.url(), retry=POLICY, enqueued_by="mallory"))
        mine = await own.send(request(server.url(), retry=POLICY, enqueued_by="me"))

    assert isinstance(hers, Release)
    assert isinstance(mine, Ack)
