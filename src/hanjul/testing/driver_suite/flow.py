"""From sending to handling: everything arrives, once, where it belongs."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import pytest

from hanjul.model.delivery import Delivery
from hanjul.model.errors import QueueNotFound
from hanjul.runtime.handlers import Handler
from hanjul.testing.driver_suite.harness import QUEUE, Harness, consuming, sent
from hanjul.testing.handlers import Recorder
from hanjul.testing.waiting import pass_time, until


@dataclass
class Mail:
    """A body with a type."""

    to: str
    copies: int


class Flow:
    """Give it a fixture `harness`."""

    async def test_every_message_is_handled_once_and_leaves_the_queue(self, harness: Harness) -> None:
        await sent(harness, 50)
        handler = Recorder()

        async with consuming(harness.source(QUEUE), handler, concurrency=4):
            await until(lambda: len(handler.seen) >= 50)

        assert sorted(handler.bodies) == list(range(50))
        assert await harness.size(QUEUE) == 0

    async def test_making_a_queue_twice_keeps_its_messages(self, harness: Harness) -> None:
        await sent(harness, 1)

        await harness.create(QUEUE)

        assert await harness.size(QUEUE) == 1

    async def test_a_queue_that_does_not_exist_is_refused_at_the_start(self, harness: Harness) -> None:
        with pytest.raises(QueueNotFound):
            async with consuming(harness.source("nowhere"), Recorder()):
                pass

    @pytest.mark.parametrize("body", [None, False, 0, 1.5, "", "한 줄", [1, [2]], {"a": {"b": None}}])
    async def test_a_body_arrives_as_it_was_sent(self, harness: Harness, body: object) -> None:
        await harness.create(QUEUE)
        await harness.send(QUEUE, body)
        handler = Recorder()

        async with consuming(harness.source(QUEUE), handler):
            await until(lambda: handler.seen)

        assert handler.bodies == [body]

    async def test_headers_arrive_as_they_were_sent(self, harness: Harness) -> None:
        headers = {"trace": "a-b", "n": 3, "deep": {"list": [True, None]}}
        await harness.create(QUEUE)
        await harness.send(QUEUE, 1, headers=headers)
        handler = Recorder()

        async with consuming(harness.source(QUEUE), handler):
            await until(lambda: handler.seen)

        assert handler.seen[0].headers == headers

    async def test_without_headers_there_are_none_to_trip_over(self, harness: Harness) -> None:
        await sent(harness, 1)
        handler = Recorder()

        async with consuming(harness.source(QUEUE), handler):
            await until(lambda: handler.seen)

        assert handler.seen[0].headers == {}

    async def test_a_handler_is_given_the_body_as_the_type_it_asks_for(self, harness: Harness) -> None:
        await harness.create(QUEUE)
        await harness.send(QUEUE, {"to": "ada", "copies": 2})
        given: list[Mail] = []

        async def handler(mail: Mail) -> None:
            given.append(mail)

        async with consuming(harness.source(QUEUE), handler):
            await until(lambda: given)

        assert given == [Mail("ada", 2)]

    async def test_queues_do_not_see_one_another(self, harness: Harness) -> None:
        await sent(harness, 3)
        await harness.create("other")
        await harness.send("other", "elsewhere")
        here, there = Recorder(), Recorder()

        async with consuming(harness.source(QUEUE), here), consuming(harness.source("other"), there):
            await until(lambda: len(here.seen) >= 3 and there.seen)

        assert (sorted(here.bodies), there.bodies) == ([0, 1, 2], ["elsewhere"])

    async def test_consumers_of_one_queue_share_its_work(self, harness: Harness) -> None:
        await sent(harness, 40)
        handlers = [Recorder(), Recorder()]

        async def slow(handler: Recorder, message: Delivery[Any]) -> None:
            await handler(message)
            await until(lambda: all(h.seen for h in handlers))

        async def first(message: Delivery[Any]) -> None:
            await slow(handlers[0], message)

        async def second(message: Delivery[Any]) -> None:
            await slow(handlers[1], message)

        async with consuming(harness.source(QUEUE), first), consuming(harness.source(QUEUE), second):
            await until(lambda: len(handlers[0].seen) + len(handlers[1].seen) >= 40)

        assert sorted(handlers[0].bodies + handlers[1].bodies) == list(range(40))

    async def test_an_idle_consumer_is_woken_by_a_message(self, harness: Harness) -> None:
        await harness.create(QUEUE)
        handler = Recorder()
        async with consuming(harness.source(QUEUE), handler):
            await pass_time(0.7)  # long enough for it to have become idle

            asked = time.monotonic()
            await harness.send(QUEUE, "ping")
            await until(lambda: handler.seen)

            assert time.monotonic() - asked < 1.3

    async def test_a_delayed_message_arrives_when_it_is_due_and_not_before(self, harness: Harness) -> None:
        await harness.create(QUEUE)
        handler = Recorder()
        async with consuming(harness.source(QUEUE), handler):
            asked = asyncio.get_running_loop().time()
            await harness.send(QUEUE, "later", delay_s=1.2)
            await until(lambda: handler.seen)

        assert 1.19 <= handler.times[0] - asked < 2.0

    async def test_starting_and_stopping_again_and_again_loses_nothing_and_doubles_nothing(self, harness: Harness) -> None:
        await sent(harness, 30)
        handler = Recorder()

        for _ in range(10):
            async with consuming(harness.source(QUEUE), handler, prefetch=2):
                pass
        async with consuming(harness.source(QUEUE), handler):
            await until(lambda: len(handler.seen) >= 30)

        assert sorted(handler.bodies) == list(range(30))
        assert set(handler.attempts) == {1}

    async def test_senders_and_consumers_at_once_lose_nothing(self, harness: Harness) -> None:
        await harness.create(QUEUE)
        handler = Recorder()

        async def send(sender: int) -> None:
            for number in range(25):
                await harness.send(QUEUE, [sender, number])

        async with consuming(harness.source(QUEUE), handler, concurrency=4, prefetch=7):
            await asyncio.gather(*[send(sender) for sender in range(5)])
            await until(lambda: len(handler.seen) >= 125)

        assert sorted(handler.bodies) == [[sender, number] for sender in range(5) for number in range(25)]

    @pytest.mark.parametrize(
        "result",
        [None, False, 0, "", [], ValueError("only a value"), object()],
        ids=["None", "False", "0", "empty text", "list", "exception", "object"],
    )
    async def test_whatever_a_handler_returns_acks(self, harness: Harness, result: object) -> None:
        await sent(harness, 1)

        async def handler(_body: Any) -> object:
            return result

        async with consuming(harness.source(QUEUE), Handler(handler)) as consumer:
            await until(lambda: consumer.counts.acked)

        assert await harness.size(QUEUE) == 0
