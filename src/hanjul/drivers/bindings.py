"""Queues stay bound to the topics that their consumers ask for, also after they were dropped and made anew.

The bindings of a queue go with it. A new queue of the same name is told by the moment of its creation; one query looks at
all queues of one process that have topics, at once when a consumer has seen its queue come back, else now and then.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hanjul.drivers import lease_calls
from hanjul.drivers.wakeups import Wakeups
from hanjul.model.errors import HanjulError
from hanjul.postgres import Database

_log = logging.getLogger("hanjul.topics")

LISTENING_LOOK_S = 5.0
POLLING_LOOK_S = 25.0
"""How often it looks, where notifications arrive and where not: with the polls, an idle host stays under a query a second."""
ANSWER_S = 5.0
"""How long a look may take before its connection counts as dead."""


@dataclass(slots=True)
class _Binding:
    queue: str
    pattern: str
    known: datetime | None = None


class Bindings:
    """The bindings that the consumers of one process ask for, on one database."""

    def __init__(self, database: Database, wakeups: Wakeups) -> None:
        self._database, self._wakeups = database, wakeups
        self._kept: dict[object, list[_Binding]] = {}
        self._look = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def keep(self, owner: object, queue: str, patterns: Sequence[str]) -> None:
        """Bind the queue, and again whenever it is new, until the owner lets go; raises BadInput (a pattern), Unavailable."""
        bindings = [_Binding(queue, pattern) for pattern in patterns]
        await self._bind(bindings)
        self._kept[owner] = bindings
        if self._task is None:
            self._task = asyncio.create_task(self._watch())

    def let_go(self, owner: object) -> None:
        """Care no more for what the owner asked for; what is bound stays bound."""
        self._kept.pop(owner, None)

    def look_soon(self) -> None:
        """A queue may be new: look at once."""
        self._look.set()

    async def close(self) -> None:
        """Stop to look."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _watch(self) -> None:
        while True:
            try:
                async with asyncio.timeout(LISTENING_LOOK_S if self._wakeups.listening else POLLING_LOOK_S):
                    await self._look.wait()
            except TimeoutError:
                pass
            self._look.clear()
            try:
                await self._bind([binding for bindings in self._kept.values() for binding in bindings])
            except HanjulError as error:
                _log.warning("binding queues to their topics: %s; trying again", error)
            except Exception:  # noqa: BLE001  (a watch that ends in silence would be missed)
                _log.exception("binding queues to their topics failed; trying again")

    async def _bind(self, bindings: Sequence[_Binding]) -> None:
        if not bindings:
            return
        call = lease_calls.bind_topics(
            [binding.queue for binding in bindings],
            [binding.pattern for binding in bindings],
            [binding.known for binding in bindings],
        )
        created = {(queue, pattern): at for queue, pattern, at in await self._database.rows(call, timeout_s=ANSWER_S)}
        for binding in bindings:
            binding.known = created.get((binding.queue, binding.pattern), binding.known)
