"""What the maintenance of jobs asks of the SQL functions. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from hanjul.jobs.schedule import Due
from hanjul.model.call import Call


class Lead(NamedTuple):
    """Whether we lead, and whether there are counts to be rolled up then; in how many seconds a tick is due, or the lead ends."""

    leads: bool
    noted: bool | None
    due_in_s: float | None


def _itself(value: Any) -> Any:
    return value


def lead(holder: str, lease_s: float) -> Call[Lead]:
    return Call("hanjul.lead", {"holder text": holder, "lease_s double precision": lease_s}, row=Lead, repeatable=True)


def resign(holder: str) -> Call[None]:
    return Call("hanjul.resign", {"holder text": holder}, row=_itself)


def due_schedules() -> Call[Due]:
    return Call("hanjul.due_schedules", {}, row=Due, repeatable=True)


def advance_schedule(due: Due, ticks: Sequence[datetime], next_tick: datetime | None, problem: str | None) -> Call[int | None]:
    args = {
        "name text": due.name,
        "since timestamptz": due.since,
        "seen_tick timestamptz": due.next_tick,
        "ticks timestamptz[]": list(ticks),
        "next_tick timestamptz": next_tick,
        "problem text": problem,
    }
    return Call("hanjul.advance_schedule", args, row=_itself)


def roll_up() -> Call[None]:
    return Call("hanjul.roll_up", {}, row=_itself)


def rescue_stale_jobs() -> Call[int]:
    return Call("hanjul.rescue_stale_jobs", {}, row=_itself)


def keep_days() -> Call[int]:
    return Call("hanjul.keep_days", {}, row=_itself)


def prune(older_than: str) -> Call[int]:
    return Call("hanjul.prune", {"older_than interval": older_than}, row=_itself)


def prune_unique_keys(older_than: str, qty: int) -> Call[int]:
    args = {"older_than interval": older_than, "qty integer": qty}
    return Call("hanjul.prune_unique_keys", args, row=_itself)
