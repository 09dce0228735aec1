"""Running a file of SQL statement by statement, as psql would; what this server cannot have is skipped with a notice."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from hanjul.model.errors import BadInput, HanjulError
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


_LINE = re.compile(r"^LINE (\d+):(.*)\n( *)\^", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a script.

    text: as it is shown, without comments.  source: as it was written.  line: of the script, where it begins; 1 is the first.
    """

    text: str
    source: str
    line: int


@dataclass(frozen=True, slots=True)
class Result:
    """What one statement gave. columns: empty if it returns no rows.  notices: what the server said besides."""

    statement: str
    status: str
    columns: list[str]
    rows: list[tuple[Any, ...]]
    notices: list[str]


def statements(script: str) -> Iterator[Statement]:
    """The statements of a script, without their semicolons. Semicolons in quotes, comments, $$ and bodies do not count."""
    text, depth, atomic, before = "", 0, 0, ""
    start, line, counted_to = 0, 1, 0
    for token in _TOKEN.finditer(script):
        kind, part = token.lastgroup, token[0]
        word = part.lower() if kind == "word" else ""
        depth += (part == "(") - (part == ")") if kind == "mark" else 0
        atomic += (word == "atomic" and before == "begin") or (atomic > 0 and word == "case")
        atomic -= atomic > 0 and word == "end"
        if part == ";" and kind == "mark" and depth <= 0 and not atomic:
            if text:
                yield Statement(text.strip(), script[start : token.start()].strip(), line)
            text = ""
            continue
        before = word or before if part.strip() else before
        if not text and (kind == "comment" or not part.strip()):
            continue
        if not text:
            start, line = token.start(), line + script.count("\n", counted_to, token.start())
            counted_to = start
        text += " " if kind == "comment" else part
    if text:
        yield Statement(text.strip(), script[start:].strip(), line)


def run(url: str, text: str, *, name: str) -> Iterator[Result]:
    """Run a script, each statement in a transaction of its own unless it says BEGIN; the results as they come.

    name: of the file, for errors, which begin with it and the line: `tutorial.sql:3: ...`.
    Raises BadInput for psql's backslash commands, else what the server refuses a statement with.
    """
    notices: list[str] = []
    try:
        with psycopg.connect(conninfo(url), autocommit=True, prepare_threshold=None) as conn:
            conn.add_notice_handler(lambda notice: notices.append(f"{notice.severity}:  {notice.message_primary}"))
            for statement in statements(text):
                yield _ran(conn, statement, notices, name)
                notices.clear()
    except (psycopg.Error, OSError) as error:
        raise translate(error) from error


def _ran(conn: psycopg.Connection[Any], statement: Statement, notices: list[str], name: str) -> Result:
    if statement.text.startswith("\\"):
        command = statement.text.split(maxsplit=1)[0]
        raise BadInput(f"{name}:{statement.line}: {command} is a command of psql, not SQL; run this file with psql")
    try:
        return _skipped(conn, statement.text) or _run(conn, statement, notices)
    except psycopg.Error as error:
        raise _placed(error, statement, name) from error


def _placed(error: psycopg.Error, statement: Statement, name: str) -> HanjulError:
    """Our error, which says first where it is; the line that the server shows is counted from the script's beginning, too."""
    translated, line = translate(error), statement.line
    words = str(translated)
    if error.diag.statement_position is not None:
        before = statement.source[: int(error.diag.statement_position) - 1]
        words = _LINE.sub(lambda found: _counted_on(found, statement.line - 1), words, count=1)
        line += before.count("\n")
    return translated.reworded(f"{name}:{line}: {words}")


def _counted_on(found: re.Match[str], lines_before: int) -> str:
    number = str(int(found[1]) + lines_before)
    return f"LINE {number}:{found[2]}\n{' ' * (len(number) - len(found[1]))}{found[3]}^"


def _run(conn: psycopg.Connection[Any], statement: Statement, notices: list[str]) -> Result:
    cursor = conn.execute(statement.source.encode())
    columns = [column.name for column in cursor.description or []]
    return Result(statement.text, cursor.statusmessage or "", columns, cursor.fetchall() if columns else [], list(notices))


def _skipped(conn: psycopg.Connection[Any], statement: str) -> Result | None:
    """CREATE EXTENSION of an API that hanjul gives without one, where the server has no such extension."""
    if (found := _EXTENSION.match(statement)) is None:
        return None
    name = found[1].lower()
    if conn.execute("select from pg_available_extensions where name = %s", [name]).fetchone() is not None:
        return None
    notice = f'NOTICE:  this server has no extension "{name}"; hanjul provides its API without one, skipping'
    return Result(statement, "CREATE EXTENSION (skipped)", [], [], [notice])
