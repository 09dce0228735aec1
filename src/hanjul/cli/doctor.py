"""`hanjul doctor`: is everything as it should be, and what to do if not."""

import asyncio
import platform
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec

import click

from hanjul.cli.output import as_json, show
from hanjul.clients import migrated_address
from hanjul.config import Settings, settings
from hanjul.model.errors import HanjulError
from hanjul.postgres import Database
from hanjul.postgres.conninfo import without_password
from hanjul.postgres.listen import Listener
from hanjul.postgres.migrate import plan

Check = tuple[str, bool, str]
"""What was looked at, whether it is well, and what was seen or is to be done."""

_OTHERS = {
    "pgmq": "another installation of pgmq; hanjul works with it, and `hanjul adopt` takes it over",
    "net": "another installation of pg_net, whose worker sends its requests; hanjul leaves it alone",
}


@click.command(short_help="Check installation, database, schema, wake-ups.")
@as_json
def doctor(*, as_json: bool) -> None:
    """Check the installation, the database, the schema and the wake-ups. Exit code 1 if anything needs a hand."""
    checks = list(_checks())
    rows = [(what, "ok" if well else "LOOK", seen) for what, well, seen in checks]
    show(rows, ["check", "state", "seen"], as_json=as_json)
    sys.exit(0 if all(well for _, well, _ in checks) else 1)


def _checks() -> Iterator[Check]:
    yield "hanjul", True, f"{version('hanjul')} on Python {platform.python_version()}"
    yield (
        "uvloop",
        True,
        "installed" if find_spec("uvloop") else "not installed: pip install 'hanjul[fast]' saves CPU",
    )
    try:
        config = settings()
        yield (
            "settings",
            True,
            f"database: {'embedded' if config.database_url is None else without_password(config.database_url)}",
        )
        if config.database_url is None:
            from hanjul import embedded

            binaries = embedded.locate()
            yield "embedded PostgreSQL", True, f"{binaries.version} in {binaries.bin_dir}"
        with migrated_address(config) as url:
            yield from _database_checks(url, config)
    except HanjulError as error:
        yield type(error).__name__, False, str(error)


def _database_checks(url: str, config: Settings) -> Iterator[Check]:
    found = plan(url)
    yield "database", True, without_password(url)
    if found.pending:
        yield "schema", False, f"{len(found.pending)} migrations pending; run: hanjul migrate"
    elif not found.functions_are_current:
        yield "schema", False, "the functions are another version's; run: hanjul migrate"
    else:
        yield "schema", True, "up to date"
    for schema, said in _OTHERS.items():
        yield f"schema {schema} is from", True, said if schema in found.foreign else "hanjul"
    if not found.pending:
        yield _wakeups(url, config)


def _wakeups(url: str, config: Settings) -> Check:
    if not config.listen:
        return "wake-ups", True, "switched off; idle queues are polled once a second"
    if asyncio.run(_listens(url, config.listen_url or url)):
        return "wake-ups", True, "notifications arrive"
    return "wake-ups", False, "no notifications (a transaction pooler?): set HANJUL_LISTEN_URL to a direct address, or be polled"


async def _listens(url: str, listen_url: str) -> bool:
    database = Database(url)
    await database.open()
    nothing: Callable[..., None] = lambda *_: None  # noqa: E731
    listener = Listener(database, listen_url, nothing, nothing)
    try:
        return await listener.open()
    finally:
        await listener.close()
        await database.close()
