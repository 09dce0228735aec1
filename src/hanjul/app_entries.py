"""The app that entries declare: its queues made as they say, its consumers in the order in which they start."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from hanjul.app import App
from hanjul.config import Settings, settings
from hanjul.entries import Registry, load
from hanjul.entries.blocks import Redelivery
from hanjul.entries.kinds import Consumer, MemoryDriver, PostgresDriver, Queue
from hanjul.model.backoff import Retry
from hanjul.model.errors import QueueNotFound
from hanjul.queues import Queues
from hanjul.runtime.spec import ConsumerSpec

UNLIMITED = 2**31 - 1
"""Attempts of a queue that declares no dead letters."""
FLOOR_S = 0.1
"""What a message waits at least from its second failure on, where no redelivery is declared: no hot loop."""


def load_app(targets: Sequence[str | Path] | str | Path, *, environment: Mapping[str, str] | None = None) -> "EntriesApp":
    """The app that the entries of directories and files declare: `app = hanjul.load_app("app/")`.

    It is an App like any other: decorators may add to it, `async with app` runs it.
    environment: what placeholders are filled in from (None: the process's). Raises InvalidEntries with all that is wrong.
    """
    return EntriesApp(load(targets, environment=environment))


class EntriesApp(App):
    """An app made of a registry."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        driver = next((registry.driver(queue) for queue in registry.queues().values()), None)
        if isinstance(driver, PostgresDriver):
            super().__init__(config=_settings(driver))
        else:
            super().__init__(driver="memory")
        self.specs += [_spec(registry, consumer) for consumer in registry.consumers().values()]

    @asynccontextmanager
    async def _sources(self) -> AsyncIterator[Callable[..., Any]]:
        async with super()._sources() as source:
            for id_, queue in self.registry.queues().items():
                name = self.registry.queue_name(id_)
                if self.memory is not None:
                    await self.memory.create(name)
                elif self._connected is not None:
                    await _declare(self._connected.queues, name, queue)
            yield source


async def _declare(queues: Queues, name: str, queue: Queue) -> None:
    bag = queue.postgres_bag
    if queue.declare == "ensure" and bag.partitioned:
        await queues.create_partitioned(name)
    elif queue.declare == "ensure":
        await queues.create(name, unlogged=bag.unlogged)
    elif queue.declare == "verify" and name not in {found.queue_name for found in await queues.list()}:
        raise QueueNotFound(name)


def _settings(driver: PostgresDriver) -> Settings:
    base = settings()
    poll_s = base.poll_interval_s if driver.poll_interval is None else driver.poll_interval
    return msgspec.structs.replace(
        base,
        database_url=None if driver.dsn is None else str(driver.dsn),
        listen=base.listen and driver.listen,
        max_connections=driver.pool.max if "max" in driver.pool.model_fields_set else base.max_connections,
        poll_interval_s=poll_s,
    )


def _spec(registry: Registry, consumer: Consumer) -> ConsumerSpec:
    queue = registry.queue(consumer.queue)
    driver = registry.driver(queue)
    return ConsumerSpec(
        registry.queue_name(consumer.queue),
        registry.handlers[consumer.func],
        concurrency=consumer.concurrency,
        prefetch=consumer.prefetch,
        lease_s=queue.visibility_timeout,
        timeout_s=consumer.timeout,
        stop_timeout_s=consumer.lifecycle.stop_timeout,
        archive=isinstance(driver, PostgresDriver) and driver.archive == "on_ack",
        ordered=queue.ordering is not None,
        retry=_retry(queue, consumer, is_memory=isinstance(driver, MemoryDriver)),
    )


def _retry(queue: Queue, consumer: Consumer, *, is_memory: bool) -> Retry:
    """The consumer's redelivery, or its queue's, or the driver's: at once in memory."""
    attempts = UNLIMITED if queue.dead_letter is None else queue.dead_letter.max_attempts
    declared = consumer.retry or queue.retry
    if declared is None and is_memory:
        return AtOnce(attempts)
    return (declared or Redelivery()).retry(attempts)


class AtOnce(Retry):
    """No wait after the first failure, and hardly one after the next."""

    def delay_s(self, attempt: int) -> float:
        """Seconds to wait after the failure of this attempt, from 1."""
        return 0.0 if attempt < 2 else FLOOR_S
