"""HTTP requests are a source of the loop like any other: they pass the suite of the drivers, but for what they do not have."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from hanjul.drivers.postgres import PostgresDriver
from hanjul.drivers.requests import RequestSource
from hanjul.drivers.sending import Sending
from hanjul.model.errors import HanjulError
from hanjul.model.outcome import Ack, Nack, Release
from hanjul.model.request import Answer, Request
from hanjul.postgres import Database
from hanjul.testing.driver_suite import QUEUE, Dead, Flow, Leases, Limits, Settlement, Stopping, consuming
from hanjul.testing.handlers import Recorder
from hanjul.testing.waiting import until


class RequestHarness:
    def __init__(self, driver: PostgresDriver) -> None:
        self.driver, self.database = driver, driver.database

    async def ask(self, query: str, *values: object) -> list[Any]:
        async with self.database.connection() as conn:
            cursor = await conn.execute(query.encode(), values)
            return await cursor.fetchall() if cursor.description else []

    async def create(self, queue: str) -> None:
        pass

    async def send(self, queue: str, body: object, *, headers: dict[str, Any] | None = None, delay_s: float = 0.0) -> object:
        [[request_id, *_]] = await self.ask(
            "insert into net.http_request_queue (method, url, body, timeout_milliseconds, max_attempts, next_attempt_at)"
            " select 'POST', 'http://localhost/', %s, 1000, 100, clock_timestamp() + make_interval(secs => %s)"
            " returning id, (select hanjul.wake('http requests'))",
            json.dumps(body).encode(), delay_s,
        )  # fmt: skip
        return request_id

    def source(self, queue: str, *, ordered: bool = False, topics: Sequence[str] = ()) -> RequestSource:
        return RequestSource(self.driver)

    async def size(self, queue: str) -> int:
        [[size]] = await self.ask("select net.queue_depth()")
        return int(size)

    async def dead_letters(self, queue: str) -> list[Dead]:
        ended = "select body, attempts, error_msg from net.http_request_queue where status = 'ERROR' order by id"
        return [Dead(json.loads(body), attempts, "", error) for body, attempts, error in await self.ask(ended)]

    async def redrive(self, queue: str) -> int:
        [[n]] = await self.ask("select net.redrive()")
        return int(n)


@pytest.fixture(params=[True, False], ids=["listening", "polling"])
async def harness(dsn: str, request: pytest.FixtureRequest) -> AsyncIterator[RequestHarness]:
    async with Database(dsn) as database:
        driver = PostgresDriver(database, database, listen_url=dsn if request.param else None)
        yield RequestHarness(driver)
        await driver.close()


class TestRequests(Flow, Leases, Limits, Settlement, Stopping):
    """Outcomes and Attempts are told of by requests in words of their own: see tests/sql/test_net_claim.py."""

    async def test_a_queue_that_does_not_exist_is_refused_at_the_start(self, harness: Any) -> None:
        """There is one line of requests, and it is always there."""
        await harness.source(QUEUE).open()

    async def test_a_dead_workers_message_is_redelivered_when_its_lease_ends(self, harness: Any) -> None:
        """And, unlike a message, charged no attempt: nobody knows whether it was sent."""
        await harness.send(QUEUE, 1)
        dead, handler = harness.source(QUEUE), Recorder()
        await dead.open()
        [held] = await dead.fetch(1, 1.0)

        async with consuming(harness.source(QUEUE), handler, lease_s=30):
            await until(lambda: handler.seen)

        assert (handler.seen[0].attempt, handler.seen[0].fence, handler.seen[0].id) == (1, 2, held.id)

    test_headers_arrive_as_they_were_sent = None  # a request's are those of HTTP
    test_queues_do_not_see_one_another = None  # there is one line


async def test_what_a_request_says_arrives_as_it_was_said(harness: RequestHarness) -> None:
    await harness.ask("select net.set_secret('key', 'value', array['localhost'])")
    await harness.ask(
        "insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds, max_attempts, retry, ordering_key,"
        " idempotency_key, sign_with, webhook, options)"
        " values ('post', 'http://localhost/', %s, %s, 7, 3, %s, 'o', 'i', 'key', 'w', %s)",
        '{"A": "${secret:key} ${secret:none}", "B": 5}', b"a\0b", '{"max_attempts": 3}', '{"max_redirects": 0}',
    )  # fmt: skip

    [request] = await harness.source("").fetch(10, 30)

    assert isinstance(request, Request)
    assert (request.attempt, request.fence, request.max_attempts, request.method, request.timeout_ms) == (1, 1, 3, "POST", 7)
    assert (request.url, request.payload, request.retry) == ("http://localhost/", b"a\0b", {"max_attempts": 3})
    assert (request.ordering_key, request.idempotency_key, request.sign_with, request.webhook) == ("o", "i", "key", "w")
    assert (request.headers_out, request.options) == ({"A": "${secret:key} ${secret:none}", "B": 5}, {"max_redirects": 0})
    assert [(name, secret.value, secret.hosts) for name, secret in request.secrets.items()] == [("key", "value", ("localhost",))]


async def test_an_answer_that_cannot_be_stored_keeps_no_other_from_it(harness: RequestHarness) -> None:
    for number in range(5):
        await harness.send("", number)
    source = harness.source("")
    requests: Any = await source.fetch(5, 30)
    for number, request in enumerate(requests):
        request.answer = Answer(200, headers={"A": "b"}, content="\0" if number == 3 else "fine")

    assert await source.settle([(request, Ack()) for request in requests]) == []

    ended = await harness.ask("select status::text, status_code, error_msg from net.http_request_queue order by id")
    assert [status for status, _, _ in ended] == ["SUCCESS", "SUCCESS", "SUCCESS", "ERROR", "SUCCESS"]
    assert "the answer cannot be stored" in ended[3][2]


@pytest.mark.parametrize("outcome", [Nack("no", delay_s=60), Release(delay_s=60), Ack()])
async def test_to_settle_again_because_the_answer_was_lost_changes_nothing(harness: RequestHarness, outcome: Any) -> None:
    await harness.send("", 1)
    source = harness.source("")
    [request] = await source.fetch(1, 30)
    await source.settle([(request, outcome)])
    state = "select status, attempts, released, next_attempt_at, finished from net.http_request_queue"
    before = await harness.ask(state)

    refused = await source.settle([(request, outcome)])

    assert await harness.ask(state) == before
    assert [refusal.held_by for refusal in refused] == ([None] if isinstance(outcome, Ack) else [])


async def test_a_batch_size_makes_a_tick(harness: RequestHarness) -> None:
    await harness.ask("insert into net.config (name, value) values ('pg_net.batch_size', '2')")
    for number in range(5):
        await harness.send("", number)
    source = harness.source("")
    await source.open()
    started = asyncio.get_running_loop().time()

    fetched = []
    while sum(fetched) < 5:
        fetched.append(len(await source.fetch(100, 30)))
        await source.wait() if not fetched[-1] else None

    assert [n for n in fetched if n] == [2, 2, 1]
    assert asyncio.get_running_loop().time() - started > 1.9


async def test_a_sender_is_seen_and_is_told(harness: RequestHarness, dsn: str) -> None:
    source = harness.source("")
    sending = Sending(harness.database, source, listen_url=dsn)
    named = "select pid from pg_stat_activity where application_name = 'hanjul pg_net sender'"
    assert await harness.ask(named) == []
    await sending.open()
    [[pid]] = await harness.ask(named)

    await harness.ask("insert into net.config (name, value) values ('pg_net.batch_size', '7')")
    await harness.ask("notify hanjul_net, 'config'")
    await until(lambda: source.batch_size == 7)
    await harness.ask("notify hanjul_net, 'restart'")

    async with asyncio.timeout(10):
        while (now := await harness.ask(named)) in ([], [(pid,)]):
            await asyncio.sleep(0.01)
    assert len(now) == 1
    await sending.close()


async def test_a_sender_forgets_what_is_old(harness: RequestHarness, dsn: str) -> None:
    await harness.ask(
        "insert into net._http_response (id, created) select 1, now() - interval '7 hours' from generate_series(1, 12000)"
    )
    sending = Sending(harness.database, harness.source(""), listen_url=None)

    await sending.open()

    async with asyncio.timeout(10):
        while await harness.ask("select from net._http_response limit 1"):
            await asyncio.sleep(0.01)
    await sending.close()


async def test_a_sender_goes_on_looking_after_requests_whatever_fails(
    harness: RequestHarness, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    await harness.ask("insert into net._http_response (id, created) values (1, now() - interval '7 hours')")
    [[whole]] = await harness.ask("select pg_get_functiondef(oid) from pg_proc where oid = 'net.expire'::regproc")
    await harness.ask("drop function net.expire")
    await harness.ask(
        "create function net.expire(max_rows integer) returns table (deleted bigint, next_in_s float8) language sql"
        " as 'select 0, 0.0 limit 0'"
    )
    sending = Sending(harness.database, harness.source(""), listen_url=dsn)
    await sending.open()
    await until(lambda: "looking after HTTP requests failed; trying again" in caplog.text)

    await harness.ask("drop function net.expire")
    await harness.ask(whole)
    await harness.ask("notify hanjul_net, 'config'")

    async with asyncio.timeout(10):
        while await harness.ask("select from net._http_response limit 1"):
            await asyncio.sleep(0.01)
    await sending.close()


@pytest.mark.parametrize("value", ["[" * 2000 + "]" * 2000, "9" * 5000], ids=["deep", "digits"])
async def test_headers_that_cannot_be_read_are_one_requests_business(harness: RequestHarness, value: str) -> None:
    for number in range(3):
        await harness.send("", number)
    await harness.ask("update net.http_request_queue set headers = %s::jsonb where body = '0'", f'{{"X": {value}}}')

    requests: Any = await harness.source("").fetch(10, 30)

    assert [isinstance(request.headers_out, str) for request in requests] == [True, False, False]


async def test_a_sender_holds_no_more_bodies_than_it_has_room_for(harness: RequestHarness) -> None:
    await harness.ask(
        "insert into net.http_request_queue (method, url, timeout_milliseconds, body)"
        " select 'POST', 'http://x/', 1, convert_to(repeat('x', 20 << 20), 'UTF8') from generate_series(1, 8)"
    )
    source = harness.source("")
    held: list[Any] = []
    while fetched := await source.fetch(100, 30):
        held += fetched
    assert len(held) == 4

    await source.settle([(held.pop(), Ack())])

    assert len(await source.fetch(100, 30)) == 1


async def test_what_is_not_sent_for_want_of_its_secret_did_not_die_with_its_sender(
    harness: RequestHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    await harness.ask(
        "insert into net.http_request_queue (method, url, timeout_milliseconds, sign_with) values ('GET', 'http://x/', 1, 'k')"
    )
    await harness.ask("alter table net.secret rename to hidden")
    source = harness.source("")

    with pytest.raises(HanjulError):
        await source.fetch(10, 30)

    assert await harness.ask("select claims - attempts - released, locked_until from net.http_request_queue") == [(0, None)]
