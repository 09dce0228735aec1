"""What a run was asked for, where it differs from everything."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """quick: one short round.  rounds: other than the usual number.  questions: other than all.  states: see `sql/states.py`."""

    quick: bool = False
    rounds: int | None = None
    questions: list[str] | None = None
    states: list[str] | None = None
