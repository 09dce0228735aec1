"""A lease is kept as long as its holder lives, and its loss is told."""

import asyncio
import time
from typing import Any

import pytest

from hanjul.model.delivery import Delivery
from hanjul.model.errors import LeaseLost
from hanjul.model.outcome import Release
from hanjul.testing.driver_suite.harness import QUEUE, Harness, consuming, sent
from hanjul.testing.handlers import Gate, Recorder
from hanjul.testing.recording import RecordedSource
from hanjul.testing.waiting import pass_time, until

LEASE_S = 1.0


class Leases:
    """Give it a fixture `harness`."""

    async def test_a_handler_that_takes_longer_than_three_leases_keeps_its_message(self, harness: Harness) -> None:
        await sent(harness, 2)
        seen: list[tuple[str, Any]] = []

        async def slow(message: Delivery[Any]) -> None:
            seen.append(("slow", message.body))
            await pass_time(3.2 * LEASE_S)

        async def rival(message: Delivery[Any]) -> None:
            seen.append(("rival", message.body))

        async with consuming(harness.source(QUEUE), slow, concurrency=2, lease_s=LEASE_S) as consumer:
            await until(lambda: len(seen) == 2)
            async with consuming(harness.source(QUEUE), rival, lease_s=LEASE_S):
                await until(lambda: consumer.counts.acked == 2)

        assert [who for who, _ in seen] == ["slow", "slow"]

    async def test_what_waits_in_the_buffer_keeps_its_lease(self, harness: Harness) -> None:
        await sent(harness, 4)
        holder, rival = Gate(), Recorder()

        async with consuming(harness.source(QUEUE), holder, concurrency=1, prefetch=4, lease_s=LEASE_S) as consumer:
            await until(lambda: consumer.counts.fetched == 4)
            async with consuming(harness.source(QUEUE), rival, lease_s=LEASE_S):
                await pass_time(2.5 * LEASE_S)
                holder.open()
                await until(lambda: consumer.counts.acked == 4)

        assert (rival.seen, [message.attempt for message in holder.seen]) == ([], [1, 1, 1, 1])

    async def test_a_blocked_event_loop_does_not_stop_the_renewal(self, harness: Harness) -> None:
        await sent(harness, 1)
        left: list[float] = []

        async def blocking(message: Delivery[Any]) -> None:
            time.sleep(2.5 * LEASE_S)  # noqa: ASYNC251  (the subject of the test)
            left.append(message.lease_until - time.monotonic())

        async with consuming(harness.source(QUEUE), blocking, lease_s=LEASE_S) as consumer:
            await until(lambda: consumer.counts.acked)

        assert left[0] > 0

    async def test_a_lost_lease_cancels_the_handler_and_refuses_its_ack(self, harness: Harness) -> None:
        await sent(harness, 1)
        source, thief, told = RecordedSource(harness.source(QUEUE)), harness.source(QUEUE), []
        await thief.open()
        started = asyncio.Event()

        async def handler(message: Delivery[Any]) -> None:
            await thief.settle([(message, Release())])
            assert await thief.fetch(1, 60)
            started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                with pytest.raises(LeaseLost) as error:
                    await message.ack()
                told.append(error.value)
                raise

        async with consuming(source, handler, prefetch=1, lease_s=LEASE_S) as consumer:
            await started.wait()
            await until(lambda: told, within_s=3 * LEASE_S)
            await until(lambda: consumer.counts.lost == 1)

        assert await harness.size(QUEUE) == 1

    async def test_what_is_lost_in_the_buffer_never_starts(self, harness: Harness) -> None:
        await sent(harness, 2)
        source, thief, holder = RecordedSource(harness.source(QUEUE)), harness.source(QUEUE), Gate()
        taken: list[Delivery[Any]] = []
        await thief.open()

        async def handler(message: Delivery[Any]) -> None:
            if not taken:
                other = next(d for d in consumer_holds(consumer) if d is not message)
                await thief.settle([(other, Release())])
                taken.extend(await thief.fetch(1, 60))
            await holder(message)

        async with consuming(source, handler, concurrency=1, prefetch=2, lease_s=LEASE_S) as consumer:
            await until(lambda: consumer.counts.lost == 1, within_s=3 * LEASE_S)
            holder.open()
            await until(lambda: consumer.counts.acked == 1)

        assert [message.id for message in holder.seen] != [message.id for message in taken]
        assert len(holder.seen) == 1

    async def test_a_dead_workers_message_is_redelivered_when_its_lease_ends(self, harness: Harness) -> None:
        await sent(harness, 1)
        dead, handler = harness.source(QUEUE), Recorder()
        await dead.open()

        async with consuming(harness.source(QUEUE), handler, lease_s=30) as consumer:
            await until(lambda: handler.seen)
            await harness.send(QUEUE, "once more")
            await until(lambda: consumer.counts.acked == 2)
        await harness.send(QUEUE, "again")
        asked = time.monotonic()
        [held] = await dead.fetch(1, LEASE_S)
        async with consuming(harness.source(QUEUE), handler, lease_s=30):
            await until(lambda: len(handler.seen) == 3)

        assert LEASE_S * 0.98 <= time.monotonic() - asked < LEASE_S + 1.0
        assert (handler.seen[2].attempt, handler.seen[2].id) == (2, held.id)


def consumer_holds(consumer: Any) -> list[Delivery[Any]]:
    """What the consumer has in its hands."""
    return list(consumer._held.values())  # noqa: SLF001  (there is no public way to it)
