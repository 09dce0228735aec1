"""Settling by hand: once, durably, and only by the newest holder."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hanjul.model.delivery import Delivery
from hanjul.model.errors import AlreadySettled, LeaseLost
from hanjul.model.outcome import Ack, Nack, Reject, Release
from hanjul.testing.driver_suite.harness import QUEUE, Harness, consuming, sent
from hanjul.testing.waiting import until

Settle = Callable[[Delivery[Any]], Awaitable[None]]

WAYS: dict[str, Settle] = {
    "ack": lambda message: message.ack(),
    "nack": lambda message: message.nack("later", delay_s=60),
    "release": lambda message: message.release(delay_s=60),
    "reject": lambda message: message.reject("never"),
}
ways = pytest.mark.parametrize("settle", WAYS.values(), ids=WAYS.keys())
outcomes = pytest.mark.parametrize("outcome", [Ack(), Nack(), Release(), Reject()], ids=lambda outcome: type(outcome).__name__)


class Settlement:
    """Give it a fixture `harness`."""

    @pytest.mark.parametrize(("way", "size", "dead"), [("ack", 0, 0), ("nack", 1, 0), ("release", 1, 0), ("reject", 0, 1)])
    async def test_what_a_handler_settles_is_durable_when_the_call_returns(
        self, harness: Harness, way: str, size: int, dead: int
    ) -> None:
        await sent(harness, 1)
        found: list[tuple[int, int]] = []

        async def handler(message: Delivery[Any]) -> None:
            await WAYS[way](message)
            found.append((await harness.size(QUEUE), len(await harness.dead_letters(QUEUE))))

        async with consuming(harness.source(QUEUE), handler):
            await until(lambda: found)

        assert found == [(size, dead)]

    @ways
    async def test_a_delivery_is_settled_once(self, harness: Harness, settle: Settle) -> None:
        await sent(harness, 1)
        refused: list[AlreadySettled] = []

        async def handler(message: Delivery[Any]) -> None:
            await settle(message)
            for again in WAYS.values():
                with pytest.raises(AlreadySettled) as error:
                    await again(message)
                refused.append(error.value)

        async with consuming(harness.source(QUEUE), handler):
            await until(lambda: len(refused) == 4)

    @ways
    async def test_the_handlers_own_settlement_counts_not_its_end(self, harness: Harness, settle: Settle) -> None:
        await sent(harness, 1)

        async def handler(message: Delivery[Any]) -> None:
            await settle(message)
            raise ValueError("too late to fail")

        async with consuming(harness.source(QUEUE), handler) as consumer:
            await until(lambda: sum((consumer.counts.acked, consumer.counts.nacked,
                                     consumer.counts.released, consumer.counts.rejected)))  # fmt: skip

        assert consumer.counts.lost == 0

    async def test_after_its_handler_a_delivery_is_settled(self, harness: Harness) -> None:
        await sent(harness, 1)
        kept: list[Delivery[Any]] = []

        async def handler(message: Delivery[Any]) -> None:
            kept.append(message)

        async with consuming(harness.source(QUEUE), handler) as consumer:
            await until(lambda: consumer.counts.acked)

            with pytest.raises(AlreadySettled):
                await kept[0].ack()

    @ways
    async def test_who_has_lost_the_lease_is_told_when_settling(self, harness: Harness, settle: Settle) -> None:
        await sent(harness, 1)
        source, told = harness.source(QUEUE), []

        async def handler(message: Delivery[Any]) -> None:
            await self._take_away(harness, message)
            with pytest.raises(LeaseLost) as error:
                await settle(message)
            told.append(error.value)

        async with consuming(source, handler, prefetch=1):
            await until(lambda: told)

        assert await harness.size(QUEUE) == 1

    @outcomes
    async def test_a_newer_delivery_refuses_the_settlement_of_an_older(self, harness: Harness, outcome: Any) -> None:
        await sent(harness, 1)
        source = harness.source(QUEUE)
        await source.open()
        [old] = await source.fetch(1, 30)
        new = await self._take_away(harness, old)

        [refusal] = await source.settle([(old, outcome)])

        assert (refusal.delivery, refusal.held_by) == (old, new.fence)
        assert await source.settle([(new, Ack())]) == []
        assert await harness.size(QUEUE) == 0

    @outcomes
    async def test_a_message_that_is_gone_refuses_every_settlement(self, harness: Harness, outcome: Any) -> None:
        await sent(harness, 1)
        source = harness.source(QUEUE)
        await source.open()
        [delivery] = await source.fetch(1, 30)
        await source.settle([(delivery, Ack())])

        [refusal] = await source.settle([(delivery, outcome)])

        assert (refusal.delivery, refusal.held_by) == (delivery, None)

    @pytest.mark.parametrize("first", [Nack(delay_s=60), Release(delay_s=60)], ids=["nacked", "released"])
    async def test_what_was_given_back_cannot_be_acked_or_extended_by_its_old_holder(self, harness: Harness, first: Any) -> None:
        await sent(harness, 1)
        source = harness.source(QUEUE)
        await source.open()
        [delivery] = await source.fetch(1, 30)
        await source.settle([(delivery, first)])
        renewer = source.renewer()

        assert [refusal.delivery for refusal in await source.settle([(delivery, Ack())])] == [delivery]
        assert [refusal.delivery for refusal in renewer.extend([delivery], 30)] == [delivery]

        renewer.close()
        assert await harness.size(QUEUE) == 1

    @pytest.mark.parametrize("outcome", [Nack(delay_s=60), Release(delay_s=60)], ids=["nack", "release"])
    async def test_giving_back_may_be_repeated(self, harness: Harness, outcome: Any) -> None:
        await sent(harness, 1)
        source = harness.source(QUEUE)
        await source.open()
        [delivery] = await source.fetch(1, 30)

        first, again = await source.settle([(delivery, outcome)]), await source.settle([(delivery, outcome)])

        assert ([*first], [*again]) == ([], [])

    async def _take_away(self, harness: Harness, message: Delivery[Any]) -> Delivery[Any]:
        """Somebody else holds the message now."""
        thief = harness.source(message.queue)
        await thief.open()
        await thief.settle([(message, Release())])
        [stolen] = await thief.fetch(1, 30)
        return stolen
