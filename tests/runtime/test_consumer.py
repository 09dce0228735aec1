"""The loop where it meets what no driver does: ends that are not ours, refusals, a backend that is away."""

import asyncio
import functools
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from hanjul.drivers.memory import MemoryDriver, MemorySource
from hanjul.model.delivery import Delivery
from hanjul.model.driver import Refusal, Settlement
from hanjul.model.errors import DatabaseFailure, InvalidSettings, Unavailable
from hanjul.runtime.consumer import Consumer
from hanjul.runtime.handlers import Handler
from hanjul.runtime.spec import ConsumerSpec
from hanjul.testing.handlers import Gate
from hanjul.testing.waiting import until


class Away(MemorySource):
    """A backend that can go away, and that refuses bodies of `bad`."""

    away = False
    bad: object = None

    async def fetch(self, limit: int, lease_s: float) -> list[Delivery[Any]]:
        self._must_be_there()
        return await super().fetch(limit, lease_s)

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Refusal]:
        self._must_be_there()
        if any(delivery.raw == self.bad for delivery, _ in settlements):
            raise DatabaseFailure("no")
        return await super().settle(settlements)

    def _must_be_there(self) -> None:
        if self.away:
            raise Unavailable("away")


@pytest.fixture
async def source() -> Away:
    driver = MemoryDriver()
    await driver.create("q")
    for number in range(5):
        await driver.send("q", number)
    return Away(driver, "q")


def consumer(source: Away, function: Any, **how: Any) -> Consumer:
    return Consumer(ConsumerSpec("q", Handler(function), **how), source)


async def test_one_that_the_backend_refuses_to_settle_does_not_keep_the_others_from_it(source: Away) -> None:
    together = asyncio.Barrier(5)
    source.bad = "3"

    async def handler(_number: int) -> None:
        await together.wait()

    running = consumer(source, handler, concurrency=5)
    await running.start()
    await until(lambda: running.counts.acked == 4 and running.counts.lost == 1)

    assert await running.stop()


async def test_a_backend_that_is_away_ends_no_consumer(source: Away) -> None:
    seen: list[int] = []

    async def handler(number: int) -> None:
        seen.append(number)
        source.away = len(seen) == 2

    running = consumer(source, handler, prefetch=1)
    await running.start()
    await until(lambda: source.away)
    source.away = False
    await until(lambda: running.counts.acked == 5)

    assert await running.stop()
    assert seen == [0, 1, 2, 3, 4]


async def test_stopping_does_not_wait_for_a_backend_that_is_away(source: Away) -> None:
    gate = Gate()
    running = consumer(source, gate)
    await running.start()
    await until(lambda: gate.inside)
    source.away = True
    gate.open()

    async with asyncio.timeout(10):
        assert not await running.stop(timeout_s=1)


async def test_what_ends_after_the_stop_settles_nothing_and_leaves_no_task(source: Away) -> None:
    may_end = asyncio.Event()

    async def stubborn(_number: int) -> None:
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                continue

    running = consumer(source, stubborn)
    await running.start()
    await until(lambda: running._pool.running)
    assert not await running.stop(timeout_s=0)

    may_end.set()
    await until(lambda: not [task for task in asyncio.all_tasks() if "hanjul/runtime/" in repr(task)])

    assert running.counts.acked == 0


def test_the_end_of_the_event_loop_ends_the_workers(source: Away) -> None:
    async def main() -> None:
        running = consumer(source, Gate(), concurrency=3)
        await running.start()
        await until(lambda: running._pool.running == 3)

    asyncio.run(main())  # it cancels what is left, and waits for it


async def test_a_bug_in_a_source_is_reported_and_survived(source: Away, monkeypatch: pytest.MonkeyPatch) -> None:
    bugs = [KeyError("a bug"), AttributeError("another")]
    fetch = source.fetch

    async def buggy(limit: int, lease_s: float) -> list[Delivery[Any]]:
        if bugs:
            raise bugs.pop()
        return await fetch(limit, lease_s)

    monkeypatch.setattr(source, "fetch", buggy)

    async def handler(_number: int) -> None:
        return None

    running = consumer(source, handler)
    await running.start()
    await until(lambda: running.counts.acked == 5)

    assert await running.stop()


async def test_stopping_what_was_never_started_is_no_mistake(source: Away) -> None:
    assert await consumer(source, Gate()).stop()


class Callable:
    seen = 0

    async def __call__(self, _number: int) -> None:
        self.seen += 1


async def test_an_object_that_is_called_like_a_coroutine_is_awaited(source: Away) -> None:
    handler = Callable()
    running = consumer(source, handler)
    await running.start()
    await until(lambda: running.counts.acked == 5)
    await running.stop()

    assert handler.seen == 5


async def test_what_a_plain_function_returns_is_awaited_if_it_can_be(source: Away) -> None:
    seen: list[int] = []

    async def work(number: int) -> None:
        seen.append(number)

    def wrapped(number: int) -> Any:
        return work(number)

    running = consumer(source, wrapped)
    await running.start()
    await until(lambda: running.counts.acked == 5)
    await running.stop()

    assert sorted(seen) == [0, 1, 2, 3, 4]


def yields(_number: int) -> Any:
    yield


async def yields_too(_number: int) -> Any:
    yield


@pytest.mark.parametrize("function", [yields, yields_too, lambda: None, lambda a, b: None, 7])
def test_a_function_that_would_do_nothing_is_refused(function: Any) -> None:
    with pytest.raises(InvalidSettings):
        Handler(function)


def test_a_partial_handler_keeps_its_annotations() -> None:
    async def handler(prefix: str, body: int) -> None:
        return None

    assert Handler(functools.partial(handler, "a")).is_async


async def test_the_log_of_a_failure_names_the_message_in_fields(source: Away, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(number: int) -> None:
        1 // (number - 3)

    running = consumer(source, handler)
    await running.start()
    await until(lambda: running.counts.acked == 4 and running.counts.nacked)
    await running.stop()

    assert [fields(record) for record in caplog.records] == [("q", 4, 1)]


async def test_the_log_of_a_settlement_that_failed_names_the_message_in_fields(
    source: Away, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(_number: int) -> None:
        source.bad = "3"

    running = consumer(source, handler)
    await running.start()
    await until(lambda: running.counts.acked == 4 and running.counts.lost)
    await running.stop()

    assert [fields(record) for record in caplog.records] == [("q", 4, 1)]


async def test_the_log_of_a_thread_that_was_given_up_names_the_message_in_fields(
    source: Away, caplog: pytest.LogCaptureFixture
) -> None:
    may_end = threading.Event()

    def handler(_number: int) -> None:
        may_end.wait(30)

    running = consumer(source, handler, timeout_s=0.01)
    await running.start()
    await until(lambda: caplog.records)
    may_end.set()
    await running.stop()

    assert fields(caplog.records[0]) == ("q", 1, 1)


def fields(record: Any) -> tuple[str, int, int]:
    return record.queue, record.msg_id, record.attempt
