"""The postgres driver: queues of schema pgmq as sources. Here pgmq's words are translated: vt is a lease, read_ct a fence."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any

from hanjul.drivers import lease_calls
from hanjul.drivers.bindings import Bindings
from hanjul.drivers.commits import SETTLED_S
from hanjul.drivers.threaded import Transactions
from hanjul.drivers.wakeups import Wakeups
from hanjul.model.delivery import Delivery
from hanjul.model.driver import Capabilities, Refusal, Settlement, Support
from hanjul.model.errors import LeaseLost, QueueNotFound
from hanjul.model.outcome import Nack, Outcome, Reject, Release
from hanjul.postgres import Database
from hanjul.postgres.alone import AloneConnection

CAPABILITIES = Capabilities(
    delay=Support.NATIVE,
    release=Support.NATIVE,
    dead_letter=Support.NATIVE,
    transaction=Support.NATIVE,
    durable=Support.NATIVE,
    ordered=Support.NATIVE,
    topics=Support.NATIVE,
)

MAX_REASON = 2048
"""Of a longer reason the rest is cut off."""


class PostgresDriver:
    """Sources on one database.

    database: for what the loop asks.  handlers: for the transactions of handlers, who keep a connection for as long as
    they like; out of one pool they could keep the loop from settling.
    listen_url: where to listen for wake-ups; a direct address, if the database's own goes through a transaction
    pooler. None: poll instead.  poll_s: how often at least to look for work that nobody told of; None: as wakeups.py says.
    """

    kind = "postgres"
    capabilities = CAPABILITIES

    def __init__(self, database: Database, handlers: Database, *, listen_url: str | None, poll_s: float | None = None) -> None:
        self.database, self.handlers, self.listen_url = database, handlers, listen_url
        self.wakeups = Wakeups(database, listen_url, poll_s)
        self.bindings = Bindings(database, self.wakeups)

    async def close(self) -> None:
        """Stop to listen and to poll. The databases stay open: they were given to us open."""
        await self.bindings.close()
        await self.wakeups.close()

    def source(
        self,
        queue: str,
        *,
        archive: bool = False,
        ordered: bool = False,
        topics: Sequence[str] = (),
        handlers: Transactions | None = None,
    ) -> "PostgresSource":
        """A source for one consumer.

        archive: keep acked messages in the queue's archive.  ordered: of each group one message at a time, in order.
        topics: patterns of routing keys to bind the queue to, and again when it was dropped and made anew.
        handlers: where its handlers get their transactions, if not from the driver's database for handlers.
        """
        return PostgresSource(self, queue, archive=archive, ordered=ordered, topics=topics, handlers=handlers or self.handlers)


class PostgresSource:
    """One consumer's view of one pgmq queue."""

    capabilities = CAPABILITIES

    def __init__(
        self,
        driver: PostgresDriver,
        queue: str,
        *,
        archive: bool,
        ordered: bool,
        topics: Sequence[str],
        handlers: Transactions,
    ) -> None:
        self.queue = queue
        self._driver, self._database, self._archive = driver, driver.database, archive
        self._ordered, self._topics, self._handlers = ordered, topics, handlers
        self._was_missing = False

    async def open(self) -> None:
        """Raises QueueNotFound, SchemaMismatch, BadInput (a topic's pattern), Unavailable."""
        await self.fetch(0, 30.0)  # leases nothing, and fails as the first real one would
        await self._driver.wakeups.open()
        if self._topics:
            await self._driver.bindings.keep(self, self.queue, self._topics)

    async def fetch(self, limit: int, lease_s: float) -> list[Delivery[Any]]:
        """Lease up to `limit` due messages, oldest first. Their lease is counted from before the question was sent."""
        lease_until = time.monotonic() + lease_s
        queue = self.queue

        def row(
            msg_id: int, attempt: int, released: int, enqueued_at: datetime, message: str | None, headers: str | None
        ) -> Delivery[Any]:
            return Delivery(
                queue,
                msg_id,
                attempt=attempt - released,
                fence=attempt,
                enqueued_at=enqueued_at,
                raw=message,
                headers=headers,
                lease_until=lease_until,
            )

        claim = lease_calls.claim_groups if self._ordered else lease_calls.claim
        call = claim(queue, lease_s, limit, row)
        try:
            deliveries = await self._database.rows(call, timeout_s=answer_s(lease_s))
        except QueueNotFound:
            self._was_missing = True
            raise
        if self._was_missing:
            self._was_missing = False
            self._driver.bindings.look_soon()
        if 0 < len(deliveries) == limit:
            self._driver.wakeups.busy(queue)
        return deliveries

    async def wait(self) -> None:
        """Return when it may be worth to fetch again."""
        await self._driver.wakeups.wait(self.queue, ask=lease_calls.ready_groups if self._ordered else lease_calls.ready)

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Refusal]:
        """Settle by kind of outcome, each kind in one commit; those that came too late."""
        by_kind: dict[type[Outcome], list[Settlement]] = {}
        for settlement in settlements:
            by_kind.setdefault(type(settlement[1]), []).append(settlement)
        refusals: list[Refusal] = []
        for kind, some in by_kind.items():
            refusals += await self._database.rows(self._settling(kind, some), timeout_s=SETTLED_S)
        if self._ordered:  # the next of their groups can be had now
            self._driver.wakeups.wake(self.queue)
        return refusals

    def renewer(self) -> "PostgresRenewer":
        """A renewer with a connection of its own."""
        return PostgresRenewer(self._database.url, self.queue)

    def transaction(self, delivery: Delivery[Any]) -> AbstractAsyncContextManager[Any]:
        """A connection in a transaction that ends with the ack; raises LeaseLost, and rolls back, if that came too late."""
        return self._transaction(delivery)

    @asynccontextmanager
    async def _transaction(self, delivery: Delivery[Any]) -> AsyncIterator[Any]:
        async with self._handlers.transaction() as conn:
            yield conn
            for refusal in await self._handlers.rows(lease_calls.ack(self.queue, [delivery], archive=self._archive), tx=conn):
                raise LeaseLost(self.queue, delivery.id, delivery.fence, refusal.held_by)

    async def close(self) -> None:
        """Its queue stays bound."""
        self._driver.bindings.let_go(self)

    def _settling(self, kind: type[Outcome], some: list[Settlement]) -> Any:
        deliveries = [delivery for delivery, _ in some]
        outcomes: list[Any] = [outcome for _, outcome in some]
        if kind is Nack:
            return lease_calls.nack(self.queue, deliveries, [outcome.delay_s or 0.0 for outcome in outcomes])
        if kind is Release:
            return lease_calls.release(self.queue, deliveries, [outcome.delay_s for outcome in outcomes])
        if kind is Reject:
            kinds, reasons = [outcome.kind for outcome in outcomes], [storable(outcome.reason) for outcome in outcomes]
            return lease_calls.reject(self.queue, deliveries, kinds, reasons)
        return lease_calls.ack(self.queue, deliveries, archive=self._archive)


class PostgresRenewer:
    """Renews leases of one queue over a connection of its own, so that nothing else can hold it up."""

    def __init__(self, url: str, queue: str) -> None:
        self._connection = AloneConnection(url)
        self._queue = queue

    def extend(self, deliveries: Sequence[Delivery[Any]], lease_s: float) -> Sequence[Refusal]:
        """End their leases lease_s from now; those that are lost."""
        return self._connection.rows(lease_calls.extend(self._queue, deliveries, lease_s), answer_s(lease_s))

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


def answer_s(lease_s: float) -> float:
    """How long to wait for an answer about leases: later than this it would come too late to be of use."""
    return max(0.5, lease_s / 3)


def storable(reason: object) -> str:
    """What PostgreSQL takes as text of whatever a handler gave as its reason."""
    return str(reason)[:MAX_REASON].replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode()
