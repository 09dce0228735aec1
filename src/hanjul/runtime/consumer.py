"""The consumer loop: source -> bounded buffer -> pool of workers -> handler -> settle once.

    fetch (credits = prefetch - held)          buffer             concurrency workers            grouped commit
    source ---------------------------------> [d d d d] --------> handler(d) -> outcome -------> settler -> source
       ^                                                                                            |
       '------------------------------- credits come back when settled ----------------------------'

`held` is every delivery that is fetched and not settled: buffered, running, or being settled. Never more than prefetch.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from hanjul.model.delivery import Delivery
from hanjul.model.driver import Source
from hanjul.model.errors import AlreadySettled, HanjulError, Unavailable
from hanjul.model.outcome import Ack, Nack, Outcome, Reject, Release
from hanjul.runtime.leases import Leases
from hanjul.runtime.pool import Pool
from hanjul.runtime.settler import Settler
from hanjul.runtime.spec import ConsumerSpec

_log = logging.getLogger("hanjul.consumer")

FETCH_PAUSE_S = 1.0
"""The longest pause between two tries to fetch while the backend is away."""
SETTLE_S = 5.0
"""How long a stopping consumer waits for its last settlements."""
CUT_S = 0.5
"""How long, at least, handlers that were cut may take to clean up."""
CUT_FETCH_S = 0.25
"""How long a fetch under way may still take to come back after a cut: what it leased can then be released."""


@dataclass(slots=True)
class Counts:
    """What has become of the deliveries so far."""

    fetched: int = 0
    acked: int = 0
    nacked: int = 0
    released: int = 0
    rejected: int = 0
    lost: int = 0


class Consumer:
    """Runs one handler over one source, from `start` to `stop`."""

    def __init__(self, spec: ConsumerSpec, source: Source) -> None:
        self.spec, self.source, self.counts = spec, source, Counts()
        self._runner = spec.handler.runner(spec.concurrency)
        self._held: dict[Delivery[Any], Delivery[Any]] = {}
        self._pool = Pool(self._runner, spec.concurrency, lambda delivery: spec.terms(delivery).timeout_s, self._ended)
        self._settler = Settler(source, self._settled)
        self._leases = Leases(self._held, source.renewer, spec.lease_s, self._pool.lose, self._pool.cancel)
        self._credit = asyncio.Event()
        self._fetching: asyncio.Task[None] | None = None
        self._stopping = self._resting = self._was_cut = False

    async def start(self) -> None:
        """Open the source and begin; raises QueueNotFound, Unavailable."""
        await self.source.open()
        self._leases.start()
        self._pool.start()
        self._fetching = asyncio.create_task(self._fetch())

    async def stop(self, timeout_s: float | None = None) -> bool:
        """Give back what has not started, let finish what runs, then cut it short; True if nothing was cut.

        timeout_s: how long that may take (None: the spec's stop_timeout_s), and as long again as settling may take.
        """
        limit_s = self.spec.stop_timeout_s if timeout_s is None else timeout_s
        if self._fetching is None:
            return True
        try:
            return await self._finish(self._fetching, limit_s)
        finally:
            self._leases.stop()
            self._runner.close()

    async def _finish(self, fetching: "asyncio.Task[None]", limit_s: float) -> bool:
        grace_s = min(2.0, limit_s * 0.2)
        self._detach(fetching)
        if not await self._quiet(fetching, limit_s - grace_s):
            self._cut(fetching)
            if not await self._quiet(fetching, max(grace_s, CUT_S)):
                _log.warning("queue %r: handler %s does not end when it is cancelled", self.spec.queue, self.spec.handler.name)
        drained = await self._settler.close(SETTLE_S) and not self._was_cut
        self._leases.stop()
        await self._leases.ended()
        await self.source.close()
        return drained

    def cut(self) -> None:
        """Stop at once: cancel what runs, release it. `stop` then does not wait. May be called from any thread."""
        if self._fetching is not None:
            self._fetching.get_loop().call_soon_threadsafe(self._cut, self._fetching)

    def _cut(self, fetching: "asyncio.Task[None]") -> None:
        self._detach(fetching)
        fetching.get_loop().call_later(CUT_FETCH_S, self._cut_fetch, fetching)
        self._was_cut = self._was_cut or self._pool.running > 0
        self._pool.cut()

    def _cut_fetch(self, fetching: "asyncio.Task[None]") -> None:
        if not fetching.done() and not fetching.cancelling():
            self._was_cut = True
            fetching.cancel()

    def _detach(self, fetching: "asyncio.Task[None]") -> None:
        """Fetch no more, and release what is buffered. A fetch under way is let come back: its leases are ours."""
        self._stopping = True
        if self._resting and not fetching.cancelling():
            fetching.cancel()
        for delivery in self._pool.close():
            self._ended(delivery, Release())

    async def _quiet(self, fetching: "asyncio.Task[None]", timeout_s: float) -> bool:
        """Wait until no handler runs and no fetch is under way; False if time ran out first."""
        tasks = self._pool.workers | {fetching}
        await asyncio.wait(tasks, timeout=timeout_s)
        return all(task.done() for task in tasks)

    async def _fetch(self) -> None:
        pause_s = 0.1
        while not self._stopping:
            try:
                await self._fetch_once()
                pause_s = 0.1
            except Exception as error:  # noqa: BLE001  (whatever it is, a consumer that stops in silence is worse)
                self._report(error)
                await self._pause(pause_s * random.uniform(0.5, 1.5))  # noqa: S311  (spread, not secrecy)
                pause_s = min(FETCH_PAUSE_S, pause_s * 2)

    async def _fetch_once(self) -> None:
        await self._credits()
        if deliveries := await self.source.fetch(self.spec.prefetch - len(self._held), self.spec.lease_s):
            self._take(deliveries)
        elif not self._stopping:
            await self._rest(self.source.wait())

    def _report(self, error: Exception) -> None:
        if isinstance(error, HanjulError):
            level = logging.WARNING if isinstance(error, Unavailable) else logging.ERROR
            _log.log(level, "fetching from queue %r: %s; trying again", self.spec.queue, error)
        else:
            _log.error("fetching from queue %r failed; trying again", self.spec.queue, exc_info=error)

    async def _credits(self) -> None:
        """Wait until a fetch is worth it: half the prefetch is free, or the workers have run dry."""
        while not self._stopping:
            free = self.spec.prefetch - len(self._held)
            if free >= (self.spec.prefetch + 1) // 2 or (free and not self._pool.buffered):
                return
            self._credit.clear()
            await self._rest(self._credit.wait())

    async def _pause(self, pause_s: float) -> None:
        if not self._stopping:
            await self._rest(asyncio.sleep(pause_s))

    async def _rest(self, waiting: Any) -> None:
        """Wait for something that a stop may break off."""
        self._resting = True
        try:
            await waiting
        finally:
            self._resting = False

    def _take(self, deliveries: list[Delivery[Any]]) -> None:
        self.counts.fetched += len(deliveries)
        ready: list[Delivery[Any]] = []
        spent: list[tuple[Delivery[Any], int]] = []
        for delivery in deliveries:
            terms = self.spec.terms(delivery)
            delivery.attach(terms.into, self._settle, self._transaction)
            self._held[delivery] = delivery
            if delivery.attempt <= terms.max_attempts:
                ready.append(delivery)
            else:  # its last worker died, or lost it, without a word
                spent.append((delivery, terms.max_attempts))
        if self._stopping:
            for delivery in deliveries:
                self._ended(delivery, Release())
            return
        self._pool.put(ready)
        for delivery, limit in spent:
            self._ended(delivery, Reject(f"given up after {limit} attempts", kind="max_attempts"))

    def _ended(self, delivery: Delivery[Any], outcome: Outcome | None) -> None:
        """The handler is through: settle as it says, unless it has done so itself, or the lease is lost."""
        if outcome is None:
            delivery.take_settlement()
            self._settled(delivery, Release(), done=False)
        elif delivery.take_settlement():
            self._settler.put(delivery, self._judged(delivery, outcome))

    async def _settle(self, delivery: Delivery[Any], outcome: Outcome) -> None:
        await self._settler.settle(delivery, self._judged(delivery, outcome))

    def _judged(self, delivery: Delivery[Any], outcome: Outcome) -> Outcome:
        """A failure is given its delay; the last one is a rejection."""
        if not isinstance(outcome, Nack):
            return outcome
        terms = self.spec.terms(delivery)
        if delivery.attempt >= terms.max_attempts:
            return Reject(outcome.reason, kind="max_attempts")
        delay_s = terms.delay_s(delivery.attempt) if outcome.delay_s is None else outcome.delay_s
        return Nack(outcome.reason, delay_s=delay_s)

    @asynccontextmanager
    async def _transaction(self, delivery: Delivery[Any]) -> AsyncIterator[Any]:
        if not delivery.take_settlement():
            raise AlreadySettled(f"message {delivery.id} of queue {delivery.queue!r} is already settled")
        try:
            async with self.source.transaction(delivery) as conn:
                yield conn
        except BaseException:
            delivery.give_settlement_back()
            raise
        self._settled(delivery, Ack(), done=True)

    def _settled(self, delivery: Delivery[Any], outcome: Outcome, done: bool) -> None:
        if self._held.pop(delivery, None) is None:
            return
        self._count(outcome, done)
        self._credit.set()

    def _count(self, outcome: Outcome, done: bool) -> None:
        counts = self.counts
        if not done:
            counts.lost += 1
        elif isinstance(outcome, Ack):
            counts.acked += 1
        elif isinstance(outcome, Nack):
            counts.nacked += 1
        elif isinstance(outcome, Release):
            counts.released += 1
        else:
            counts.rejected += 1
