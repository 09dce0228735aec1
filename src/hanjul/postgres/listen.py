"""A connection that listens: notifications of one channel, and locks that say that somebody does.

It needs a session of its own, so it does not work through a transaction pooler; `open` finds out by asking for a
notification of itself.
"""

import asyncio
import contextlib
import logging
import random
import secrets
from collections.abc import Callable
from typing import Any

import psycopg

from hanjul.model.call import Call, percent
from hanjul.postgres.conninfo import conninfo
from hanjul.postgres.database import Database

_log = logging.getLogger("hanjul.listen")

CHANNEL = "hanjul"
PROBE_S = 2.0
"""How long the notification of its own may take before we believe that there are none here."""
RETRY_S = 5.0
"""The longest pause between two tries to listen again."""


class Listener:
    """Listens until it is closed, and connects again whenever it has to.

    heard: is told the payload of each notification.  (re)connected: is told that the session is new, so that
    notifications may have been missed and no lock is held.
    """

    def __init__(self, database: Database, url: str, heard: Callable[[str], None], connected: Callable[[], None]) -> None:
        self._database, self._url, self._heard, self._connected = database, url, heard, connected
        self._conn: psycopg.AsyncConnection[Any] | None = None
        self._probe = f"probe:{secrets.token_hex(8)}"
        self._probed = asyncio.Event()
        self._broken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.works: bool | None = None

    async def open(self) -> bool:
        """Start to listen; whether notifications arrive here."""
        self.works = await self._connect()
        if self.works:
            self._task = asyncio.create_task(self._keep())
        return self.works

    async def close(self) -> None:
        """Stop to listen; the session's locks go with it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._disconnect()

    async def run(self, call: Call[Any]) -> bool:
        """Run a call in the listening session; False if there is none right now."""
        conn = self._conn
        if conn is None:
            return False
        try:
            await conn.execute(call.statement(percent), call.parameters)
        except (psycopg.Error, OSError):
            self._broken.set()
            return False
        self._watch(conn)
        return True

    async def _keep(self) -> None:
        pause_s = 0.1
        while True:
            await self._broken.wait()
            await self._disconnect()
            try:
                connected = await self._connect()
            except (psycopg.Error, OSError) as error:
                _log.info("listening: %s; trying again", str(error).strip())
                connected = False
            if not connected:
                self._broken.set()
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311  (spread, not secrecy)
                pause_s = min(RETRY_S, pause_s * 2)
                continue
            pause_s = 0.1
            self._connected()

    async def _connect(self) -> bool:
        self._broken.clear()
        self._probed.clear()
        conn = await psycopg.AsyncConnection.connect(conninfo(self._url), autocommit=True, prepare_threshold=None)
        self._conn = conn
        conn.add_notify_handler(self._notified)
        await conn.execute(f"listen {CHANNEL}")
        self._watch(conn)
        async with self._database.connection() as other:
            await other.execute("select pg_notify(%s, %s)", [CHANNEL, self._probe])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PROBE_S):
                await self._probed.wait()
        if not self._probed.is_set():
            await self._disconnect()
        return self._probed.is_set()

    async def _disconnect(self) -> None:
        conn, self._conn = self._conn, None
        if conn is not None:
            if not conn.closed:
                asyncio.get_running_loop().remove_reader(conn.fileno())
            await conn.close()

    def _watch(self, conn: psycopg.AsyncConnection[Any]) -> None:
        """Look at what arrives. To be said after every statement: waiting for its answer takes our reader away."""
        if not conn.closed:
            asyncio.get_running_loop().add_reader(conn.fileno(), self._readable)
            self._readable()

    def _readable(self) -> None:
        """Something has arrived while no statement of ours waits for an answer: notifications, or the end."""
        conn = self._conn
        if conn is None or conn.lock.locked():  # the statement under way takes what arrives, and hands it on
            return
        try:
            conn.pgconn.consume_input()
            while notify := conn.pgconn.notifies():
                self._hear(notify.extra.decode())
        except psycopg.Error:
            asyncio.get_running_loop().remove_reader(conn.fileno())
            self._broken.set()

    def _notified(self, notify: psycopg.Notify) -> None:
        self._hear(notify.payload)

    def _hear(self, payload: str) -> None:
        if payload == self._probe:
            self._probed.set()
        elif not payload.startswith("probe:"):
            self._heard(payload)
