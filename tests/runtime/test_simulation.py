"""Seeded simulation: consumers, handlers and a backend that do anything at any time, in virtual time.

A seed fixes everything, so a failure is repeated with HANJUL_SEEDS=<seed>; a range, such as 0-100000, looks for more.
"""

import asyncio
import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

import pytest
from tests.runtime.faults import FaultySource
from tests.runtime.virtual import run

from hanjul.drivers.memory import MemoryDriver
from hanjul.model.backoff import Retry
from hanjul.model.delivery import Delivery
from hanjul.model.driver import Refusal, Settlement
from hanjul.model.errors import AlreadySettled, HanjulError
from hanjul.model.outcome import Ack, Nack, Outcome, Reject, Release
from hanjul.runtime.consumer import Consumer
from hanjul.runtime.handlers import Handler
from hanjul.runtime.leases import RENEWALS, Leases
from hanjul.runtime.spec import ConsumerSpec

MESSAGES, LEASE_S, BLOCK = 12, 3.0, 250
FIRST, _, LAST = os.environ.get("HANJUL_SEEDS", "0-1000").partition("-")
SEEDS = range(int(FIRST), int(LAST or FIRST) + 1)


class History:
    """What handlers did, and what of it must never be (kept: an error in a handler would only be its failure)."""

    def __init__(self, max_attempts: int) -> None:
        self._max_attempts = max_attempts
        self.running: dict[int, Delivery[Any]] = {}
        self.fences: dict[int, list[int]] = defaultdict(list)
        self.next_attempt: dict[tuple[int, int], int] = {}
        self.done: set[Delivery[Any]] = set()
        self.acked: set[int] = set()
        self.violations: list[str] = []

    def start(self, message: Delivery[Any]) -> None:
        self._must(message.id not in self.running, "I3: two run one message")
        self._must(message.id not in self.acked, "I5: delivered after its end")
        self._must(1 <= message.attempt <= self._max_attempts, "I8: more than max_attempts")
        self._must(message.fence > max(self.fences[message.id], default=0), "I4: fences rise")
        self._must(message.lease_until > time.monotonic(), "I3: started without a lease")
        expected = self.next_attempt.get((message.id, message.fence), message.attempt)
        self._must(message.attempt == expected, "I4: a nack charges an attempt, a release does not")
        self.fences[message.id].append(message.fence)
        self.running[message.id] = message

    def end(self, message: Delivery[Any]) -> None:
        self.running.pop(message.id, None)

    def settled(self, message: Delivery[Any], outcome: Outcome) -> None:
        """What the backend has accepted."""
        self.next_attempt[message.id, message.fence + 1] = message.attempt + isinstance(outcome, Nack)
        if isinstance(outcome, Ack):
            self._must(message in self.done, "acked, but its handler was not done")
            self._must(message.id not in self.acked, "I5: acked twice")
            self._must(message.fence >= max(self.fences[message.id]), "I6: an older delivery was acked")
            self.acked.add(message.id)

    def _must(self, holds: bool, promise: str) -> None:
        if not holds:
            self.violations.append(promise)


class Books(MemoryDriver):
    """The memory driver, with books on what it accepts."""

    def __init__(self, history: History) -> None:
        super().__init__()
        self._history = history

    def settle(self, settlements: Sequence[Settlement]) -> list[Refusal]:
        refusals = super().settle(settlements)
        refused = {refusal.delivery for refusal in refusals}
        for delivery, outcome in settlements:
            if delivery not in refused:
                self._history.settled(delivery, outcome)
        return refusals


