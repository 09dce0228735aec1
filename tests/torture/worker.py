"""A worker: our own loop, with a witness between it and the driver. Its times are the process's own: one machine, one clock."""

import asyncio
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from tests.torture.journal import Journal
from tests.torture.messages import checksum, key_of
from tests.torture.scene import LEASED, ORDERED, WORKED, Scene

import hanjul
from hanjul.drivers.postgres import PostgresRenewer, PostgresSource
from hanjul.model.driver import Refusal, Settlement
from hanjul.model.errors import HanjulError, LeaseLost
from hanjul.model.outcome import Nack, Reject, Release

LEASE_S = 1.0
Delivery = hanjul.Delivery[Any]


class Witness:
    """Writes down what passes between the loop and the driver."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._fetch, self._settle = PostgresSource.fetch, PostgresSource.settle
        self._extend, self._transaction = PostgresRenewer.extend, PostgresSource._transaction

    def attend(self) -> None:
        """Take place."""
        witness = self

        async def fetch(source: PostgresSource, limit: int, lease_s: float) -> list[Delivery]:
            return await witness.fetch(source, limit, lease_s)

        async def settle(source: PostgresSource, settlements: Sequence[Settlement]) -> Sequence[Refusal]:
            return await witness.settle(source, settlements)

        def extend(renewer: PostgresRenewer, deliveries: Sequence[Delivery], lease_s: float) -> Sequence[Refusal]:
            return witness.extend(renewer, deliveries, lease_s)

        def transaction(source: PostgresSource, delivery: Delivery) -> Any:
            return witness.transaction(source, delivery)

        for owner, method in ((PostgresSource, fetch), (PostgresSource, settle), (PostgresRenewer, extend)):
            setattr(owner, method.__name__, method)
        PostgresSource._transaction = transaction  # type: ignore[method-assign,assignment]

    async def fetch(self, source: PostgresSource, limit: int, lease_s: float) -> list[Delivery]:
        """A claim."""
        n = self._journal.invoke("read", queue=source.queue, qty=limit, lease=lease_s)
        try:
            deliveries = await self._fetch(source, limit, lease_s)
        except BaseException as error:
            self._unknown(n, error)
            raise
        self._journal.complete(n, ok=True, rows=[_told(delivery) for delivery in deliveries])
        return deliveries

    async def settle(self, source: PostgresSource, settlements: Sequence[Settlement]) -> Sequence[Refusal]:
        """Settlements: of each kind one statement."""
        asked = {kind: self._invoke(source.queue, kind, settlements) for kind in {type(outcome) for _, outcome in settlements}}
        try:
            refusals = await self._settle(source, settlements)
        except BaseException as error:
            for n in asked.values():
                self._unknown(n, error)
            raise
        for n in asked.values():
            self._journal.complete(n, ok=True, rows=[_refused(refusal) for refusal in refusals])
        return refusals

    def extend(self, renewer: PostgresRenewer, deliveries: Sequence[Delivery], lease_s: float) -> Sequence[Refusal]:
        """Renewals, in the thread of their own."""
        n = self._journal.invoke("extend", queue=renewer._queue, delay=lease_s, **_pairs(deliveries))
        try:
            refusals = self._extend(renewer, deliveries, lease_s)
        except BaseException as error:
            self._unknown(n, error)
            raise
        self._journal.complete(n, ok=True, rows=[_refused(refusal) for refusal in refusals])
        return refusals

    @asynccontextmanager
    async def transaction(self, source: PostgresSource, delivery: Delivery) -> AsyncIterator[Any]:
        """A handler's own transaction, with the ack at its end."""
        n = 0
        try:
            async with self._transaction(source, delivery) as conn:
                yield conn
                n = self._journal.invoke("ack", queue=source.queue, booked=True, **_pairs([delivery]))
        except LeaseLost as lost:
            if n:
                self._journal.complete(n, ok=True, rows=[[delivery.id, delivery.fence, lost.held_by]])
            raise
        except BaseException as error:
            if n:
                self._unknown(n, error)
            raise
        self._journal.complete(n, ok=True, rows=[])

    def _invoke(self, queue: str, kind: type, settlements: Sequence[Settlement]) -> int:
        some: list[tuple[Delivery, Any]] = [(delivery, outcome) for delivery, outcome in settlements if type(outcome) is kind]
        told: dict[str, Any] = _pairs([delivery for delivery, _ in some])
        if issubclass(kind, Nack | Release):
            told["delay"] = [outcome.delay_s or 0 for _, outcome in some]
        if issubclass(kind, Reject):
            told["reason"] = [outcome.kind for _, outcome in some]
        return self._journal.invoke(kind.__name__.lower(), queue=queue, **told)

    def _unknown(self, n: int, error: BaseException) -> None:
        self._journal.complete(n, ok=False, sure=False, error=type(error).__name__)


def _pairs(deliveries: Sequence[Delivery]) -> dict[str, Any]:
    return {"ids": [delivery.id for delivery in deliveries], "cts": [delivery.fence for delivery in deliveries]}


def _refused(refusal: Refusal) -> list[Any]:
    return [refusal.delivery.id, refusal.delivery.fence, refusal.held_by]


def _told(delivery: Delivery) -> list[Any]:
    body, headers = json.loads(delivery.raw or "null"), delivery.headers or None
    return [delivery.id, delivery.fence, delivery.fence - delivery.attempt, None, key_of(body), checksum(body, headers)]


def _app(scene: Scene, journal: Journal) -> hanjul.App:
    app = hanjul.App(scene.dsn)
    for queue in scene.among(WORKED):
        retry = hanjul.Retry(max_attempts=LEASED[queue], base_s=0.05, cap_s=0.2)
        app.consumer(queue, concurrency=4, prefetch=8, lease_s=LEASE_S, retry=retry, ordered=queue in ORDERED)(_handler(journal))
    return app


def _handler(journal: Journal) -> Callable[[Delivery], Awaitable[None]]:
    async def handle(delivery: Delivery) -> None:
        n = journal.invoke("handle", queue=delivery.queue, id=delivery.id, attempt=delivery.attempt, ct=delivery.fence)
        await _do(delivery, delivery.body["do"])
        journal.complete(n, ok=True)

    return handle


async def _do(delivery: Delivery, deed: str) -> None:
    match deed:
        case "book":
            async with delivery.transaction() as conn:
                await conn.execute("insert into ledger values (%s)", [delivery.body["key"]])
                await asyncio.sleep(0.01)
        case "raise":
            raise RuntimeError("this handler fails")
        case "nack":
            raise hanjul.Nack("not now", delay_s=0.1)
        case "release":
            if delivery.attempt == delivery.fence:  # once; it would come back for ever
                raise hanjul.Release(delay_s=0.05)
        case "reject":
            raise hanjul.Reject("never")
        case "slow":
            await asyncio.sleep(LEASE_S * 2.5)
        case "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        case _:
            await asyncio.sleep(0.005)


async def _work(scene: Scene, journal: Journal) -> None:
    while True:
        try:
            async with _app(scene, journal):
                await asyncio.Event().wait()
        except HanjulError:  # only a start may fail: the server is down
            await asyncio.sleep(0.1)


def main(scene: Scene) -> None:
    """Be a worker."""
    logging.basicConfig(filename=f"{scene.directory}/workers.log", level=logging.ERROR)
    journal = Journal(scene.directory, scene.actor)
    Witness(journal).attend()
    asyncio.run(_work(scene, journal))
