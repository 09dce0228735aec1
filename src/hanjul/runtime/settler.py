"""Grouped settlement: what ends while a commit is under way is committed with the next; at once when nothing is."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from hanjul.model.delivery import Delivery
from hanjul.model.driver import Refusal, Settlement, Source
from hanjul.model.errors import HanjulError, LeaseLost, Unavailable
from hanjul.model.outcome import Outcome

_log = logging.getLogger("hanjul.consumer")

MAX_WAIT_S = 2.0
"""The longest pause between two tries to settle while the backend is away."""


class Settler:
    """Settles for one consumer. `settled` is told of every delivery whose end is known, in whatever way."""

    def __init__(self, source: Source, settled: Callable[[Delivery[Any], Outcome, bool], None]) -> None:
        self._source = source
        self._settled = settled
        self._pending: list[Settlement] = []
        self._waiters: dict[Delivery[Any], asyncio.Future[None]] = {}
        self._flush: asyncio.Task[None] | None = None

    def put(self, delivery: Delivery[Any], outcome: Outcome) -> None:
        """Settle soon; nobody waits for it."""
        self._pending.append((delivery, outcome))
        if self._flush is None:
            self._flush = asyncio.create_task(self._run())

    async def settle(self, delivery: Delivery[Any], outcome: Outcome) -> None:
        """Settle, and return when it is durable; raises LeaseLost, or what the backend refuses it with."""
        waiter = self._waiters[delivery] = asyncio.get_running_loop().create_future()
        self.put(delivery, outcome)
        await waiter

    async def drain(self, timeout_s: float) -> bool:
        """Wait until all that was put is settled; False if time ran out first."""
        if self._flush is None:
            return True
        done, _ = await asyncio.wait({self._flush}, timeout=timeout_s)
        return bool(done)

    def abandon(self) -> None:
        """Give up what is not settled yet; its leases expire."""
        if self._flush is not None:
            self._flush.cancel()

    async def _run(self) -> None:
        try:
            while self._pending:
                batch, self._pending = self._pending, []
                await self._commit(batch)
        finally:
            self._flush = None

    async def _commit(self, batch: list[Settlement]) -> None:
        repeated = False
        wait_s = 0.05
        while True:
            try:
                refusals = await self._source.settle(batch)
            except Unavailable as error:
                _log.warning("settling %d of queue %r: %s; trying again", len(batch), self._source.queue, error)
                repeated = True
                await asyncio.sleep(wait_s * random.uniform(0.5, 1.5))  # noqa: S311  (spread, not secrecy)
                wait_s = min(MAX_WAIT_S, wait_s * 2)
            except HanjulError as error:
                _log.error("queue %r refuses to settle: %s", self._source.queue, error)
                self._finish(batch, dict.fromkeys([delivery for delivery, _ in batch], error))
                return
            else:
                self._finish(batch, _lost(refusals, repeated))
                return

    def _finish(self, batch: list[Settlement], failures: "dict[Delivery[Any], HanjulError]") -> None:
        for delivery, outcome in batch:
            failure = failures.get(delivery) if failures else None
            waiter = self._waiters.pop(delivery, None) if self._waiters else None
            if failure is not None and waiter is None:
                _log.warning("%s; it may be handled twice", failure)
            if waiter is not None and not waiter.done():
                waiter.set_result(None) if failure is None else waiter.set_exception(failure)
            self._settled(delivery, outcome, failure is None)


def _lost(refusals: Sequence[Refusal], repeated: bool) -> "dict[Delivery[Any], HanjulError]":
    """The refusals that mean a lost lease.

    After a lost connection the first try may have settled already: then the message is gone, and while its lease ran
    nobody else can have taken it.
    """
    now = time.monotonic()
    return {
        refusal.delivery: LeaseLost(refusal.delivery.queue, refusal.delivery.id, refusal.delivery.fence, refusal.held_by)
        for refusal in refusals
        if not (repeated and refusal.held_by is None and now < refusal.delivery.lease_until)
    }
