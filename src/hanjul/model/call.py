"""What to ask of the database: a SQL function, its arguments, and the shape of a row. Pure, so anything can run it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

R = TypeVar("R")

_PLAIN = re.compile("[a-z0-9_-]{1,40}")
"""Names that are folded as they are, and need neither hashing nor quoting."""
_CHOSEN = {"queue_name text", "archive boolean"}
"""What is said by the choice of a queue's own function."""


@dataclass(frozen=True, slots=True)
class Call(Generic[R]):
    """One call of a SQL function, on whatever connection the caller has.

    args: "name type" -> value; a `jsonb` value is JSON text, as str.
    row: makes the result of one row's columns.  columns: what to select of the function's result.
    repeatable: doing it twice does no harm, so a lost connection is answered by doing it again.
    own: the operation, if queues have a function of their own for it.
    """

    function: str
    args: Mapping[str, object]
    row: Callable[..., R]
    columns: str = "*"
    repeatable: bool = False
    own: str | None = None

    def of_queue(self) -> "Call[R] | None":
        """The same, of the function of the queue itself, which spares the server the way there; None if there is none.

        A queue need not have it: tables of the pgmq extension do not.
        """
        queue = self.args.get("queue_name text")
        if self.own is None or not isinstance(queue, str) or not _PLAIN.fullmatch(queue):
            return None
        args = {name: value for name, value in self.args.items() if name not in _CHOSEN}
        return Call(f'pgmq."{self.own}.{queue}"', args, self.row, self.columns, self.repeatable)

    def statement(self, placeholder: Callable[[int], str]) -> str:
        """The SELECT; `placeholder` writes the n-th parameter, from 1, in the tongue of the connection's library."""
        return _statement(self.function, tuple(self.args), self.columns, placeholder)

    @property
    def parameters(self) -> list[object]:
        """The values, in the order of the placeholders."""
        return list(self.args.values())


@lru_cache(maxsize=512)
def _statement(function: str, args: tuple[str, ...], columns: str, placeholder: Callable[[int], str]) -> str:
    given = [f"{arg.split(' ', 1)[0]} => {_cast(arg, placeholder(n))}" for n, arg in enumerate(args, 1)]
    return f"select {columns} from {function}({', '.join(given)})"  # noqa: S608  (names of our own; values are parameters)


def _cast(arg: str, parameter: str) -> str:
    _, type_ = arg.split(" ", 1)
    if type_.startswith("jsonb"):  # by way of text: a connection may have a JSON codec of its own
        return f"cast(cast({parameter} as {type_.replace('jsonb', 'text')}) as {type_})"
    return f"cast({parameter} as {type_})"


def percent(_position: int) -> str:
    """`%s`: psycopg, Django."""
    return "%s"


def dollar(position: int) -> str:
    """`$1`: asyncpg."""
    return f"${position}"


def colon(position: int) -> str:
    """`:p1`: SQLAlchemy."""
    return f":p{position}"
