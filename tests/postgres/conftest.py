"""PGMQ itself, as others have it: its SQL pasted, or as an extension of the server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

Run = Callable[..., list[Any]]


@pytest.fixture(scope="session")
def upstream_sql() -> str:
    """PGMQ's own script, as its Python client ships it."""
    from pgmq.install import get_embedded_install_sql

    return get_embedded_install_sql()


@pytest.fixture
def upstream_extension(extension_dir: Path, upstream_sql: str) -> Iterator[None]:
    """The server offers PGMQ as an extension, in versions 1.13.0 and 1.14.0; afterwards whatever it offered before."""
    control = "comment = 'PGMQ itself'\ndefault_version = '1.13.0'\nschema = 'pgmq'\nrelocatable = false\nsuperuser = false\n"
    needs_it = "comment = 'needs pgmq'\ndefault_version = '1'\nrequires = 'pgmq'\n"
    laid = {
        "pgmq.control": control,
        "pgmq--1.13.0.sql": upstream_sql,
        "pgmq--1.14.0.sql": upstream_sql,
        "needs_pgmq.control": needs_it,
        "needs_pgmq--1.sql": "",
    }
    before = {name: (extension_dir / name).read_text() for name in laid if (extension_dir / name).exists()}
    for name, text in laid.items():
        (extension_dir / name).write_text(text)
    yield
    for name in laid:
        (extension_dir / name).unlink()
    for name, text in before.items():
        (extension_dir / name).write_text(text)


@pytest.fixture
def run() -> Run:
    """Run statements in a database; the rows of the last."""

    def run(dsn: str, statements: str, *arguments: object) -> list[Any]:
        with psycopg.connect(dsn, autocommit=True) as conn:
            cursor = conn.execute(statements.encode(), arguments or None)
            return cursor.fetchall() if cursor.description else []

    return run
