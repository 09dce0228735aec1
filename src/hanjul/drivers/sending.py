"""What a sender does beside sending: it shows that it lives, hears what it is told, and forgets what is old.

Its session is called `hanjul pg_net sender`, from when it hears: net.check_worker_is_up looks for it. On channel hanjul_net it
is told `config` (look at the settings again) and `restart` (the same, and in a new session, as pg_net's worker restarts).
"""

import asyncio
import logging
import time
from contextlib import suppress

from hanjul.drivers import request_calls
from hanjul.drivers.requests import RequestSource
from hanjul.model.errors import HanjulError
from hanjul.postgres import Database
from hanjul.postgres.listen import Listener

_log = logging.getLogger("hanjul.http")

NAME = "hanjul pg_net sender"
CHANNEL = "hanjul_net"
EXPIRED_AT_ONCE = 5000
"""Rows that go in one commit."""
SHORTEST_S = 2.0
LONGEST_S = 30.0
"""How often at least and at most to look whether something is old, or the settings have changed."""
LINES_S = 300.0
"""How often to look whether somebody has deleted, by hand, what a line waits for."""
EXPIRE_S = 60.0
"""How long forgetting may take."""


class Sending:
    """One sender's part in it.  listen_url: where it can hear; None: nowhere, then it looks now and then."""

    def __init__(self, database: Database, source: RequestSource, *, listen_url: str | None) -> None:
        self._database, self._source = database, source
        self._soon = asyncio.Event()
        self._listener: Listener | None = None
        if listen_url is not None:
            self._listener = Listener(database, listen_url, self._heard, self._soon.set, channel=CHANNEL, name=NAME)
        self._said = ""
        self._lines_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start; raises Unavailable."""
        if self._listener is not None and not await self._listener.open():
            _log.warning("notifications do not arrive through this connection: net.check_worker_is_up() will not see this sender")
        self._task = asyncio.create_task(self._live())

    async def close(self) -> None:
        """Stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._listener is not None:
            await self._listener.close()

    def _heard(self, told: str) -> None:
        if told == "restart" and self._listener is not None:
            self._listener.renew()
        self._soon.set()

    async def _live(self) -> None:
        while True:
            self._soon.clear()
            pause_s = LONGEST_S
            try:
                await self._source.look_at_settings()
                [(_, next_in_s)] = await self._database.rows(request_calls.expire(EXPIRED_AT_ONCE), timeout_s=EXPIRE_S)
                if time.monotonic() >= self._lines_at:
                    self._lines_at = time.monotonic() + LINES_S
                    await self._database.rows(request_calls.mend_lines(), timeout_s=EXPIRE_S)
                pause_s = LONGEST_S if next_in_s is None else min(LONGEST_S, max(SHORTEST_S, next_in_s))
                pause_s = 0.0 if next_in_s == 0 else pause_s
                self._said = ""
            except HanjulError as error:
                self._say(str(error))
            except Exception:  # noqa: BLE001  (logged: what is old must be forgotten later all the same)
                _log.exception("looking after HTTP requests failed; trying again")
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._soon.wait()

    def _say(self, what: str) -> None:
        if what != self._said:
            self._said = what
            _log.warning("looking after HTTP requests: %s; trying again", what)
