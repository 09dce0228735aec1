"""The HTTP client on a database of the test's own, and a sender's part in SQL."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from hanjul.net.client import Http
from hanjul.postgres import Database


class Sender:
    """What a sender does, in SQL: claims what is due, and says what came of it."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.sql = connection

    def claim(self) -> list[tuple[int, int]]:
        """The ids of all that is due, with their fences."""
        return self.sql.execute("select id, claims from net.claim_requests(1000, 60)").fetchall()

    def settle(self, how: str = "success", *, status_code: int | None = 200, **answer: Any) -> list[int]:
        """Claim all that is due, and answer it; which."""
        claimed = self.claim()
        common = {"how": how, "status_code": status_code, "duration_ms": 1.5, "response_bytes": 2, "timed_out": False}
        answers = [{"id": request, "claim": claim, **common, **answer} for request, claim in claimed]
        self.sql.execute("select net.settle_requests(%s::json)", [json.dumps(answers)])
        return [request for request, _ in claimed]

    def fail(self, error: str = "Couldn't connect to server") -> list[int]:
        """The same, without an answer."""
        return self.settle("error", status_code=None, error=error)


@pytest.fixture
async def http(dsn: str) -> AsyncIterator[Http]:
    async with Http(Database(dsn)) as http:
        yield http


@pytest.fixture
def sender(dsn: str) -> Iterator[Sender]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield Sender(connection)
