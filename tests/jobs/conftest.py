"""Jobs on a database of the test's own."""

from collections.abc import AsyncIterator

import pytest

from hanjul.drivers.postgres import PostgresDriver
from hanjul.jobs import Jobs
from hanjul.postgres import Database


@pytest.fixture
async def jobs(dsn: str) -> AsyncIterator[Jobs]:
    async with Jobs(Database(dsn)) as jobs:
        yield jobs


@pytest.fixture
async def driver(jobs: Jobs, dsn: str) -> AsyncIterator[PostgresDriver]:
    driver = PostgresDriver(jobs._database, jobs._database, listen_url=dsn)
    yield driver
    await driver.close()
