"""The memory driver does what every driver must do."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from hanjul.drivers.memory import MemoryDriver, MemorySource
from hanjul.testing.driver_suite import Dead, DriverSuite


class MemoryHarness:
    def __init__(self) -> None:
        self._driver = MemoryDriver()

    async def create(self, queue: str) -> None:
        await self._driver.create(queue)

    async def send(self, queue: str, body: object, *, headers: dict[str, Any] | None = None, delay_s: float = 0.0) -> object:
        return await self._driver.send(queue, body, headers=headers, delay_s=delay_s)

    async def drop(self, queue: str) -> None:
        await self._driver.drop(queue)

    async def bind(self, pattern: str, queue: str) -> None:
        await self._driver.bind(pattern, queue)

    async def send_topic(self, routing_key: str, body: object) -> dict[str, int]:
        return await self._driver.send_topic(routing_key, body)

    def source(self, queue: str, *, ordered: bool = False, topics: Sequence[str] = ()) -> MemorySource:
        return self._driver.source(queue, ordered=ordered, topics=topics)

    async def size(self, queue: str) -> int:
        return await self._driver.size(queue)

    async def dead_letters(self, queue: str) -> list[Dead]:
        letters = await self._driver.dead_letters(queue)
        return [Dead(json.loads(letter.raw), letter.attempts, letter.reason, letter.error) for letter in letters]

    async def redrive(self, queue: str) -> int:
        return await self._driver.redrive(queue)


class TestMemory(DriverSuite):
    @pytest.fixture
    def harness(self) -> MemoryHarness:
        return MemoryHarness()
