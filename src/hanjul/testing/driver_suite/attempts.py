"""Attempts are counted exactly, and the last failure makes a dead letter."""

from typing import Any

import pytest

from hanjul.model.backoff import Retry
from hanjul.model.outcome import Nack, Release
from hanjul.testing.driver_suite.harness import QUEUE, Harness, consuming, sent
from hanjul.testing.handlers import Recorder
from hanjul.testing.waiting import until


def _soon(max_attempts: int) -> Retry:
    return Retry(max_attempts=max_attempts, base_s=0.01, jitter=0)


class Attempts:
    """Give it a fixture `harness`."""

    @pytest.mark.parametrize("max_attempts", [1, 3])
    async def test_a_message_that_always_fails_is_handled_max_attempts_times_then_is_a_dead_letter(
        self, harness: Harness, max_attempts: int
    ) -> None:
        await sent(harness, 1)
        handler = Recorder(*[ValueError("no")] * 10)

        async with consuming(harness.source(QUEUE), handler, retry=_soon(max_attempts)) as consumer:
            await until(lambda: consumer.counts.rejected)

        [dead] = await harness.dead_letters(QUEUE)
        assert handler.attempts == list(range(1, max_attempts + 1))
        assert (dead.body, dead.attempts, dead.reason, dead.error) == (0, max_attempts, "max_attempts", "ValueError: no")
        assert await harness.size(QUEUE) == 0

    async def test_a_dead_letter_that_is_put_back_is_handled_with_a_fresh_count(self, harness: Harness) -> None:
        await sent(harness, 1)
        handler = Recorder(ValueError("no"), ValueError("no"))

        async with consuming(harness.source(QUEUE), handler, retry=_soon(2)) as consumer:
            await until(lambda: consumer.counts.rejected)
            assert await harness.redrive(QUEUE) == 1
            await until(lambda: consumer.counts.acked)

        assert (handler.bodies, handler.attempts) == ([0, 0, 0], [1, 2, 1])
        assert await harness.dead_letters(QUEUE) == []

    async def test_releases_do_not_use_attempts_up(self, harness: Harness) -> None:
        await sent(harness, 1)
        handler = Recorder(Release(), Nack(delay_s=0), Release(), Release(), Nack(delay_s=0))

        async with consuming(harness.source(QUEUE), handler, retry=_soon(3)) as consumer:
            await until(lambda: consumer.counts.acked)

        assert handler.attempts == [1, 1, 2, 2, 2, 3]

    async def test_attempts_go_on_counting_when_the_consumer_is_another(self, harness: Harness) -> None:
        await sent(harness, 1)
        first, second = Recorder(Nack(delay_s=0.3)), Recorder()

        async with consuming(harness.source(QUEUE), first) as consumer:
            await until(lambda: consumer.counts.nacked)
        async with consuming(harness.source(QUEUE), second) as consumer:
            await until(lambda: consumer.counts.acked)

        assert (first.attempts, second.attempts) == ([1], [2])

    async def test_a_message_whose_worker_died_at_its_last_attempt_is_not_run_again(self, harness: Harness) -> None:
        await sent(harness, 1)
        dying, handler = harness.source(QUEUE), Recorder()
        await dying.open()
        for _ in range(2):
            await self._fetch_and_die(dying)

        async with consuming(harness.source(QUEUE), handler, retry=_soon(2)) as consumer:
            await until(lambda: consumer.counts.rejected)

        [dead] = await harness.dead_letters(QUEUE)
        assert (dead.reason, handler.seen) == ("max_attempts", [])
        assert await harness.size(QUEUE) == 0

    async def _fetch_and_die(self, source: Any) -> None:
        fetched: list[Any] = []

        async def fetch() -> bool:
            fetched.extend(await source.fetch(1, 0.2))
            return bool(fetched)

        while not await fetch():
            await source.wait()
