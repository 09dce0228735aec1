"""Running a call on a connection that is the user's, inside the user's transaction (`tx=`).

Which library a connection belongs to is told by the module of its class, so that none of them has to be installed.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import psycopg
from psycopg.rows import tuple_row

from hanjul.model.call import Call, colon, dollar, percent
from hanjul.model.errors import BadInput, HanjulError
from hanjul.postgres.errors import sqlstate, translate

R = TypeVar("R")

ACCEPTED = "psycopg.AsyncConnection, asyncpg.Connection, SQLAlchemy's AsyncConnection or AsyncSession"
ACCEPTED_SYNC = "psycopg.Connection, SQLAlchemy's Connection or Session, django.db.connection"


async def rows_on(tx: Any, call: Call[R]) -> list[R]:
    """All rows of the call, on an asyncio connection. Raises BadInput for a connection of no known kind."""
    try:
        return _made(call, await _rows_on(tx, call))
    except Exception as error:
        raise _ours(error) from error


def rows_on_sync(tx: Any, call: Call[R]) -> list[R]:
    """All rows of the call, on a blocking connection. Raises BadInput for a connection of no known kind."""
    try:
        return _made(call, _rows_on_sync(tx, call))
    except Exception as error:
        raise _ours(error) from error


async def _rows_on(tx: Any, call: Call[R]) -> Sequence[Sequence[Any]]:
    if isinstance(tx, psycopg.AsyncCursor):
        tx = tx.connection
    if isinstance(tx, psycopg.AsyncConnection):  # a cursor of our own: theirs may make dicts, or read $1 for %s
        async with psycopg.AsyncCursor(tx, row_factory=tuple_row) as cursor:
            await cursor.execute(call.statement(percent), call.parameters)
            return await cursor.fetchall()
    match _library(tx):
        case "asyncpg" if hasattr(tx, "is_in_transaction"):  # not a pool: that would take another connection
            return [tuple(row) for row in await tx.fetch(call.statement(dollar), *call.parameters)]
        case "sqlalchemy.ext.asyncio" if hasattr(tx, "execute"):
            return (await tx.execute(*_sqlalchemy(call))).all()  # type: ignore[no-any-return]  # rows are tuples
    raise _unknown(tx, ACCEPTED)


def _rows_on_sync(tx: Any, call: Call[R]) -> Sequence[Sequence[Any]]:
    if isinstance(tx, psycopg.Cursor):
        tx = tx.connection
    if isinstance(tx, psycopg.Connection):
        with psycopg.Cursor(tx, row_factory=tuple_row) as cursor:
            return cursor.execute(call.statement(percent), call.parameters).fetchall()
    match _library(tx):
        case "sqlalchemy" if hasattr(tx, "execute"):
            return tx.execute(*_sqlalchemy(call)).all()  # type: ignore[no-any-return]  # rows are tuples
        case "django" if getattr(tx, "vendor", "") == "postgresql":
            with tx.cursor() as cursor:
                cursor.execute(call.statement(percent), call.parameters)
                return cursor.fetchall()  # type: ignore[no-any-return]  # rows are tuples
    raise _unknown(tx, ACCEPTED_SYNC)


def _library(tx: object) -> str:
    """The package of the first class, in method order, that is not the user's own."""
    for class_ in type(tx).__mro__:
        if class_.__module__.startswith("sqlalchemy.ext.asyncio"):
            return "sqlalchemy.ext.asyncio"
        package = class_.__module__.partition(".")[0]
        if package in {"asyncpg", "sqlalchemy", "django"}:
            return package
    return ""


def _sqlalchemy(call: Call[R]) -> tuple[Any, dict[str, object]]:
    from sqlalchemy import text

    return text(call.statement(colon)), {f"p{n}": value for n, value in enumerate(call.parameters, 1)}


def _made(call: Call[R], rows: Sequence[Sequence[Any]]) -> list[R]:
    return [call.row(*row) for row in rows]


def _ours(error: Exception) -> Exception:
    """The error in our words if PostgreSQL reported it, whichever library tells of it; else the error itself."""
    if isinstance(error, HanjulError) or not (isinstance(error, psycopg.Error) or sqlstate(error)):
        return error
    return translate(error)


def _unknown(tx: object, accepted: str) -> BadInput:
    return BadInput(f"tx={type(tx).__module__}.{type(tx).__qualname__} cannot be used here; an open connection can: {accepted}")
