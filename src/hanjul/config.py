"""Settings: from the environment, over the file hanjul.toml, over the defaults; checked once, frozen after."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from hanjul.model.errors import InvalidSettings

FILE = "hanjul.toml"

ENVIRONMENT = {
    "DATABASE_URL": "database_url",
    "HANJUL_LISTEN_URL": "listen_url",
    "HANJUL_LISTEN": "listen",
    "HANJUL_DATA_DIR": "data_dir",
    "HANJUL_MAX_CONNECTIONS": "max_connections",
    "HANJUL_MAX_MESSAGE_BYTES": "max_message_bytes",
}
"""Variable -> setting."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be set.

    database_url: the PostgreSQL to use; None: the embedded one.
    listen_url: a direct address to listen on, where database_url goes through a transaction pooler; None: database_url.
    listen: False to poll instead.  data_dir: where the embedded PostgreSQL keeps its data; None: the user's own place.
    max_connections: how many the pool of clients and handlers may hold.  max_message_bytes: the longest body that a client sends.
    """

    database_url: str | None = None
    listen_url: str | None = None
    listen: bool = True
    data_dir: str | None = None
    max_connections: int = 10
    max_message_bytes: int = 16 << 20

    def __post_init__(self) -> None:
        if self.max_connections < 2:
            raise InvalidSettings(f"max_connections must be 2 or more, not {self.max_connections}")
        if self.max_message_bytes < 1:
            raise InvalidSettings(f"max_message_bytes must be 1 or more, not {self.max_message_bytes}")


def settings(environment: Mapping[str, str] | None = None, directory: Path | None = None) -> Settings:
    """The settings that apply; raises InvalidSettings, which names the setting and where it stands."""
    file = (directory or Path.cwd()) / FILE
    found = _from_file(file) if file.is_file() else {}
    for variable, name in ENVIRONMENT.items():
        if value := (os.environ if environment is None else environment).get(variable):
            found[name] = value
    try:
        return msgspec.convert(found, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidSettings(f"settings ({FILE} or environment {', '.join(ENVIRONMENT)}): {error}") from None


def _from_file(file: Path) -> dict[str, Any]:
    import tomllib  # few have the file

    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InvalidSettings(f"{file}: {error}") from None
