"""What is wrong with an entry, and where: file, line, column, the line itself and a caret."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple

_PASSWORD = re.compile(r"(?<=://)([^\s/:@]*:)([^\s@]+)(?=@)")
_WINDOW = 120
"""Of a longer line only the part around the column is shown."""

MOST_COMPARED, _MOST_LISTED = 300, 20
"""Known words: of more the nearest is not looked for, and of more not all are told."""


class Place(NamedTuple):
    """Where something stands in a file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.  entry: the id of its entry, if it is in one.  excerpt: the line, without passwords."""

    file: str
    line: int
    column: int
    message: str
    entry: str | None = None
    excerpt: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: {self.message}"
        if not self.excerpt:
            return where
        start = max(0, self.column - 1 - _WINDOW // 2)
        before, shown = self.excerpt[start : self.column - 1], self.excerpt[start : start + _WINDOW]
        return f"{where}\n    {_printable(shown)}\n    {_blank(before)}^"


def problem(file: str, text: str, place: Place, message: str, entry: str | None = None) -> Problem:
    """A problem at a place of a file's text."""
    lines = _lines(text)
    excerpt = lines[place.line - 1] if 0 < place.line <= len(lines) else ""
    hidden = _PASSWORD.sub(lambda found: found[1] + "*" * len(found[2]), excerpt)
    return Problem(file, place.line, place.column, message, entry, hidden)


@lru_cache(maxsize=4)  # a file has many problems, or none
def _lines(text: str) -> list[str]:
    return text.splitlines()


def in_order(problems: "Iterable[Problem]") -> list[Problem]:
    """Each once, as they stand in the files."""
    return sorted(set(problems), key=lambda one: (one.file, one.line, one.column, one.message))


def did_you_mean(wrong: object, known: "list[str]") -> str:
    """The end of a sentence that names the nearest of the known words, or else all of them."""
    if len(known) <= MOST_COMPARED and (near := get_close_matches(str(wrong)[:200], known, n=1, cutoff=0.6)):
        return f"; did you mean {near[0]!r}?"
    return f"; it may be {', '.join(known)}" if 0 < len(known) <= _MOST_LISTED else ""


def shown(value: object) -> str:
    """A value as an error shows it: never what came out of a placeholder, never long."""
    if (told := getattr(value, "told", None)) is not None:
        return f"what {told} holds"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\t" if c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _blank(text: str) -> str:
    """As wide as the text on a screen, where Korean letters take two columns."""
    return "".join("\t" if c == "\t" else "  " if unicodedata.east_asian_width(c) in "WF" else " " for c in text)
