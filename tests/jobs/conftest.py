"""Jobs on a database of the test's own."""

from collections.abc import AsyncIterator

import pytest

from hanjul import App, Settings
from hanjul.jobs import Jobs
from hanjul.postgres import Database


@pytest.fixture
async def jobs(dsn: str) -> AsyncIterator[Jobs]:
    async with Jobs(Database(dsn)) as jobs:
        yield jobs


@pytest.fixture
def app(dsn: str) -> App:
    return App(config=Settings(database_url=dsn, worker_id="w1"))
