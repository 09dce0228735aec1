"""A server that does what a test says."""

from collections.abc import AsyncIterator

import pytest
from tests.sender.server import Server, serving


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server
