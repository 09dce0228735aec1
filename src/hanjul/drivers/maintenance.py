"""What belongs to no queue: schedules, jobs whose worker is gone, history by day, counts. One process does it for all.

    every process:  beat -> lead? --no--> again after a beat
                             | yes
                             +-> counts to roll up? roll them up       -> again soon
                             +-> a tick has come? enqueue it           -> again at the next one
                             '-> a chore's time has come? do it, aside, so that no tick waits for it

Who leads is decided by a lease in the database (sql/jobs/leader.sql), which the beat renews: who dies or hangs loses it.
Nothing here is wrong if two lead for a moment: each statement makes sure of that by itself.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from hanjul.drivers import maintenance_calls
from hanjul.jobs.schedule import Due
from hanjul.model.call import Call
from hanjul.model.errors import BadInput, HanjulError, PermissionDenied
from hanjul.postgres import Database

_log = logging.getLogger("hanjul.maintenance")

T = TypeVar("T")

LEASE_S = 15.0
"""How long after its leader's death another takes over."""
LISTENING_BEAT_S = 5.0
POLLING_BEAT_S = 10.0
"""How often to ask, where notifications arrive and where not: with the polls, an idle host stays under a query a second."""
BUSY_BEAT_S = 2.0
"""How often counts are rolled up while jobs move."""
FIRST_BEAT_S = 0.05
"""The shortest pause between two beats."""
DENIED_BEAT_S = 60.0
"""How long to wait where our role may not lead."""
ANSWER_S = 5.0
"""How long a beat may take before its connection counts as dead."""
CHORE_S = 600.0
"""How long a chore may take; what it did not get to is done by the next."""
HOUR_S = 3600.0
SHORTEST_RESCUE_S = 5.0
KEYS_AT_ONCE = 10_000
"""Unique keys that are forgotten together: about a second's work."""
CHORES_SHARE = 50
"""A chore rests for fifty times as long as it took, so that it costs a few percent at worst."""


@dataclass(slots=True)
class _Chore:
    name: str
    every_s: float
    call: Callable[[], Call[int]]
    at_once: float = math.inf
    """How much a call does at most: if it did so much there may be more, and the next comes as soon as it has rested."""
    due_at: float = 0.0


