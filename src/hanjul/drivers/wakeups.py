"""When to look at idle queues again: on a notification, when a message falls due, or after a while.

    idle consumers  ->  wait lock, then one more look  ->  asleep until
                                                            - a sender notifies (it sees the lock),
                                                            - the next message's due time, which `ready` tells,
                                                            - the poll: FIRST_POLL_S, doubling up to its cap.

The poll finds what no notification tells of: a sender that looked for the lock before it was taken and committed
later, a plain INSERT. It starts fast because such a commit mostly follows soon. One query asks for all idle queues.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field

from hanjul.drivers import lease_calls
from hanjul.model.call import Call
from hanjul.model.errors import HanjulError
from hanjul.postgres import Database
from hanjul.postgres.listen import Listener

_log = logging.getLogger("hanjul.wakeups")

FIRST_POLL_S = 0.05
LISTENING_POLL_S = 5.0
POLLING_POLL_S = 1.3
"""The caps: where notifications arrive, and where they do not, for each kind of work (under one query a second either way)."""
ANSWER_S = 5.0
"""How long a poll may take before its connection counts as dead."""


Ask = Callable[[Sequence[str]], Call[tuple[str, float]]]
"""Queues -> the call that tells in how many seconds each has something due."""


@dataclass(slots=True)
class _Idle:
    """One queue that somebody waits for."""

    queue: str
    ask: Ask
    waiters: set[asyncio.Event] = field(default_factory=set)
    pause_s: float = FIRST_POLL_S
    look_at: float = 0.0

    def wake(self) -> None:
        for waiter in self.waiters:
            waiter.set()


class Wakeups:
    """The wake-ups of all consumers of one process on one database."""

    def __init__(self, database: Database, listen_url: str | None, poll_s: float | None = None) -> None:
        self._database, self._poll_s = database, poll_s
        self._listener = Listener(database, listen_url, self._heard, self._reconnected) if listen_url else None
        self._idle: dict[str, _Idle] = {}
        self._locked: set[str] = set()
        self._missed: set[str] = set()
        self._locking: set[asyncio.Task[bool]] = set()
        self._look = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def listening(self) -> bool:
        """Whether notifications arrive here; if not, idle queues are polled once a second."""
        return self._listener is not None and self._listener.works

    async def open(self) -> None:
        """Start; raises Unavailable."""
        if self._task is not None:
            return
        self._task = asyncio.create_task(self._poll())
        if self._listener is not None and not await self._listener.open():
            _log.warning("notifications do not arrive through this connection (a transaction pooler?): polling every second")

    async def close(self) -> None:
        """Stop; the wait locks go with the listening session."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task, *self._locking})
        if self._listener is not None:
            await self._listener.close()

    async def wait(self, queue: str, *, ask: Ask = lease_calls.ready, called: str | None = None) -> None:
        """Return when it is worth to look at the queue again; at once after the wait lock was taken.

        ask: how to ask when it has something due.  called: what senders call it who wake its consumers, if not `queue`.
        """
        folded = (called or queue).lower()
        if self.listening and folded not in self._locked and await self._lock(folded):
            return
        if folded in self._missed:  # notified since the lock was taken, perhaps after the last look
            self._missed.discard(folded)
            return
        waiter = asyncio.Event()
        idle = self._idle.setdefault(folded, _Idle(queue, ask))
        idle.waiters.add(waiter)
        idle.pause_s = FIRST_POLL_S
        self._look_in(idle, FIRST_POLL_S)
        try:
            await waiter.wait()
        finally:
            idle.waiters.discard(waiter)
            if not idle.waiters:
                self._idle.pop(folded, None)

    def wake(self, queue: str) -> None:
        """Let who waits for the queue look again."""
        if idle := self._idle.get(queue.lower()):
            idle.wake()

    def busy(self, queue: str) -> None:
        """The queue has more work than one fetch takes: senders need not notify."""
        folded = queue.lower()
        if folded in self._locked and folded not in self._idle and self._listener is not None:
            self._locked.discard(folded)
            self._say(self._listener.run(lease_calls.unwait([folded])))

    async def _lock(self, folded: str) -> bool:
        """Take the wait lock; broken off, it is taken all the same: the session is everybody's."""
        self._locked.add(folded)
        self._missed.discard(folded)
        return await asyncio.shield(self._say(self._take_lock(folded)))

    async def _take_lock(self, folded: str) -> bool:
        taken = self._listener is not None and await self._listener.run(lease_calls.wait([folded]))
        if not taken:
            self._locked.discard(folded)
        return taken

    def _say(self, words: Coroutine[None, None, bool]) -> "asyncio.Task[bool]":
        task = asyncio.create_task(words)
        self._locking.add(task)
        task.add_done_callback(self._locking.discard)
        return task

    def _heard(self, queue: str) -> None:
        if queue in self._idle:
            self._idle[queue].wake()
        elif queue in self._locked:
            self._missed.add(queue)

    def _reconnected(self) -> None:
        self._locked.clear()
        for idle in self._idle.values():
            idle.wake()

    def _look_in(self, idle: _Idle, wait_s: float) -> None:
        idle.look_at = time.monotonic() + wait_s
        self._look.set()

    async def _poll(self) -> None:
        while True:
            self._look.clear()
            now = time.monotonic()
            next_look = min((idle.look_at for idle in self._idle.values()), default=None)
            if next_look is not None and next_look <= now:
                await self._ask(list(self._idle))
                continue
            try:
                async with asyncio.timeout(None if next_look is None else next_look - now):
                    await self._look.wait()
            except TimeoutError:
                continue

    async def _ask(self, queues: list[str]) -> None:
        """Wake who has something due; set the others' next look."""
        due: dict[str, float] = {}
        by_ask: dict[Ask, dict[str, str]] = {}
        for folded in queues:
            by_ask.setdefault(self._idle[folded].ask, {})[self._idle[folded].queue] = folded
        for ask, names in by_ask.items():
            due |= {names[queue]: due_in_s for queue, due_in_s in await self._due(ask(list(names)))}
        cap_s = self._poll_s or (LISTENING_POLL_S if self.listening else POLLING_POLL_S * len(by_ask))
        for queue in queues:
            if (idle := self._idle.get(queue)) is None:
                continue
            if (due_in_s := due.get(queue, cap_s)) <= 0:
                idle.wake()
            idle.pause_s = min(cap_s, idle.pause_s * 2)
            self._look_in(idle, max(0.0, min(idle.pause_s, due_in_s)) or idle.pause_s)

    async def _due(self, call: Call[tuple[str, float]]) -> list[tuple[str, float]]:
        try:
            return await self._database.rows(call, timeout_s=ANSWER_S)
        except HanjulError as error:
            _log.warning("looking for what is due: %s", error)
        except Exception:  # noqa: BLE001  (a poll that ends in silence would be missed)
            _log.exception("looking for what is due failed")
        return []
