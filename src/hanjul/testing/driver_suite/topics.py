"""Topics: a consumer's queue is bound to what it asks for, and bound again when the queue is dropped and made anew."""

import asyncio

import pytest

from hanjul.model.errors import BadInput
from hanjul.testing.driver_suite.harness import QUEUE, Harness, consuming
from hanjul.testing.handlers import Recorder
from hanjul.testing.waiting import WITHIN_S, until


class Topics:
    """Give it a fixture `harness`."""

    @pytest.mark.parametrize(
        ("pattern", "matching", "others"),
        [
            ("orders.eu", ["orders.eu"], ["orders", "orders.eu.paid", "orders-eu"]),
            ("orders.*", ["orders.eu"], ["orders", "orders.eu.paid"]),
            ("orders.e*", ["orders.eu"], ["orders.us", "orders.e"]),
            ("orders.#", ["orders.eu", "orders.eu.paid"], ["orders"]),
            ("#", ["orders", "orders.eu.paid"], []),
        ],
    )
    async def test_a_queue_gets_what_matches_the_patterns_of_its_consumer(
        self, harness: Harness, pattern: str, matching: list[str], others: list[str]
    ) -> None:
        await harness.create(QUEUE)

        async with consuming(harness.source(QUEUE, topics=[pattern]), Recorder()):
            reached = [key for key in matching + others if QUEUE in await harness.send_topic(key, key)]

        assert reached == matching

    async def test_a_message_reaches_each_queue_once(self, harness: Harness) -> None:
        await harness.create(QUEUE)
        await harness.create("other")
        here, there = Recorder(), Recorder()

        async with (
            consuming(harness.source(QUEUE, topics=["orders.#", "#.paid"]), here),
            consuming(harness.source("other", topics=["orders.*"]), there),
        ):
            await harness.send_topic("orders.paid", 1)
            await until(lambda: here.seen and there.seen)

        assert (here.bodies, there.bodies) == ([1], [1])

    @pytest.mark.parametrize("pattern", ["orders..eu", ".orders", "orders.", "orders.**", "*#", "orders eu", "o" * 256])
    async def test_what_is_no_pattern_is_refused_at_the_start(self, harness: Harness, pattern: str) -> None:
        await harness.create(QUEUE)

        with pytest.raises(BadInput):
            async with consuming(harness.source(QUEUE, topics=[pattern]), Recorder()):
                pass

    @pytest.mark.parametrize("key", ["", "orders.", "orders..eu", "orders.*", "o" * 256])
    async def test_what_is_no_routing_key_is_refused(self, harness: Harness, key: str) -> None:
        with pytest.raises(BadInput):
            await harness.send_topic(key, 1)

    async def test_a_queue_that_is_made_anew_is_bound_again(self, harness: Harness) -> None:
        await harness.create(QUEUE)
        handler = Recorder()

        async with consuming(harness.source(QUEUE, topics=["orders.#"]), handler):
            for turn in range(2):
                await harness.drop(QUEUE)
                await harness.create(QUEUE)
                await self._reached(harness, "orders.eu", turn)
                await self._handled(handler, turn)

    async def test_a_queue_that_was_missing_for_a_while_is_bound_again(self, harness: Harness) -> None:
        await harness.create(QUEUE)
        handler = Recorder()

        async with consuming(harness.source(QUEUE, topics=["orders.#"]), handler):
            await harness.drop(QUEUE)
            await asyncio.sleep(0.5)
            assert QUEUE not in await harness.send_topic("orders.eu", 1)
            await harness.create(QUEUE)
            await self._reached(harness, "orders.eu", 2)
            await until(lambda: handler.seen)

        assert set(handler.bodies) == {2}

    async def test_what_others_have_bound_meanwhile_stays(self, harness: Harness) -> None:
        await harness.create(QUEUE)
        handler = Recorder()

        async with consuming(harness.source(QUEUE, topics=["orders.#"]), handler):
            await harness.drop(QUEUE)
            await harness.create(QUEUE)
            await harness.bind("payments.*", QUEUE)
            await self._reached(harness, "orders.eu", "order")
            assert QUEUE in await harness.send_topic("payments.eu", "payment")

    async def test_a_consumer_that_has_ended_binds_no_more(self, harness: Harness) -> None:
        await harness.create(QUEUE)
        await harness.create("other")
        async with consuming(harness.source("other", topics=["orders.#"]), Recorder()):
            async with consuming(harness.source(QUEUE, topics=["orders.#"]), Recorder()):
                pass
            for queue in (QUEUE, "other"):
                await harness.drop(queue)
                await harness.create(queue)

            await self._reached(harness, "orders.eu", 1, queue="other")

            assert QUEUE not in await harness.send_topic("orders.eu", 2)

    async def _reached(self, harness: Harness, key: str, body: object, *, queue: str = QUEUE) -> None:
        """Send until the queue gets it."""
        async with asyncio.timeout(WITHIN_S):
            while queue not in await harness.send_topic(key, body):
                await asyncio.sleep(0.05)

    async def _handled(self, handler: Recorder, body: object) -> None:
        await until(lambda: body in handler.bodies)
