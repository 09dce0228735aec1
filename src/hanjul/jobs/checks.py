"""What can be said of a job, told before a round trip, and where it is declared. All raise BadInput, which names the value."""

from math import isfinite
from typing import Any, get_args

from hanjul.model.errors import BadInput

MAX_NAME = 200
"""Characters of a kind, and of a queue of jobs."""
LONGEST_S = 315_360_000
"""Ten years."""
MIN_PRIORITY, MAX_PRIORITY = -(2**31), 2**31 - 1
MAX_RETRIES = 1000


def name(what: str, value: object) -> str:
    """A kind or a queue itself."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME:
        raise BadInput(f"{what} must be text of 1 to {MAX_NAME} characters, not {_short(value)}")
    return text(what, value)


def text(what: str, value: object) -> str:
    """Text that PostgreSQL can store."""
    if not isinstance(value, str):
        raise BadInput(f"{what} must be text, not {_short(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadInput(f"{what} must be text that UTF-8 can write, not {_short(value)}") from None
    if "\x00" in value:
        raise BadInput(f"{what} must be text without NUL, not {_short(value)}")
    return value


def whole(what: str, value: object, low: int, high: int) -> int:
    """A whole number within its bounds."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput(f"{what} must be a whole number, not {value!r}")
    if not low <= value <= high:
        raise BadInput(f"{what} must be between {low} and {high}, not {value!r}")
    return value


def seconds(what: str, value: object) -> float:
    """A finite number. Of what JSON has none, it would be as if nothing had been said."""
    if isinstance(value, bool) or not isinstance(value, int | float) or (isinstance(value, float) and not isfinite(value)):
        raise BadInput(f"{what} must be a number of seconds, not {value!r}")
    return value


def duration(what: str, value: object) -> float:
    """Seconds that something may last."""
    lasting_s = seconds(what, value)
    if not 0 < lasting_s <= LONGEST_S:
        raise BadInput(f"{what} must be more than 0 and at most {LONGEST_S}, not {value!r}")
    return lasting_s


def one_of(what: str, value: object, literal: Any) -> None:
    """One of the words of a Literal."""
    if value not in (words := get_args(literal)):
        raise BadInput(f"{what} must be {', '.join(words[:-1])} or {words[-1]}, not {_short(value)}")


def instance(what: str, value: object, of: type) -> None:
    """A value of that type."""
    if not isinstance(value, of):
        raise BadInput(f"{what} must be a hanjul.{of.__name__}, not {_short(value)}")


def _short(value: object) -> str:
    return repr(value[:250] if isinstance(value, str) else value)
