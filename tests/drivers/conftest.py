"""A postgres driver on a database of the test's own, as the suite wants it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from hanjul.drivers import bindings
from hanjul.drivers.postgres import PostgresDriver, PostgresSource
from hanjul.postgres import Database
from hanjul.queues import Queues
from hanjul.testing.driver_suite import Dead


class PostgresHarness:
    def __init__(self, driver: PostgresDriver, queues: Queues) -> None:
        self.driver, self.queues = driver, queues

    async def create(self, queue: str) -> None:
        await self.queues.create(queue)

    async def send(self, queue: str, body: object, *, headers: dict[str, Any] | None = None, delay_s: float = 0.0) -> object:
        return await self.queues.send(queue, body, headers=headers, delay=delay_s)

    async def drop(self, queue: str) -> None:
        await self.queues.drop(queue)

    async def bind(self, pattern: str, queue: str) -> None:
        await self.queues.topics.bind(pattern, queue)

    async def send_topic(self, routing_key: str, body: object) -> Mapping[str, int]:
        return await self.queues.topics.send(routing_key, body)

    def source(self, queue: str, *, ordered: bool = False, topics: Sequence[str] = ()) -> PostgresSource:
        return self.driver.source(queue, ordered=ordered, topics=topics)

    async def size(self, queue: str) -> int:
        return (await self.queues.metrics(queue)).queue_length

    async def dead_letters(self, queue: str) -> list[Dead]:
        letters = await self.queues.dead_letters(queue)
        return [Dead(letter.message, letter.attempts, letter.reason, letter.error or "") for letter in letters]

    async def redrive(self, queue: str) -> int:
        return len(await self.queues.redrive(queue))


@pytest.fixture(params=[True, False], ids=["listening", "polling"])
def listens(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture
async def postgres(dsn: str, listens: bool, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PostgresHarness]:
    monkeypatch.setattr(bindings, "POLLING_LOOK_S", 0.5)  # else a test would wait for it
    async with Queues(Database(dsn)) as queues:
        driver = PostgresDriver(queues._database, queues._database, listen_url=dsn if listens else None)
        yield PostgresHarness(driver, queues)
        await driver.close()
