"""The address of a database, with what keeps a dead link from being waited for."""

import re

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

NUMBERS = ("connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
SECRET = re.compile(r"(?<=:)[^:@/\s]*(?=@)|(?<=password=)('[^']*'|[^\s&]*)")


def conninfo(url: str) -> str:
    """The address with our defaults; raises InvalidSettings for one that is no PostgreSQL address."""
    try:
        given = conninfo_to_dict(url)
    except (psycopg.ProgrammingError, TypeError) as error:
        raise _wrong(url, _without_secret(str(error).strip())) from None
    if "@" in str(given.get("dbname", "")):
        raise _wrong("***", "its parts do not fit together; in a password write / as %2F, @ as %40, : as %3A")
    for port in str(given.get("port", "5432")).split(","):
        if port and not (port.isdecimal() and 0 < int(port) < 65536):
            raise _wrong(url, f"port {port!r} is not a number from 1 to 65535")
    for name in NUMBERS:
        if not str(given.get(name, "0")).lstrip("-").isdecimal():
            raise _wrong(url, f"{name}={given[name]!r} is not a whole number")
    return make_conninfo("", **{**DEFAULTS, **given})


def without_password(url: str) -> str:
    """The address as it may be shown and logged."""
    parts = conninfo_to_dict(conninfo(url))
    return f"postgresql://{parts.get('user', '')}@{parts.get('host', '')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def _wrong(url: object, why: str) -> InvalidSettings:
    shown = _without_secret(str(url))
    return InvalidSettings(
        f"DATABASE_URL {shown!r} is not a PostgreSQL address: {why}; it looks like postgresql://user:password@host:5432/database"
    )


def _without_secret(text: str) -> str:
    return SECRET.sub("***", text)
