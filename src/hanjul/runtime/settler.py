"""Grouped settlement: what ends while a commit is under way is committed with the next; at once when nothing is."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hanjul.model.delivery import Delivery
from hanjul.model.driver import Refusal, Settlement, Source
from hanjul.model.errors import LeaseLost, NotFound, Unavailable
from hanjul.model.outcome import Outcome

_log = logging.getLogger("hanjul.consumer")

MAX_WAIT_S = 1.0
"""The longest pause between two tries to settle while the backend is away."""

Failures = Mapping[Delivery[Any], Exception]


class Settler:
    """Settles for one consumer. `settled` is told of every delivery whose end is known, in whatever way."""

    def __init__(self, source: Source, settled: Callable[[Delivery[Any], Outcome, bool], None]) -> None:
        self._source = source
        self._settled = settled
        self._pending: list[Settlement] = []
        self._waiters: dict[Delivery[Any], asyncio.Future[None]] = {}
        self._flush: asyncio.Task[None] | None = None
        self._flushing = self._closed = False

    def put(self, delivery: Delivery[Any], outcome: Outcome) -> None:
        """Settle soon; nobody waits for it."""
        self._pending.append((delivery, outcome))
        if self._closed:
            self._give_up()
        elif not self._flushing:
            self._flushing = True
            self._flush = asyncio.create_task(self._run())

    async def settle(self, delivery: Delivery[Any], outcome: Outcome) -> None:
        """Settle, and return when it is durable; raises LeaseLost, or what the backend refuses it with."""
        waiter = self._waiters[delivery] = asyncio.get_running_loop().create_future()
        self.put(delivery, outcome)
        await waiter

    async def close(self, timeout_s: float) -> bool:
        """Settle what was put, as far as timeout_s goes; the leases of the rest expire. True if there is no rest."""
        if self._flush is not None:
            await asyncio.wait({self._flush}, timeout=timeout_s)
            self._flush.cancel()
            await asyncio.wait({self._flush})
        self._closed = True
        return self._give_up()

    async def _run(self) -> None:
        while self._pending:
            batch, self._pending = self._pending, []
            try:
                await self._commit(batch)
            except asyncio.CancelledError:
                self._pending = batch + self._pending
                raise
        self._flushing = False

    async def _commit(self, batch: list[Settlement], *, repeated: bool = False) -> None:
        """Try until the backend has an answer. It may refuse a batch for one of its settlements: then try the halves."""
        wait_s = 0.05
        while True:
            try:
                refusals = await self._source.settle(batch)
            except Unavailable as error:
                _log.warning("settling %d of queue %r: %s; trying again", len(batch), self._source.queue, error)
                repeated = True
                await asyncio.sleep(wait_s * random.uniform(0.5, 1.5))  # noqa: S311  (spread, not secrecy)
                wait_s = min(MAX_WAIT_S, wait_s * 2)
            except Exception as error:  # noqa: BLE001  (one that cannot be settled must not keep the others from it)
                if len(batch) == 1 or isinstance(error, NotFound):
                    self._finish(batch, dict.fromkeys([delivery for delivery, _ in batch], error))
                    return
                middle = len(batch) // 2
                await self._commit(batch[:middle], repeated=True)
                await self._commit(batch[middle:], repeated=True)
                return
            else:
                self._finish(batch, _lost(refusals, repeated=repeated))
                return

    def _finish(self, batch: list[Settlement], failures: Failures) -> None:
        for delivery, outcome in batch:
            failure = failures.get(delivery) if failures else None
            waiter = self._waiters.pop(delivery, None) if self._waiters else None
            if waiter is not None and not waiter.done():
                _answer(waiter, failure)
            elif failure is not None:
                _log.warning("message %s of queue %r is not settled and may be handled twice: %s",
                             delivery.id, delivery.queue, failure, extra=delivery.log_fields)  # fmt: skip
            self._settled(delivery, outcome, failure is None)

    def _give_up(self) -> bool:
        left, self._pending = self._pending, []
        error = Unavailable("the consumer has stopped; this was not settled, its lease expires")
        self._finish(left, dict.fromkeys([delivery for delivery, _ in left], error))
        return not left


def _answer(waiter: "asyncio.Future[None]", failure: Exception | None) -> None:
    if failure is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(failure)
        waiter.exception()  # looked at: its handler may have been cancelled meanwhile


def _lost(refusals: Sequence[Refusal], *, repeated: bool) -> Failures:
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
