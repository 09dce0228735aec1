"""Generated from schedules.py; do not edit. SchedulesSync: jobs that are enqueued by the clock."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hanjul.jobs import schedule_calls
from hanjul.jobs.declared import Declared, declared_as
from hanjul.jobs.request import Limits, Options, written
from hanjul.jobs.rows import Unique
from hanjul.jobs.schedule import Cron, Missed, Schedule
from hanjul.model.database import DatabaseSync


class SchedulesSync:
    """The schedules of a job client, as `jobs.schedules`.

    A tick is enqueued once, however many workers there are, by whichever of them leads; it takes one that runs.
    """

    def __init__(self, database: DatabaseSync, declared: Mapping[str, Declared], limits: Limits) -> None:
        self._database, self._declared, self._limits = database, declared, limits

    def set(
        self,
        name: str,
        cron: str,
        kind: str | Callable[..., Any],
        payload: object = None,
        *,
        tz: str = "UTC",
        missed: Missed = "once",
        max_missed: int = 100,
        queue: str | None = None,
        priority: int | None = None,
        max_retries: int | None = None,
        timeout_s: float | None = None,
        key: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        unique: Unique | None = None,
        tx: object = None,
    ) -> None:
        """Make a schedule of this name, or change it; what stays the same goes on as it was, disabled ones too.

        cron: as jobs.schedule.Cron reads it.  tz: the name of the time zone whose clock it is.
        missed: of ticks that no worker was there for: `skip` them, enqueue one job (`once`), or `all`, at most the newest
        max_missed.  unique: a tick whose job would not be unique adds none.  The rest as of JobsSync.enqueue.
        Raises BadInput.
        """
        Cron(cron, tz)
        options = Options(queue, None, None, priority, max_retries, timeout_s, key, metadata, unique)
        job = written(declared_as(self._declared, kind), payload, options, self._limits)
        self._database.rows(schedule_calls.set_schedule(name, cron, tz, job, missed, max_missed), tx=tx)

    def list(self) -> Sequence[Schedule]:
        """All of them, by name."""
        return self._database.rows(schedule_calls.list_schedules())

    def remove(self, name: str, *, tx: object = None) -> bool:
        """No more jobs of it; those that are enqueued stay. False if there is none of this name."""
        [removed] = self._database.rows(schedule_calls.remove_schedule(name), tx=tx)
        return removed

    def enable(self, name: str) -> bool:
        """Let it run again, from its next tick on. False if there is none of this name."""
        [found] = self._database.rows(schedule_calls.enable_schedule(name, enabled=True))
        return found

    def disable(self, name: str) -> bool:
        """Let it rest until it is enabled again. False if there is none of this name."""
        [found] = self._database.rows(schedule_calls.enable_schedule(name, enabled=False))
        return found
