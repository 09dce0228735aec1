"""SQLSTATE -> error: the one place where PostgreSQL's errors become ours."""

import re
from collections.abc import Callable

import psycopg
import psycopg_pool

from hanjul.model.errors import (
    BadInput,
    ConnectionLost,
    DatabaseFailure,
    HanjulError,
    Interrupted,
    InvalidMessage,
    InvalidQueueName,
    InvalidStatus,
    JobConflict,
    JobNotFound,
    NotFound,
    PermissionDenied,
    QueueNotFound,
    RequestNotFound,
    SchemaMismatch,
    Unavailable,
)

_MISSING_QUEUE = re.compile(r'relation "pgmq\.[qa]_(.*)" does not exist')
_MISSING_JOB = re.compile(r"job (\S+) does not exist")
_MISSING_REQUEST = re.compile(r"there is no request (\S+)")
_NO_SUCH = re.compile(r"there is no |webhook .* does not exist$")
_NO_TABLE = re.compile(r'relation "[^\n]*" does not exist$')
_OURS = re.compile(r"\b(pgmq|hanjul)\b|\bnet\.|schema \"net\"")
_MISSING_SCHEMA = (
    "{text}: the schema is not installed, or pgmq's own, which lacks this; see `hanjul migrate status`, run `hanjul migrate`"
)
_SAFE_TO_REPEAT = {
    "40001": "serialization failure",
    "40P01": "deadlock",
    "55P03": "lock not available",
    "57014": "cancelled",
    "53100": "disk full",
    "53200": "out of memory",
}
_INVALID_URL = re.compile(r"(request \d+: )?invalid URL ")
_BAD_VALUE = {"22003", "22008", "2201W", "2201X", "22004", "23502", "22023", "22021", "22P03", "42725", "42804", "42809"}


def translate(error: Exception) -> HanjulError:
    """Our error for one of psycopg, of its pool, of the operating system, or of the library of a user's connection."""
    if isinstance(error, psycopg_pool.PoolTimeout | psycopg_pool.TooManyRequests | psycopg_pool.PoolClosed):
        return Unavailable(f"no database connection: {error}")
    state = sqlstate(error)
    text = _text(error)
    if state in _BY_STATE:
        return _BY_STATE[state](text)
    if state in _SAFE_TO_REPEAT:
        return Interrupted(f"{_SAFE_TO_REPEAT[state]}: {text}")
    if state in _BAD_VALUE or isinstance(error, psycopg.DataError):
        return BadInput(text)
    if state in {"53300", "57P03", "25006"}:  # full, starting or stopping, a standby after a failover
        return Unavailable(text)
    if _is_connection_loss(error, state):
        return ConnectionLost(text)
    return DatabaseFailure(text)


def sqlstate(error: BaseException) -> str:
    """The code that PostgreSQL gave, also where another library has wrapped the error; empty if there is none."""
    inside: BaseException | None = error
    while inside is not None:
        if isinstance(state := getattr(inside, "sqlstate", None), str):
            return state
        inside = getattr(inside, "orig", None) or inside.__cause__
    return ""


def _text(error: BaseException) -> str:
    """PostgreSQL's own words: `message, DETAIL: ...` as psycopg puts it, without what other libraries put around.

    Where in our functions it was, is left out.
    """
    inside = error
    while not isinstance(inside, psycopg.Error) and (deeper := getattr(inside, "orig", None) or inside.__cause__):
        inside = deeper
    text = str(inside).partition("\nCONTEXT:")[0].strip() or type(inside).__name__
    detail = getattr(inside, "detail", None)  # asyncpg keeps it apart
    return f"{text}\nDETAIL:  {detail}" if isinstance(detail, str) and detail not in text else text


def _is_connection_loss(error: Exception, state: str) -> bool:
    if state:
        return state.startswith("08") or state in {"57P01", "57P02", "57P05", "25P03", "25P04"}
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | OSError)


def _missing_relation(text: str) -> HanjulError:
    if found := _MISSING_QUEUE.search(text):
        return QueueNotFound(found[1])
    if _NO_TABLE.fullmatch(text) and not _OURS.search(text):  # a name that was given; what a statement misses, it quotes
        return NotFound(text)
    return _missing_schema(text)


def _missing_schema(text: str) -> HanjulError:
    """What is missing is ours, or something of the user's own SQL."""
    first = text.splitlines()[0]
    return SchemaMismatch(_MISSING_SCHEMA.format(text=first)) if _OURS.search(first) else DatabaseFailure(text)


def _raised(text: str) -> HanjulError:
    first, _, rest = text.partition("\n")
    if first.startswith("queue name "):
        name = rest.removeprefix("DETAIL:").strip().removeprefix("queue name: ").splitlines()
        return InvalidQueueName(name[0] if name else "", first)
    return BadInput(first)


def _missing(text: str) -> HanjulError:
    first = text.splitlines()[0]
    if found := _MISSING_JOB.match(first):
        return JobNotFound(found[1])
    if found := _MISSING_REQUEST.match(first):
        return RequestNotFound(found[1])
    return NotFound(first) if _NO_SUCH.match(first) else DatabaseFailure(text)


def _taken(text: str) -> HanjulError:
    if text.startswith("unique key "):
        return JobConflict(text)
    return BadInput(text) if text.startswith("there is a webhook ") else DatabaseFailure(text)


_BY_STATE: dict[str, Callable[[str], HanjulError]] = {
    "42P01": _missing_relation,
    "3F000": _missing_schema,
    "42883": _missing_schema,
    "42704": lambda text: BadInput(text) if text.startswith("there is no setting ") else _missing_schema(text),
    "42501": PermissionDenied,
    "P0001": _raised,
    "42703": lambda text: (BadInput if text.startswith(("ordering: ", "columns: ")) else DatabaseFailure)(text),
    "P0002": _missing,
    "55000": lambda text: InvalidStatus(text) if text.startswith(("job ", "request ", "webhook ")) else DatabaseFailure(text),
    "XX000": lambda text: (BadInput if _INVALID_URL.match(text) else DatabaseFailure)(text),
    "23505": _taken,
    "22P02": lambda text: InvalidMessage(f"not JSON that PostgreSQL can store: {text}"),
    "22P05": lambda text: InvalidMessage(f"not JSON that PostgreSQL can store (\\u0000 has no place in it): {text}"),
    "54000": lambda text: InvalidMessage(f"too large for PostgreSQL: {text}"),
    "54001": lambda text: InvalidMessage(f"nested too deeply for PostgreSQL: {text}"),
}
