"""Stopping: nothing is lost, nothing is charged, nothing is left behind, and it says whether all was drained."""

import asyncio
import threading
import time
from typing import Any

from hanjul.model.delivery import Delivery
from hanjul.runtime.consumer import Consumer
from hanjul.runtime.handlers import Handler
from hanjul.runtime.spec import ConsumerSpec
from hanjul.testing.driver_suite.harness import QUEUE, Harness, sent
from hanjul.testing.handlers import Gate, Recorder
from hanjul.testing.recording import RecordedSource
from hanjul.testing.waiting import until


class Stopping:
    """Give it a fixture `harness`."""

    async def test_an_idle_consumer_stops_at_once(self, harness: Harness) -> None:
        await sent(harness, 0)
        consumer = await self._started(harness.source(QUEUE), Recorder())
        asked = time.monotonic()

        assert await consumer.stop(timeout_s=30)

        assert time.monotonic() - asked < 2

    async def test_buffered_messages_go_back_at_once_and_uncharged(self, harness: Harness) -> None:
        await sent(harness, 5)
        gate = Gate()
        consumer = await self._started(harness.source(QUEUE), gate, prefetch=5)
        await until(lambda: consumer.counts.fetched == 5 and gate.inside == 1)

        stopping = asyncio.create_task(consumer.stop(timeout_s=30))
        back = await self._fetched(harness, 4)
        gate.open()

        assert await stopping
        assert [delivery.attempt for delivery in back] == [1, 1, 1, 1]
        assert gate.seen[0].id not in {delivery.id for delivery in back}

    async def test_running_handlers_finish_and_are_settled(self, harness: Harness) -> None:
        await sent(harness, 3)
        gate = Gate()
        consumer = await self._started(harness.source(QUEUE), gate, concurrency=3, prefetch=3)
        await until(lambda: gate.inside == 3)

        stopping = asyncio.create_task(consumer.stop(timeout_s=30))
        gate.open()

        assert await stopping
        assert (consumer.counts.acked, await harness.size(QUEUE)) == (3, 0)

    async def test_handlers_that_take_too_long_are_cut_and_their_messages_released(self, harness: Harness) -> None:
        await sent(harness, 2)
        gate = Gate()
        consumer = await self._started(harness.source(QUEUE), gate, concurrency=2)
        await until(lambda: gate.inside == 2)

        drained = await consumer.stop(timeout_s=0.3)

        assert not drained
        assert len(gate.cancelled) == 2
        assert [delivery.attempt for delivery in await self._fetched(harness, 2)] == [1, 1]

    async def test_a_second_signal_cuts_at_once(self, harness: Harness) -> None:
        await sent(harness, 1)
        gate = Gate()
        consumer = await self._started(harness.source(QUEUE), gate)
        await until(lambda: gate.inside == 1)
        stopping = asyncio.create_task(consumer.stop(timeout_s=60))
        asked = time.monotonic()

        consumer.cut()

        assert not await stopping
        assert time.monotonic() - asked < 5
        assert [delivery.attempt for delivery in await self._fetched(harness, 1)] == [1]

    async def test_a_handler_that_is_cut_may_still_settle(self, harness: Harness) -> None:
        await sent(harness, 1)
        started = asyncio.Event()

        async def handler(message: Delivery[Any]) -> None:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                await message.ack()

        consumer = await self._started(harness.source(QUEUE), handler)
        await started.wait()

        assert not await consumer.stop(timeout_s=0)
        assert (consumer.counts.acked, await harness.size(QUEUE)) == (1, 0)

    async def test_a_fetch_under_way_loses_nothing(self, harness: Harness) -> None:
        await sent(harness, 3)
        source, handler = RecordedSource(harness.source(QUEUE)), Recorder()
        source.fetches_answer.clear()
        consumer = await self._started(source, handler, concurrency=2)
        await until(lambda: source.fetched == [3])

        stopping = asyncio.create_task(consumer.stop(timeout_s=30))
        await until(lambda: consumer._stopping)  # noqa: SLF001  (there is no public way to it)
        source.fetches_answer.set()

        assert await stopping
        assert handler.seen == []
        assert [delivery.attempt for delivery in await self._fetched(harness, 3)] == [1, 1, 1]

    async def test_a_fetch_under_way_at_a_second_signal_loses_nothing(self, harness: Harness) -> None:
        await sent(harness, 3)
        source = RecordedSource(harness.source(QUEUE))
        source.fetches_answer.clear()
        consumer = await self._started(source, Recorder(), concurrency=2)
        await until(lambda: source.fetched == [3])

        stopping = asyncio.create_task(consumer.stop(timeout_s=30))
        consumer.cut()
        await until(lambda: consumer._stopping)  # noqa: SLF001  (there is no public way to it)
        source.fetches_answer.set()

        await stopping
        assert [delivery.attempt for delivery in await self._fetched(harness, 3)] == [1, 1, 1]

    async def test_a_thread_that_does_not_end_does_not_hold_up_the_stop(self, harness: Harness) -> None:
        await sent(harness, 1)
        inside, may_end = threading.Event(), threading.Event()

        def handler(_body: Any) -> None:
            inside.set()
            may_end.wait(30)

        consumer = await self._started(harness.source(QUEUE), handler)
        await until(inside.is_set)
        asked = time.monotonic()

        assert not await consumer.stop(timeout_s=0.2)

        may_end.set()
        assert time.monotonic() - asked < 5
        assert [delivery.attempt for delivery in await self._fetched(harness, 1)] == [1]

    async def test_nothing_is_left_behind(self, harness: Harness) -> None:
        await sent(harness, 20)
        threads = set(threading.enumerate())

        def handler(_body: Any) -> None:
            return None

        consumer = await self._started(harness.source(QUEUE), handler, concurrency=3)
        tasks = {task for task in asyncio.all_tasks() if "hanjul/runtime/" in repr(task)}
        await until(lambda: consumer.counts.acked == 20)
        await consumer.stop()

        assert tasks
        assert all(task.done() for task in tasks)
        await until(lambda: not [t for t in set(threading.enumerate()) - threads if t.name.startswith("hanjul")], within_s=5)

    async def _started(self, source: Any, handler: Any, **how: Any) -> Consumer:
        consumer = Consumer(ConsumerSpec(QUEUE, Handler(handler), **how), source)
        await consumer.start()
        return consumer

    async def _fetched(self, harness: Harness, count: int) -> list[Delivery[Any]]:
        """What somebody else can have of the queue; waits until it is so many."""
        source = harness.source(QUEUE)
        await source.open()
        fetched: list[Delivery[Any]] = []
        async with asyncio.timeout(20):
            while len(fetched) < count:
                fetched += await source.fetch(count - len(fetched), 30)
                await asyncio.sleep(0.005)
        return fetched
