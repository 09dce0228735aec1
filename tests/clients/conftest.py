"""Clients of PGMQ as they come from the registries, on our schema."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from hanjul.sql import extension_files


@pytest.fixture
def offered(extension_dir: Path) -> None:
    """The server offers our schema as the extension `pgmq`, as the embedded server of `hanjul up` does."""
    for name, text in extension_files().items():
        (extension_dir / name).write_text(text)


@pytest.fixture
def look(dsn: str) -> Callable[..., list[tuple]]:
    """See for oneself, past the client: the rows of a query."""

    def look(query: str, *args: object) -> list[tuple]:
        with psycopg.connect(dsn, autocommit=True) as connection:
            return connection.execute(query, args or None).fetchall()

    return look