class Maintenance:
    """The part that one process takes in it.

    holder: who we are, to the others.  listening: whether notifications arrive here.
    lease_s: of jobs here: as often, those are looked for whose lease has ended and whom no worker asks for.
    history_days: for how long jobs are kept that have ended.
    """

    def __init__(
        self, database: Database, holder: str, *, listening: Callable[[], bool], lease_s: float, history_days: int
    ) -> None:
        self.leads = False
        self._database, self._holder, self._listening = database, holder, listening
        age = f"{history_days} days"
        self._chores = [
            _Chore("keeping days", HOUR_S, maintenance_calls.keep_days),
            _Chore("rescuing jobs", max(SHORTEST_RESCUE_S, lease_s), maintenance_calls.rescue_stale_jobs),
            _Chore("pruning history", HOUR_S, lambda: maintenance_calls.prune(age), at_once=1),
            _Chore("pruning unique keys", HOUR_S, lambda: maintenance_calls.prune_unique_keys(age, KEYS_AT_ONCE), KEYS_AT_ONCE),
        ]
        self._may_lead = False
        self._said: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._aside: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Start."""
        self._task = asyncio.create_task(self._live())

    async def close(self) -> None:
        """Stop, and let another lead at once."""
        tasks = {task for task in (self._task, self._aside) if task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        if self._may_lead:
            self.leads = self._may_lead = False
            with suppress(HanjulError):  # then its lease ends
                await self._database.rows(maintenance_calls.resign(self._holder), timeout_s=ANSWER_S)

    async def beat(self) -> float:
        """Ask who leads, and do what is to be done if we do; seconds until the next. Raises Unavailable, PermissionDenied."""
        idle_s = LISTENING_BEAT_S if self._listening() else POLLING_BEAT_S
        self._may_lead = True  # from now on, even if no answer comes
        [lead] = await self._database.rows(maintenance_calls.lead(self._holder, LEASE_S), timeout_s=ANSWER_S)
        self._may_lead = lead.leads
        if lead.leads != self.leads:
            self.leads = lead.leads
            _log.info(
                "%s %s", self._holder, "leads: it looks after schedules, history and counts" if lead.leads else "leads no more"
            )
        if not lead.leads:
            return _sooner(idle_s, lead.due_in_s)
        self._look_after_chores()
        if lead.noted and not await self._done("rolling up counts", self._ask(maintenance_calls.roll_up())):
            return idle_s
        if lead.due_in_s is not None and lead.due_in_s <= 0:
            return FIRST_BEAT_S if await self.tick() else idle_s
        return _sooner(BUSY_BEAT_S if lead.noted else idle_s, lead.due_in_s)

    async def tick(self) -> bool:
        """Enqueue the ticks that have come, whoever leads; False if that failed for some schedule."""
        due = await self._database.rows(maintenance_calls.due_schedules(), timeout_s=ANSWER_S)
        return all([await self._done(f"schedule {schedule.name!r}", self._advance(schedule)) for schedule in due])

    async def _advance(self, due: Due) -> None:
        try:
            ticks, next_tick = await asyncio.to_thread(due.ticks)  # of very many missed ones it may take a moment
        except BadInput as error:
            _log.error("schedule %r cannot run: %s", due.name, error)
            await self._ask(maintenance_calls.advance_schedule(due, [], None, str(error)))
        else:
            await self._ask(maintenance_calls.advance_schedule(due, ticks, next_tick, None))

    def _look_after_chores(self) -> None:
        if self._aside is None or self._aside.done():
            due = [chore for chore in self._chores if chore.due_at <= time.monotonic()]
            self._aside = asyncio.create_task(self._do(due)) if due else None

    async def _do(self, chores: list[_Chore]) -> None:
        for chore in chores:
            began = time.monotonic()
            chore.due_at = began + chore.every_s
            await self._done(chore.name, self._take(chore))
            ended = time.monotonic()
            chore.due_at = max(chore.due_at, ended + CHORES_SHARE * (ended - began))

    async def _take(self, chore: _Chore) -> None:
        if sum(await self._ask(chore.call(), CHORE_S)) >= chore.at_once:
            chore.due_at = time.monotonic()

    async def _ask(self, call: Call[T], timeout_s: float | None = None) -> list[T]:
        return await self._database.rows(call, timeout_s=timeout_s)

    async def _live(self) -> None:
        while True:
            pause_s = LISTENING_BEAT_S
            try:
                pause_s = await self.beat()
                self._said.pop("leading", None)
            except PermissionDenied as error:
                self._say("leading", error)
                pause_s = DENIED_BEAT_S
            except HanjulError as error:
                self._say("leading", error)
            except Exception:  # noqa: BLE001  (a leader that ends in silence would be missed)
                _log.exception("maintenance failed; trying again")
            await asyncio.sleep(pause_s)

    async def _done(self, what: str, doing: Coroutine[Any, Any, object]) -> bool:
        """Whether it was done; what went wrong is logged, once as long as it stays the same."""
        try:
            await doing
        except HanjulError as error:
            self._say(what, error)
            return False
        except Exception:  # noqa: BLE001  (one that fails must not keep the others from being done)
            _log.exception("%s failed; trying again", what)
            return False
        self._said.pop(what, None)
        return True

    def _say(self, what: str, error: HanjulError) -> None:
        text = str(error)
        if self._said.get(what) != text:
            self._said[what] = text
            _log.warning("%s: %s; trying again", what, text)


def _sooner(pause_s: float, due_in_s: float | None) -> float:
    return pause_s if due_in_s is None else max(FIRST_BEAT_S, min(pause_s, due_in_s))
