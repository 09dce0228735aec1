"""The embedded PostgreSQL made ready for us: its schema, our extension's files, and a search path for tutorials."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hanjul import embedded
from hanjul.config import Settings
from hanjul.postgres.migrate import set_search_path
from hanjul.sql import extension_files


@contextmanager
def local_address(config: Settings) -> Iterator[str]:
    """The address of the embedded PostgreSQL, while the block runs; its schema is not looked at."""
    with embedded_server(config) as server:
        yield server.dsn


@contextmanager
def embedded_server(config: Settings, say: Callable[[str], None] | None = None) -> Iterator[embedded.Server]:
    """The embedded PostgreSQL, while the block runs: it knows our extension, and finds `attempts` without its schema.

    say: is told in a few words what takes time.
    """
    with embedded.attach(Path(config.data_dir) if config.data_dir else None, say=say) as server:
        if server.extension_dir is not None:
            _offer_extension(server.extension_dir)
        set_search_path(server.dsn, '"$user", public, pgmq')
        yield server


def _offer_extension(directory: Path) -> None:
    for name, text in extension_files().items():
        file = directory / name
        if not file.exists() or file.read_text("utf-8") != text:
            fresh = directory / f"{name}.{os.getpid()}"
            fresh.write_text(text, "utf-8")
            fresh.replace(file)  # at once: CREATE EXTENSION may be reading
