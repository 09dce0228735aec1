"""A source on the memory driver that fails at every turn, as a seed says: before it acts, after, or late."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Any

from hanjul.drivers.memory import MemoryDriver
from hanjul.model.delivery import Delivery
from hanjul.model.driver import Refusal, Renewer, Settlement
from hanjul.model.errors import ConnectionLost, Interrupted


class FaultySource:
    """rate: the share of calls that fail, and a failure may be the first of an outage.  slowest_s: what a call takes at most.

    outside: the deliveries that it has handed out and that nobody has settled.
    """

    def __init__(self, driver: MemoryDriver, queue: str, random: Random, rate: float, slowest_s: float) -> None:
        self._source, self._random, self._rate, self._slowest_s = driver.source(queue), random, rate, slowest_s
        self._down_until = 0.0
        self.outside: set[Delivery[Any]] = set()
        self._renewer = self._source.renewer()
        self.queue, self.capabilities = queue, driver.capabilities

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def fetch(self, limit: int, lease_s: float) -> list[Delivery[Any]]:
        await self._before()
        deliveries = await self._source.fetch(limit, lease_s)
        await self._after()
        self.outside.update(deliveries)
        return deliveries

    async def wait(self) -> None:
        await self._before()
        await self._source.wait()

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Refusal]:
        await self._before()
        refusals = await self._source.settle(settlements)
        await self._after()
        self.outside.difference_update(delivery for delivery, _ in settlements)
        return refusals

    def renewer(self) -> Renewer:
        raise AssertionError("there are no threads in a simulation; see renew")

    def transaction(self, delivery: Delivery[Any]) -> AbstractAsyncContextManager[Any]:
        return self._source.transaction(delivery)

    def extend(self, deliveries: Sequence[Delivery[Any]], lease_s: float) -> Sequence[Refusal]:
        if self._happens():
            raise Interrupted("simulated: renewal failed")
        refusals = self._renewer.extend(deliveries, lease_s)
        if self._happens():
            raise ConnectionLost("simulated: renewed, but the answer was lost")
        return refusals

    async def _before(self) -> None:
        await self._take_time()
        if self._happens():
            raise Interrupted("simulated: nothing was done")

    async def _after(self) -> None:
        await self._take_time()
        if self._happens():
            raise ConnectionLost("simulated: done, but the answer was lost")

    async def _take_time(self) -> None:
        if self._random.random() < 0.5:
            await asyncio.sleep(self._random.random() ** 4 * self._slowest_s)

    def _happens(self) -> bool:
        now = asyncio.get_running_loop().time()
        if now < self._down_until:
            return True
        happens = self._random.random() < self._rate
        if happens and self._random.random() < 0.2:
            self._down_until = now + self._random.uniform(0, 9)
        return happens
