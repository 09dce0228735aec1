"""The kinds of jobs that a program knows, as those who enqueue see them."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from hanjul.jobs import checks
from hanjul.jobs.rows import Unique
from hanjul.model.errors import BadInput


class Declared(msgspec.Struct, frozen=True):
    """One kind: what its jobs are unless somebody says otherwise. `into`: the type of its payload, Any if unknown.

    Raises BadInput for what no job can be.
    """

    name: str
    function: Callable[..., Any] | None = None
    into: Any = Any
    queue: str = "default"
    priority: int = 0
    max_retries: int | None = None
    timeout_s: float | None = None
    unique: Unique | None = None

    def __post_init__(self) -> None:
        checks.name("kind", self.name)
        checks.name("queue", self.queue)
        checks.whole("priority", self.priority, checks.MIN_PRIORITY, checks.MAX_PRIORITY)
        if self.max_retries is not None:
            checks.whole("max_retries", self.max_retries, 0, checks.MAX_RETRIES)
        if self.timeout_s is not None:
            checks.duration("timeout_s", self.timeout_s)
        if self.unique is not None:
            checks.instance("unique", self.unique, Unique)


def declared_as(declared: Mapping[str, Declared], kind: str | Callable[..., Any]) -> Declared:
    """The kind of this name, or of this function; one that nobody declared here is taken at its name.

    Raises BadInput for a function that is no job, and for what is neither.
    """
    if isinstance(kind, str):
        return declared.get(kind) or Declared(kind)
    for known in declared.values():
        if known.function is kind:
            return known
    raise BadInput(f"{kind!r} is not declared as a job here: give its kind as text, or declare it with @app.job(...)")
