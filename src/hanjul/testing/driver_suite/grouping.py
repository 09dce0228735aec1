"""Settlements that finish together are committed together; at once when nothing is under way."""

import asyncio

from hanjul.testing.driver_suite.harness import QUEUE, Harness, consuming, sent
from hanjul.testing.recording import RecordedSource
from hanjul.testing.waiting import until


class Grouping:
    """Give it a fixture `harness`."""

    async def test_what_ends_while_a_commit_is_under_way_shares_the_next(self, harness: Harness) -> None:
        await sent(harness, 20)
        source, ends = RecordedSource(harness.source(QUEUE)), [asyncio.Event() for _ in range(20)]
        source.settles_answer.clear()

        async def handler(number: int) -> None:
            await ends[number].wait()

        async with consuming(source, handler, concurrency=20, prefetch=20) as consumer:
            ends[0].set()
            await until(lambda: len(source.settled) == 1)
            for end in ends[1:]:
                end.set()
                await asyncio.sleep(0)
            source.settles_answer.set()
            await until(lambda: consumer.counts.acked == 20)

        assert [len(group) for group in source.settled] == [1, 19]

    async def test_what_ends_alone_is_committed_at_once(self, harness: Harness) -> None:
        await sent(harness, 1)
        source, ended = RecordedSource(harness.source(QUEUE)), asyncio.Event()

        async def handler(_number: int) -> None:
            ended.set()

        async with consuming(source, handler):
            await ended.wait()
            for _ in range(3):  # turns of the event loop, no more
                await asyncio.sleep(0)

            assert len(source.settled) == 1
