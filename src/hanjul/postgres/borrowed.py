"""Running a call on a connection that is the user's, inside the user's transaction (`tx=`).

Which library a connection belongs to is told by the module of its class, so that none of them has to be installed.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from hanjul.model.call import Call, colon, dollar, percent
from hanjul.model.errors import BadInput

R = TypeVar("R")

ACCEPTED = (
    "psycopg (Connection, AsyncConnection, or a cursor), asyncpg (Connection), "
    "SQLAlchemy (Connection, Session, AsyncConnection, AsyncSession), Django (django.db.connection)"
)


async def rows_on(tx: Any, call: Call[R]) -> list[R]:
    """All rows of the call, on an asyncio connection. Raises BadInput for a connection of no known kind."""
    library = _library(tx)
    if library == "psycopg":
        cursor = await tx.execute(call.statement(percent), call.parameters)
        return _made(call, await cursor.fetchall())
    if library == "asyncpg":
        return _made(call, [tuple(row) for row in await tx.fetch(call.statement(dollar), *call.parameters)])
    if library == "sqlalchemy":
        return _made(call, (await tx.execute(*_sqlalchemy(call))).all())
    raise _unknown(tx)


def rows_on_sync(tx: Any, call: Call[R]) -> list[R]:
    """All rows of the call, on a blocking connection. Raises BadInput for a connection of no known kind."""
    library = _library(tx)
    if library == "psycopg":
        return _made(call, tx.execute(call.statement(percent), call.parameters).fetchall())
    if library == "sqlalchemy":
        return _made(call, tx.execute(*_sqlalchemy(call)).all())
    if library == "django":
        with tx.cursor() as cursor:
            cursor.execute(call.statement(percent), call.parameters)
            return _made(call, cursor.fetchall())
    raise _unknown(tx)


def _library(tx: object) -> str:
    """The top-level package of the first class, in method order, that is not the user's own."""
    for class_ in type(tx).__mro__:
        package = class_.__module__.partition(".")[0]
        if package in {"psycopg", "asyncpg", "sqlalchemy", "django"}:
            return package
    return ""


def _sqlalchemy(call: Call[R]) -> tuple[Any, dict[str, object]]:
    from sqlalchemy import text

    return text(call.statement(colon)), {f"p{n}": value for n, value in enumerate(call.parameters, 1)}


def _made(call: Call[R], rows: Sequence[Sequence[Any]]) -> list[R]:
    return [call.row(*row) for row in rows]


def _unknown(tx: object) -> BadInput:
    return BadInput(f"tx={type(tx).__module__}.{type(tx).__qualname__} is no connection that can be used here: {ACCEPTED}")