class Simulation:
    """One seed: two consumers on one queue, which come and go until nothing is left to do."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.rate = self.random.choice([0, 0.02, 0.1, 0.3])
        self.retry = Retry(max_attempts=self.random.randint(1, 4), base_s=0.5)
        self.history = History(self.retry.max_attempts)
        self.driver = Books(self.history)
        self.errors: list[BaseException] = []

    async def run(self) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, told: self.errors.append(told.get("exception") or told))
        await self.driver.create("q")
        for number in range(MESSAGES):
            await self.driver.send("q", number, delay_s=self.random.choice([0, 0, self.random.uniform(0, 5)]))
        await asyncio.gather(*[self._life() for _ in range(2)])
        self.rate = 0.0
        await self._drain()
        assert not self.errors, self.errors
        assert not self.history.violations, self.history.violations
        assert not self.history.running
        assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()], "a task was left"
        assert await self.driver.size("q") == 0
        assert len(self.history.acked) + len(await self.driver.dead_letters("q")) == MESSAGES, "I13: conservation"

    async def _life(self) -> None:
        """A consumer that is started, and stopped in some way, a few times."""
        for _ in range(self.random.randint(1, 3)):
            consumer, source, renewing = await self._start()
            await asyncio.sleep(self.random.uniform(0, 12))
            if cut := self.random.random() < 0.3:
                asyncio.get_running_loop().call_later(self.random.uniform(0, 2), consumer.cut)
            drained = await consumer.stop(timeout_s=self.random.choice([0, 1, 10]))
            await _end(renewing)
            alive = time.monotonic() + LEASE_S / 10
            held_back = [delivery for delivery in source.outside if delivery.lease_until > alive]
            assert not held_back or (self.rate and not drained) or cut, "a stopped worker holds something back"

    async def _drain(self) -> None:
        """In calm, everything comes to its end."""
        consumer, _, renewing = await self._start()
        deadline = time.monotonic() + 3600
        while await self.driver.size("q"):
            assert time.monotonic() < deadline, "I1: a message is stuck"
            await asyncio.sleep(0.5)
        assert await consumer.stop(timeout_s=60)
        await _end(renewing)
        await asyncio.sleep(60)  # what is stubborn ends, too

    def _new_source(self) -> FaultySource:
        slowest_s = self.random.choice([0.01, 0.5, 2 * LEASE_S]) if self.rate else 0.01
        return FaultySource(self.driver, "q", self.random, self.rate, slowest_s)

    async def _start(self) -> "tuple[Consumer, FaultySource, asyncio.Task[None]]":
        source = self._new_source()
        spec = ConsumerSpec(
            "q",
            Handler(self._handle),
            concurrency=self.random.randint(1, 4),
            prefetch=self.random.randint(1, 8),
            lease_s=LEASE_S,
            timeout_s=self.random.choice([None, None, 1.0]),
            retry=self.retry,
        )
        consumer = Consumer(spec, source)
        consumer._leases._thread = NoThread(consumer._leases)  # type: ignore[assignment]
        await consumer.start()
        return consumer, source, asyncio.create_task(self._renew(consumer._leases, source))

    async def _renew(self, leases: Leases, source: FaultySource) -> None:
        """What the thread of the leases does."""
        leases._renewer = source  # type: ignore[assignment]
        while True:
            await asyncio.sleep(LEASE_S / RENEWALS)
            try:
                leases._renew(leases._ageing())
            except HanjulError:
                continue

    async def _handle(self, message: Delivery[Any]) -> object:
        self.history.start(message)
        try:
            result = await self._behave(message)
        except asyncio.CancelledError:
            if self.rate and self.random.random() < 0.1:  # stubborn: it goes on, though it was told to end
                self.history.end(message)
                await asyncio.sleep(self.random.uniform(0, 20))
            raise
        else:
            self.history.done.add(message)
            return result
        finally:
            self.history.end(message)

    async def _behave(self, message: Delivery[Any]) -> object:
        await asyncio.sleep(self.random.choice([0, 0.01, 0.5, self.random.uniform(0, 3 * LEASE_S)]))
        match self.random.randint(0, 8) if self.rate else 0:
            case 4:
                raise ValueError("simulated")
            case 5:
                return self.random.choice([Nack(delay_s=0.1), Nack(), Release(), Release(delay_s=1), Reject("no")])
            case 6:
                self.history.done.add(message)
                await message.ack()
                await asyncio.sleep(self.random.uniform(0, 2))
            case 7:
                self.history.end(message)  # given back, whenever that is known here
                await self.random.choice([message.nack, message.release, message.reject])()
                with pytest.raises(AlreadySettled):
                    await message.ack()
            case 8:
                raise asyncio.CancelledError
        return None


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})


class NoThread:
    def __init__(self, leases: Leases) -> None:
        self._leases = leases

    def start(self) -> None:
        self._leases._ended.set()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("block", range(SEEDS.start, SEEDS.stop, BLOCK))
def test_whatever_fails_whenever_the_promises_hold(block: int) -> None:
    for seed in range(block, min(block + BLOCK, SEEDS.stop)):
        try:
            run(Simulation(seed).run())
        except BaseException as error:
            raise AssertionError(f"seed {seed}: {error!r}") from error
