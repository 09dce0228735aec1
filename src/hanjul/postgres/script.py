"""Running a file of SQL statement by statement, as psql would; what this server cannot have is skipped with a notice."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from hanjul.model.errors import BadInput
from hanjul.postgres.conninfo import conninfo
from hanjul.postgres.errors import translate

_TOKEN = re.compile(
    r"""(?P<quoted>'(?:[^']|'')*'|"(?:[^"]|"")*")"""
    r"""|(?P<escaped>\b[eE]'(?:[^'\\]|\\.|'')*')"""
    r"""|(?P<dollar>\$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$)"""
    r"""|(?P<comment>--[^\n]*|/\*.*?\*/)"""
    r"""|(?P<word>\b[A-Za-z_]\w*)"""
    r"""|(?P<mark>[();])|(?P<other>.)""",
    re.DOTALL,
)
_EXTENSION = re.compile(r"""create\s+extension\s+(?:if\s+not\s+exists\s+)?"?(pgmq|pg_net)"?""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Result:
    """What one statement gave. columns: empty if it returns no rows.  notices: what the server said besides."""

    statement: str
    status: str
    columns: list[str]
    rows: list[tuple[Any, ...]]
    notices: list[str]


def statements(text: str) -> Iterator[str]:
    """The statements of a script, without their semicolons. Semicolons in quotes, comments, $$ and bodies do not count."""
    statement, depth, atomic, before = "", 0, 0, ""
    for token in _TOKEN.finditer(text):
        kind, part = token.lastgroup, token[0]
        word = part.lower() if kind == "word" else ""
        depth += (part == "(") - (part == ")") if kind == "mark" else 0
        atomic += (word == "atomic" and before == "begin") or (atomic > 0 and word == "case")
        atomic -= atomic > 0 and word == "end"
        if part == ";" and kind == "mark" and depth <= 0 and not atomic:
            if statement.strip():
                yield statement.strip()
            statement = ""
            continue
        before = word or before if part.strip() else before
        statement += " " if kind == "comment" else part
    if statement.strip():
        yield statement.strip()


def run(url: str, text: str) -> Iterator[Result]:
    """Run a script, each statement in a transaction of its own unless it says BEGIN; the results as they come.

    Raises BadInput for psql's backslash commands, else what the server refuses a statement with.
    """
    notices: list[str] = []
    try:
        with psycopg.connect(conninfo(url), autocommit=True, prepare_threshold=None) as conn:
            conn.add_notice_handler(lambda notice: notices.append(f"{notice.severity}:  {notice.message_primary}"))
            for statement in statements(text):
                yield _skipped(conn, statement) or _run(conn, statement, notices)
                notices.clear()
    except (psycopg.Error, OSError) as error:
        raise translate(error) from error


def _run(conn: psycopg.Connection[Any], statement: str, notices: list[str]) -> Result:
    if statement.startswith("\\"):
        raise BadInput(f"{statement.split(maxsplit=1)[0]} is a command of psql, not SQL; run this file with psql")
    cursor = conn.execute(statement.encode())
    columns = [column.name for column in cursor.description or []]
    return Result(statement, cursor.statusmessage or "", columns, cursor.fetchall() if columns else [], list(notices))


def _skipped(conn: psycopg.Connection[Any], statement: str) -> Result | None:
    """CREATE EXTENSION of an API that hanjul gives without one, where the server has no such extension."""
    if (found := _EXTENSION.match(statement)) is None:
        return None
    name = found[1].lower()
    if conn.execute("select from pg_available_extensions where name = %s", [name]).fetchone() is not None:
        return None
    notice = f'NOTICE:  this server has no extension "{name}"; hanjul provides its API without one, skipping'
    return Result(statement, "CREATE EXTENSION (skipped)", [], [], [notice])
