"""What an app has while it is connected to its database: the driver of the loop, and the clients."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from hanjul.clients import address_async
from hanjul.config import Settings
from hanjul.drivers.postgres import PostgresDriver
from hanjul.postgres import Database
from hanjul.queues import Queues

if TYPE_CHECKING:
    from hanjul.jobs.client import Jobs
    from hanjul.jobs.declared import Declared
    from hanjul.net.client import Http

LOOP_CONNECTIONS = 3
"""What the loop of all consumers holds at most: to fetch, to settle, and to look for what falls due."""
UPKEEP_CONNECTIONS = 2
"""What looking after jobs adds to them: to lead, and for a chore that takes its time; and after HTTP requests: to forget."""


class Connected:
    """The driver, and the clients, which are made when somebody asks for them."""

    def __init__(self, settings: Settings, driver: PostgresDriver, queues: Queues) -> None:
        self.settings, self.driver, self.queues = settings, driver, queues
        self._jobs: Jobs | None = None
        self._http: Http | None = None

    def jobs(self, declared: "Sequence[Declared]") -> "Jobs":
        """The job client, which knows the kinds that are declared when it is first asked for."""
        from hanjul.jobs.client import Jobs  # only here: who has no jobs need not carry them

        if self._jobs is None:
            limits = {"max_retries": self.settings.max_retries, "max_payload_bytes": self.settings.max_message_bytes}
            self._jobs = Jobs(self.driver.handlers, declared, **limits)
        return self._jobs

    def http(self) -> "Http":
        """The HTTP client."""
        from hanjul.net.client import Http  # only here: who sends none need not carry it

        if self._http is None:
            self._http = Http(self.driver.handlers, max_body_bytes=self.settings.max_message_bytes)
        return self._http

    async def drain(self) -> None:
        """Wait for what the clients have under way."""
        for client in (self._jobs, self._http):
            if client is not None:
                await client.drain()


@asynccontextmanager
async def connected(config: Settings, *, upkeep: bool) -> AsyncIterator[Connected]:
    """Connected while the block runs. upkeep: jobs, or HTTP requests, are looked after. Raises Unavailable."""
    async with address_async(config) as found:
        handlers = Database(found, max_connections=config.max_connections)
        loop = Database(found, max_connections=LOOP_CONNECTIONS + (UPKEEP_CONNECTIONS if upkeep else 0))
        async with Queues(handlers, max_message_bytes=config.max_message_bytes) as queues, loop:
            listen_url = (config.listen_url or found) if config.listen else None
            driver = PostgresDriver(loop, handlers, listen_url=listen_url, poll_s=config.poll_interval_s)
            has = Connected(config, driver, queues)
            try:
                yield has
            finally:
                await has.drain()
                await driver.close()
