"""The address of a database, with what keeps a dead link from being waited for."""

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hanjul.model.errors import InvalidSettings

DEFAULTS: dict[str, str | int | None] = {
    "application_name": "hanjul",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""What applies where the address says nothing else: a dead link is noticed within about 25 s."""


def conninfo(url: str) -> str:
    """The address with our defaults; raises InvalidSettings for one that is no PostgreSQL address."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise InvalidSettings(
            f"DATABASE_URL is not a PostgreSQL address ({error}); it looks like postgresql://user:password@host:5432/database"
        ) from None
    return make_conninfo("", **{**DEFAULTS, **given})


def without_password(url: str) -> str:
    """The address as it may be shown and logged."""
    parts = conninfo_to_dict(url)
    return f"postgresql://{parts.get('user', '')}@{parts.get('host', '')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
