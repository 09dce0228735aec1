"""A connection that listens: notifications of one channel, and locks that say that somebody does.

It needs a session of its own, so it does not work through a transaction pooler; `open` finds out by asking for a
notification of itself.
"""

import asyncio
import contextlib
import logging
import os
import random
from collections.abc import Callable
from time import monotonic
from typing import Any

import psycopg

from hanjul.model.call import Call, percent
from hanjul.model.errors import Unavailable
from hanjul.postgres.bounded import bounded
from hanjul.postgres.conninfo import conninfo
from hanjul.postgres.database import Database
from hanjul.postgres.errors import translate

_log = logging.getLogger("hanjul.listen")

CHANNEL = "hanjul"
PROBE_S = 2.0
"""How long the notification of its own may take before we believe that there are none here."""
ANSWER_S = 2.0
"""How long a statement may take before we believe that the link is dead."""
STEADY_S = 5.0
"""A session that ends before this is one more failure: the next try waits longer."""
RETRY_S = 1.0
"""The longest pause between two tries to listen again."""


class Listener:
    """Listens until it is closed, and connects again whenever it has to.

    heard: is told the payload of each notification.  (re)connected: is told that the session is new, so that
    notifications may have been missed and no lock is held.  name: what the session is called, from when it listens.
    """

    def __init__(
        self,
        database: Database,
        url: str,
        heard: Callable[[str], None],
        connected: Callable[[], None],
        *,
        channel: str = CHANNEL,
        name: str | None = None,
    ) -> None:
        self._database, self._url, self._heard, self._connected = database, url, heard, connected
        self._channel, self._name = channel, name
        self._conn: psycopg.AsyncConnection[Any] | None = None
        self._watched: int | None = None
        self._probe = f"probe:{os.urandom(8).hex()}"
        self._probed = asyncio.Event()
        self._broken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def works(self) -> bool:
        """Whether notifications arrive right now."""
        return self._task is not None and self._conn is not None and not self._broken.is_set()

    async def open(self) -> bool:
        """Start to listen; whether notifications arrive here. Raises InvalidSettings, Unavailable."""
        try:
            await self._connect()
            if await self._is_notified():
                self._task = asyncio.create_task(self._keep())
                return True
        except (psycopg.Error, OSError) as error:
            raise translate(error) from error
        finally:
            if self._task is None:
                self._disconnect()
        return False

    async def close(self) -> None:
        """Stop to listen; the session's locks go with it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None  # a connect that was broken off lives on in it
        self._disconnect()

    def renew(self) -> None:
        """Give up this session for another."""
        self._broken.set()

    async def run(self, call: Call[Any]) -> bool:
        """Run a call in the listening session; False if there is none right now."""
        conn = self._conn
        if conn is None:
            return False
        try:
            await bounded(conn, self._execute(conn, call.statement(percent), call.parameters), ANSWER_S)
        except (psycopg.Error, OSError, Unavailable) as error:
            if conn is self._conn and conn.closed:
                self._broken.set()
            else:
                _log.warning("listening: the server refuses %s: %s", call.function, str(error).strip())
            return False
        return conn is self._conn

    async def _keep(self) -> None:
        pause_s = 0.1
        while True:
            await self._broken.wait()
            self._disconnect()
            try:
                await self._connect()
            except Exception as error:  # noqa: BLE001  (whatever it is, a deaf worker is worse)
                _log.info("listening: %s; trying again", str(error).strip())
                self._broken.set()
            else:
                connected_at = monotonic()
                self._connected()
                await self._broken.wait()
                if monotonic() - connected_at > STEADY_S:
                    pause_s = 0.1
                    continue
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311  (spread, not secrecy)
            pause_s = min(RETRY_S, pause_s * 2)

    async def _connect(self) -> None:
        conn = await psycopg.AsyncConnection.connect(conninfo(self._url), autocommit=True, prepare_threshold=None)
        self._conn = conn
        self._broken.clear()
        conn.add_notify_handler(self._notified)
        await bounded(conn, self._execute(conn, f"listen {self._channel}", []), ANSWER_S)
        if self._name is not None:
            await bounded(conn, self._execute(conn, "select set_config('application_name', %s, false)", [self._name]), ANSWER_S)

    async def _is_notified(self) -> bool:
        """Whether a notification from a connection of the database arrives: through a transaction pooler none does."""
        async with self._database.connection() as other:
            await other.execute("select pg_notify(%s, %s)", [self._channel, self._probe])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PROBE_S):
                await self._probed.wait()
        return self._probed.is_set()

    def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        self._unwatch()
        if conn is not None:
            conn.pgconn.finish()

    async def _execute(self, conn: psycopg.AsyncConnection[Any], statement: str, parameters: list[object]) -> None:
        """Waiting for its answer takes our reader away, so look again after it, whatever came."""
        try:
            await conn.execute(statement.encode(), parameters)
        finally:
            if conn is self._conn and not conn.lock.locked():
                self._watch(conn)

    def _watch(self, conn: psycopg.AsyncConnection[Any]) -> None:
        """Look at what arrives from now on, and at what has arrived already."""
        self._unwatch()
        if conn.closed:
            self._broken.set()
            return
        self._watched = conn.fileno()
        asyncio.get_running_loop().add_reader(self._watched, self._readable)
        self._readable()

    def _unwatch(self) -> None:
        """By the number kept: a connection that broke has none any more, and another may be given it."""
        fd, self._watched = self._watched, None
        if fd is not None:
            asyncio.get_running_loop().remove_reader(fd)

    def _readable(self) -> None:
        """Something has arrived while no statement of ours waits for an answer: notifications, or the end."""
        conn = self._conn
        if conn is None or conn.lock.locked():  # the statement under way takes what arrives, and hands it on
            return
        try:
            conn.pgconn.consume_input()
            while notify := conn.pgconn.notifies():
                self._hear(notify.extra.decode(errors="replace"))
        except psycopg.Error:
            self._unwatch()
            self._broken.set()

    def _notified(self, notify: psycopg.Notify) -> None:
        self._hear(notify.payload)

    def _hear(self, payload: str) -> None:
        if payload == self._probe:
            self._probed.set()
        elif not payload.startswith("probe:"):
            self._heard(payload)
