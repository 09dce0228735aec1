"""When the ticks of a schedule are: cron expressions on the clock of a time zone. Pure; the time of now is given.

Clocks that are put forward or back. An expression of five fields that names its hours and minutes, as `30 2 * * *` does, means
a time of the day: where that time is left out, it ticks at the first moment after the gap; where it comes twice, at the first.
One that begins its hour or minute field with `*`, or has seconds, means an interval: it ticks at every moment whose time fits.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import msgspec

from hanjul.model.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator

Missed = Literal["skip", "once", "all"]
"""What becomes of ticks that nobody was there for."""

ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MAX_CHARACTERS = 200
ON_TIME_S = 30.0
"""A tick that is not older than this was not missed: its leader was late, or has just changed."""


class Schedule(msgspec.Struct, frozen=True):
    """A schedule as hanjul.schedule keeps it. `since`: from when on its ticks count; `problem`: why it cannot run."""

    name: str
    cron: str
    timezone: str
    kind: str
    payload: Any
    queue: str
    options: dict[str, Any]
    missed: Missed
    max_missed: int
    enabled: bool
    since: datetime
    next_tick: datetime | None
    last_tick: datetime | None
    last_job_id: UUID | None
    problem: str | None


class Due(msgspec.Struct, frozen=True):
    """A schedule whose next tick has come, or is not known; `at`: what time it is, by the database's clock."""

    name: str
    cron: str
    timezone: str
    missed: Missed
    max_missed: int
    since: datetime
    next_tick: datetime | None
    at: datetime

    def ticks(self) -> tuple[list[datetime], datetime]:
        """Those to enqueue now, by the policy for missed ones; and the next. Raises BadInput for a cron that cannot be."""
        cron = Cron(self.cron, self.timezone)
        since = self.since if self.next_tick is None else self.next_tick - timedelta(microseconds=1)
        late_until = self.at - timedelta(seconds=ON_TIME_S)
        on_time = cron.between(max(since, late_until), self.at)
        late: list[datetime] = []
        if self.missed == "all":
            late = cron.newest(self.max_missed, since, late_until)
        elif self.missed == "once" and not on_time:
            late = cron.newest(1, since, late_until)
        return late + on_time, cron.after(self.at)


class Cron:
    """A cron expression on the clock of a time zone.

    Five fields (minute, hour, day of month, month, day of week), six with seconds first, or an alias as @hourly. As in
    Debian's cron; and `L` for the last day of the month, `LW` for its last weekday, `5L` for its last Friday, `MON#2` for its
    second Monday. If both day fields are restricted, either suffices.
    Raises BadInput for what is none, for one that never ticks, and for a time zone that is not known.

    >>> Cron("0 9 * * MON-FRI", "Asia/Seoul").after(datetime(2026, 11, 21, tzinfo=UTC)).isoformat()
    '2026-11-23T00:00:00+00:00'
    """

    def __init__(self, expression: str, timezone: str = "UTC") -> None:
        if not isinstance(expression, str) or len(expression) > MAX_CHARACTERS or not expression.isascii():
            raise _unusable(expression, f"it must be ASCII text of at most {MAX_CHARACTERS} characters")
        text = expression.strip()
        if text.startswith("@") and text.lower() not in ALIASES:
            raise _unusable(expression, f"the names there are: {', '.join(ALIASES)}")
        self._fields = ALIASES.get(text.lower(), text)
        self._zone = zone(timezone)
        self._expression = expression
        self.after(datetime.now(UTC))

    def after(self, moment: datetime) -> datetime:
        """The first tick after the moment."""
        for tick in self._ticks(moment):
            return tick
        raise _unusable(self._expression, "it never ticks")

    def between(self, since: datetime, until: datetime) -> list[datetime]:
        """The ticks after since, until and with `until`."""
        found = []
        for tick in self._ticks(since):
            if tick > until:
                break
            found.append(tick)
        return found

    def newest(self, count: int, since: datetime, until: datetime) -> list[datetime]:
        """Of the ticks between the two, the last `count`, without a look at all that are before."""
        span = timedelta(seconds=2 * count)
        while True:
            start = max(since, until - span)
            found = self.between(start, until)
            if len(found) >= count or start == since:
                return found[-count:]
            span *= 4

    def _ticks(self, moment: datetime) -> "Iterator[datetime]":
        """Each later than the one before: where the clock is put forward or back, cronsim may tell one twice, or an old one."""
        from cronsim import CronSim, CronSimError  # only who has schedules needs it

        last = moment
        try:
            for tick in CronSim(self._fields, moment.astimezone(self._zone)):
                if (tick := tick.astimezone(UTC)) > last:
                    yield (last := tick)
        except (CronSimError, AssertionError) as error:
            raise _unusable(self._expression, str(error).lower() or "its fields do not fit together") from None
        except (OverflowError, ValueError):  # past the year 9999
            return


def next_ticks(cron: str, timezone: str = "UTC", *, after: datetime | None = None, count: int = 5) -> list[datetime]:
    """The next ticks of an expression, to look at before it is used. Raises BadInput.

    >>> [tick.day for tick in next_ticks("@daily", after=datetime(2026, 11, 21, tzinfo=UTC), count=3)]
    [22, 23, 24]
    """
    return list(islice(Cron(cron, timezone)._ticks(after or datetime.now(UTC)), count))  # noqa: SLF001  (of this file)


def zone(timezone: str) -> tzinfo:
    """The time zone of this name; raises BadInput."""
    from zoneinfo import ZoneInfo  # only who has schedules needs it

    if timezone == "UTC":
        return UTC
    try:
        return ZoneInfo(timezone)
    except (KeyError, ValueError, OSError, TypeError, AttributeError):  # as it may be told of names that are none
        raise BadInput(f"{timezone!r} is not the name of a time zone, as Asia/Seoul is") from None


def _unusable(expression: object, why: str) -> BadInput:
    return BadInput(
        f"{expression!r} is not a cron expression: {why}. "
        "It has five fields (minute, hour, day of month, month, day of week), six with seconds first, as in '*/5 * * * *'"
    )
