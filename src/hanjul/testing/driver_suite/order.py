"""Groups: of each one message at a time, in order, while groups go on beside each other."""

import asyncio
from typing import Any

from hanjul.model.backoff import Retry
from hanjul.model.delivery import Delivery
from hanjul.testing.driver_suite.harness import QUEUE, Harness, consuming
from hanjul.testing.handlers import Gate
from hanjul.testing.recording import RecordedSource
from hanjul.testing.waiting import until


class Order:
    """Give it a fixture `harness`."""

    async def test_a_group_is_handled_one_at_a_time_in_order(self, harness: Harness) -> None:
        await self._sent(harness, "ABCABCABCABC")
        seen: dict[str, list[int]] = {"A": [], "B": [], "C": []}
        running: set[str] = set()

        async def handler(message: Delivery[Any]) -> None:
            group = message.headers["x-pgmq-group"]
            assert group not in running
            running.add(group)
            await asyncio.sleep(0.005)
            running.discard(group)
            seen[group].append(message.body)

        async with consuming(harness.source(QUEUE, ordered=True), handler, concurrency=8, prefetch=8) as consumer:
            await until(lambda: consumer.counts.acked == 12)

        assert seen == {"A": [0, 3, 6, 9], "B": [1, 4, 7, 10], "C": [2, 5, 8, 11]}
        assert consumer.counts.nacked == 0

    async def test_groups_do_not_wait_for_each_other(self, harness: Harness) -> None:
        await self._sent(harness, "AABB")
        gate = Gate()

        async with consuming(harness.source(QUEUE, ordered=True), gate, concurrency=4, prefetch=4):
            await until(lambda: gate.inside == 2)
            assert sorted(message.body for message in gate.seen) == [0, 2]
            gate.open()
            await until(lambda: len(gate.seen) == 4)

    async def test_messages_without_a_group_are_one_group(self, harness: Harness) -> None:
        await harness.create(QUEUE)
        for number in range(3):
            await harness.send(QUEUE, number)
        gate = Gate()

        async with consuming(harness.source(QUEUE, ordered=True), gate, concurrency=3, prefetch=3):
            await until(lambda: gate.inside == 1)
            gate.open()
            await until(lambda: len(gate.seen) == 3)

        assert [message.body for message in gate.seen] == [0, 1, 2]

    async def test_a_failed_message_keeps_its_group_waiting_until_it_succeeds(self, harness: Harness) -> None:
        await self._sent(harness, "AAA")
        seen: list[int] = []

        async def handler(message: Delivery[Any]) -> None:
            seen.append(message.body)
            if message.body == 1 and message.attempt < 3:
                raise ValueError("not yet")

        retry = Retry(max_attempts=5, base_s=0.05, jitter=0)
        async with consuming(harness.source(QUEUE, ordered=True), handler, concurrency=4, prefetch=4, retry=retry) as consumer:
            await until(lambda: consumer.counts.acked == 3)

        assert seen == [0, 1, 1, 1, 2]

    async def test_a_dead_letter_lets_its_group_go_on(self, harness: Harness) -> None:
        await self._sent(harness, "AA")

        async def handler(message: Delivery[Any]) -> None:
            if message.body == 0:
                await message.reject("never")

        async with consuming(harness.source(QUEUE, ordered=True), handler, concurrency=2) as consumer:
            await until(lambda: consumer.counts.acked == 1)

        assert [letter.body for letter in await harness.dead_letters(QUEUE)] == [0]

    async def test_what_waits_for_its_group_is_not_asked_for_again_and_again(self, harness: Harness) -> None:
        await self._sent(harness, "A" * 10)
        source, gate = RecordedSource(harness.source(QUEUE, ordered=True)), Gate()

        async with consuming(source, gate, concurrency=4, prefetch=4):
            await until(lambda: gate.inside == 1)
            await asyncio.sleep(0.5)
            assert len(source.fetched) < 12
            gate.open()

    async def _sent(self, harness: Harness, groups: str) -> None:
        await harness.create(QUEUE)
        for number, group in enumerate(groups):
            await harness.send(QUEUE, number, headers={"x-pgmq-group": group})
