"""How a handler ends is what becomes of its message."""

import asyncio
from typing import Any

import pytest

from hanjul.model.backoff import Retry
from hanjul.model.delivery import Delivery
from hanjul.model.outcome import Nack, Outcome, Reject, Release
from hanjul.testing.driver_suite.harness import QUEUE, Harness, consuming, sent
from hanjul.testing.handlers import Recorder
from hanjul.testing.waiting import until

SOON = Retry(base_s=0.01, jitter=0)


class Broken(Exception):
    """An error that cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError


class Outcomes:
    """Give it a fixture `harness`."""

    async def test_a_handler_that_raises_gets_the_message_again_after_the_backoff(self, harness: Harness) -> None:
        await sent(harness, 1)
        handler = Recorder(ValueError("no"), ValueError("no"))

        async with consuming(harness.source(QUEUE), handler, retry=Retry(base_s=0.3, jitter=0)) as consumer:
            await until(lambda: consumer.counts.acked)

        assert handler.attempts == [1, 2, 3]
        assert 0.29 <= handler.times[1] - handler.times[0] < 1.2
        assert 0.59 <= handler.times[2] - handler.times[1] < 1.5

    @pytest.mark.parametrize(
        "error",
        [StopIteration(), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), BaseException("odd"), Broken()],
        ids=["StopIteration", "SystemExit", "KeyboardInterrupt", "cancelled from within", "BaseException", "unprintable"],
    )
    async def test_no_error_is_too_odd_to_be_a_failure(self, harness: Harness, error: Any) -> None:
        await sent(harness, 2)
        raised = [error]

        async def handler(_body: Any) -> None:
            if raised:
                raise raised.pop()

        async with consuming(harness.source(QUEUE), handler, retry=SOON) as consumer:
            await until(lambda: consumer.counts.acked == 2)

        assert consumer.counts.nacked == 1

    @pytest.mark.parametrize(
        "error",
        [StopIteration(), SystemExit(3), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), ValueError()],
        ids=lambda error: type(error).__name__,
    )
    async def test_nor_in_a_thread(self, harness: Harness, error: BaseException) -> None:
        await sent(harness, 2)
        raised = [error]

        def handler(_body: Any) -> None:
            if raised:
                raise raised.pop()

        async with consuming(harness.source(QUEUE), handler, retry=SOON) as consumer:
            await until(lambda: consumer.counts.acked == 2)

        assert consumer.counts.nacked == 1

    @pytest.mark.parametrize("way", ["raised", "returned"])
    async def test_nack_says_when_the_message_comes_again(self, harness: Harness, way: str) -> None:
        handler = await self._steered(harness, way, Nack("busy", delay_s=0.5))

        assert handler.attempts == [1, 2]
        assert 0.49 <= handler.times[1] - handler.times[0] < 1.4

    @pytest.mark.parametrize("way", ["raised", "returned"])
    async def test_release_gives_back_and_charges_no_attempt(self, harness: Harness, way: str) -> None:
        handler = await self._steered(harness, way, Release(delay_s=0.5))

        assert handler.attempts == [1, 1]
        assert handler.seen[0].fence != handler.seen[1].fence
        assert 0.49 <= handler.times[1] - handler.times[0] < 1.4

    @pytest.mark.parametrize("way", ["raised", "returned"])
    async def test_reject_makes_a_dead_letter_at_once(self, harness: Harness, way: str) -> None:
        await sent(harness, 1)
        reject = Reject("no such user")

        async def handler(_body: Any) -> object:
            if way == "raised":
                raise reject
            return reject

        async with consuming(harness.source(QUEUE), handler) as consumer:
            await until(lambda: consumer.counts.rejected)

        [dead] = await harness.dead_letters(QUEUE)
        assert (dead.body, dead.attempts, dead.reason, dead.error) == (0, 1, "rejected", "no such user")
        assert await harness.size(QUEUE) == 0

    @pytest.mark.parametrize(
        "reason", ["\x00", "\ud800", "x" * 100_000, ValueError("an error")], ids=["NUL", "surrogate", "long", "no text"]
    )
    async def test_no_reason_is_too_odd_to_be_kept(self, harness: Harness, reason: Any) -> None:
        await sent(harness, 1)

        async def handler(_body: Any) -> object:
            return Reject(reason)

        async with consuming(harness.source(QUEUE), handler) as consumer:
            await until(lambda: consumer.counts.rejected)

        [dead] = await harness.dead_letters(QUEUE)
        assert (dead.reason, consumer.counts.lost) == ("rejected", 0)

    @pytest.mark.parametrize("is_async", [True, False], ids=["coroutine", "thread"])
    async def test_a_handler_that_takes_too_long_fails_with_the_reason_timeout(self, harness: Harness, is_async: bool) -> None:
        await sent(harness, 1)
        done = asyncio.Event()

        async def patient(_body: Any) -> None:
            await done.wait()

        def blocking(_body: Any) -> None:
            asyncio.run(asyncio.sleep(0.3))

        how: dict[str, Any] = {"timeout_s": 0.1, "retry": Retry(max_attempts=1)}
        async with consuming(harness.source(QUEUE), patient if is_async else blocking, **how) as consumer:
            await until(lambda: consumer.counts.rejected)

        [dead] = await harness.dead_letters(QUEUE)
        assert dead.error.startswith("timeout")

    async def test_a_timeout_that_the_handler_raises_itself_is_its_own(self, harness: Harness) -> None:
        await sent(harness, 1)
        handler = Recorder(TimeoutError("the mail server"))

        how: dict[str, Any] = {"timeout_s": 30, "retry": Retry(max_attempts=1)}
        async with consuming(harness.source(QUEUE), handler, **how) as consumer:
            await until(lambda: consumer.counts.rejected)

        [dead] = await harness.dead_letters(QUEUE)
        assert dead.error == "TimeoutError: the mail server"

    @pytest.mark.parametrize("wants_delivery", [True, False], ids=["Delivery[int]", "int"])
    async def test_a_body_of_another_type_is_a_dead_letter_that_no_handler_saw(
        self, harness: Harness, wants_delivery: bool
    ) -> None:
        await harness.create(QUEUE)
        await harness.send(QUEUE, "seven")
        await harness.send(QUEUE, 8)
        seen: list[int] = []

        async def typed(body: int) -> None:
            seen.append(body)

        async def typed_delivery(message: Delivery[int]) -> None:
            seen.append(message.body)

        async with consuming(harness.source(QUEUE), typed_delivery if wants_delivery else typed) as consumer:
            await until(lambda: consumer.counts.acked and consumer.counts.rejected)

        [dead] = await harness.dead_letters(QUEUE)
        assert (dead.body, dead.reason, seen) == ("seven", "decode_error", [8])

    async def _steered(self, harness: Harness, way: str, outcome: Outcome) -> Recorder:
        await sent(harness, 1)
        handler = Recorder()

        async def steering(message: Delivery[Any]) -> object:
            await handler(message)
            if len(handler.seen) > 1:
                return None
            if way == "raised":
                raise outcome
            return outcome

        async with consuming(harness.source(QUEUE), steering) as consumer:
            await until(lambda: consumer.counts.acked)
        return handler
