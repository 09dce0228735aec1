"""A source that does what another does, and keeps books on it; tests may hold up its answers."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from hanjul.model.delivery import Delivery
from hanjul.model.driver import Refusal, Renewer, Settlement, Source


class RecordedSource:
    """`source`, with records.

    fetched: how many each fetch brought.  settled: the groups.  fetches_answer, settles_answer: clear one, and what
    was done is not told before it is set again, as on a slow link.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.queue, self.capabilities = source.queue, source.capabilities
        self.fetched: list[int] = []
        self.settled: list[list[Settlement]] = []
        self.refused: list[Refusal] = []
        self.held = self.most_held = 0
        self.fetches_answer, self.settles_answer = asyncio.Event(), asyncio.Event()
        self.fetches_answer.set()
        self.settles_answer.set()

    async def open(self) -> None:
        """As the source does."""
        await self._source.open()

    async def fetch(self, limit: int, lease_s: float) -> list[Delivery[Any]]:
        """As the source does."""
        deliveries = await self._source.fetch(limit, lease_s)
        self.fetched.append(len(deliveries))
        self.held += len(deliveries)
        self.most_held = max(self.most_held, self.held)
        await self.fetches_answer.wait()
        return deliveries

    async def wait(self) -> None:
        """As the source does."""
        await self._source.wait()

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Refusal]:
        """As the source does."""
        self.settled.append(list(settlements))
        refusals = await self._source.settle(settlements)
        self.refused += refusals
        await self.settles_answer.wait()
        self.held -= len(settlements)
        return refusals

    def renewer(self) -> Renewer:
        """The source's."""
        return self._source.renewer()

    def transaction(self, delivery: Delivery[Any]) -> AbstractAsyncContextManager[Any]:
        """The source's."""
        return self._source.transaction(delivery)

    async def close(self) -> None:
        """As the source does."""
        await self._source.close()
