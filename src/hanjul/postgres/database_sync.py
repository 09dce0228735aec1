"""Generated from database.py; do not edit. A PostgreSQL behind a pool of connections: runs calls, gives transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Self, TypeVar

import psycopg

from hanjul.model.call import Call, percent
from hanjul.model.errors import ConnectionLost, HanjulError, InvalidSettings, Unavailable
from hanjul.postgres.borrowed import rows_on_sync
from hanjul.postgres.bounded import BoundedConnection, Pool
from hanjul.postgres.conninfo import conninfo, without_password
from hanjul.postgres.errors import translate

R = TypeVar("R")

REPEATS = 3
"""How often a repeatable call is made again after its connection was lost, if there is time left."""
PREPARE_AT = 2
"""How often a statement is run before it is prepared, on connections that no pooler shares out."""


class DatabaseSync:
    """A pool of connections; safe to share by all threads of one process.

    No connection keeps state of a session where a transaction pooler stands between; where none does, statements are
    prepared.  timeout_s: how long a call may take, waiting for a connection included.
    """

    def __init__(self, url: str, *, max_connections: int = 10, timeout_s: float = 30.0) -> None:
        self.url = url
        self.shown_url = without_password(conninfo(url))
        self._timeout_s = timeout_s
        self._missing: set[str] = set()
        self._how: dict[str, Any] = {"autocommit": True, "prepare_threshold": None}
        self._pool: Pool = Pool(
            conninfo(url),
            connection_class=BoundedConnection,
            min_size=1,
            max_size=max_connections,
            open=False,
            timeout=timeout_s,
            reconnect_timeout=5.0,
            kwargs=self._how,
            name="hanjul",
        )

    def open(self) -> None:
        """Connect; raises InvalidSettings if the server refuses the address, Unavailable if it cannot be reached."""
        self._probe()
        try:
            self._pool.open(wait=True, timeout=self._timeout_s)  # or the first call would find none, and make a second
        except psycopg.Error as error:
            raise _refused(self.shown_url, error) from error
        except BaseException:
            self._pool.close()
            raise

    def close(self) -> None:
        """Give all connections back."""
        self._pool.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def rows(self, call: Call[R], *, tx: object = None, timeout_s: float | None = None) -> list[R]:
        """All rows of the call; on the user's own connection, in its transaction, if `tx` is given.

        timeout_s: how long it may take, instead of the database's own; then ConnectionLost is raised.
        """
        if tx is not None:
            return rows_on_sync(tx, call)
        answer_by = monotonic() + (timeout_s or self._timeout_s)
        repeats_left = REPEATS if call.repeatable else 0
        while True:
            try:
                return self._rows(call, answer_by - monotonic())
            except ConnectionLost:
                repeats_left -= 1
                if repeats_left < 0 or monotonic() >= answer_by:
                    raise

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection inside a transaction: committed at the end, rolled back by an exception, which leaves it unchanged."""
        raised: Exception | None = None
        try:
            with self.connection() as conn, conn.transaction():
                try:
                    yield conn
                except (psycopg.Error, OSError) as error:
                    raised = error
                    raise
        except HanjulError:
            if raised is None:
                raise
        if raised is not None:
            raise raised

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection of the pool in autocommit mode, for as long as it takes; errors of psycopg leave it as ours."""
        try:
            conn = self._connected(self._timeout_s)
            try:
                yield conn.within(None)
            finally:
                self._pool.putconn(conn)
        except HanjulError:
            raise
        except (psycopg.Error, OSError) as error:
            raise translate(error) from error

    def _connected(self, timeout_s: float) -> BoundedConnection:
        """A connection that the server has not ended meanwhile; what follows must be answered within the time, too."""
        answer_by = monotonic() + timeout_s
        while True:
            conn = self._pool.getconn(max(0.01, answer_by - monotonic()))
            if conn.looks_alive():
                return conn.within(max(0.01, answer_by - monotonic()))
            conn.pgconn.finish()
            self._pool.putconn(conn)  # which then makes another

    def _rows(self, call: Call[R], timeout_s: float) -> list[R]:
        try:
            conn = self._connected(timeout_s)
            try:
                return self._asked(conn, call)
            finally:
                self._pool.putconn(conn)
        except (psycopg.Error, OSError) as error:
            raise translate(error) from error

    def _asked(self, conn: BoundedConnection, call: Call[R]) -> list[R]:
        own = call.of_queue()
        if own is None or own.function in self._missing:
            return _asked(conn, call)
        try:
            return _asked(conn, own)
        except psycopg.errors.UndefinedFunction:
            rows = _asked(conn, call)
            self._missing.add(own.function)  # the queue is there, so it is one without functions
            return rows

    def _probe(self) -> None:
        """One connection by itself: a pool would only say that it has none, not why. It tells whether a pooler is between."""
        try:
            conn = BoundedConnection.connect(conninfo(self.url), autocommit=True, prepare_threshold=None)
            with conn.within(self._timeout_s):
                cursor = conn.execute("select pg_backend_pid()")
                if cursor.fetchone() == (conn.info.backend_pid,):  # a pooler invents a number of its own
                    self._how["prepare_threshold"] = PREPARE_AT
        except (psycopg.Error, OSError) as error:
            raise _refused(self.shown_url, error) from error


def _asked(conn: psycopg.Connection[Any], call: Call[R]) -> list[R]:
    cursor = conn.execute(call.statement(percent), [_written(value) for value in call.parameters])
    make = call.row
    return [make(*row) for row in cursor.fetchall()]


def _written(value: object) -> object:
    """Whole numbers as the server reads them: psycopg would ask each by itself whether it needs quotes, for a microsecond."""
    if isinstance(value, list) and set(map(type, value)) == {int}:
        return f"{{{','.join(map(str, value))}}}"
    return value


def _refused(shown_url: str, error: Exception) -> HanjulError:
    text = str(error).strip()
    if any(
        word in text
        for word in ("authentication", "does not exist", "no pg_hba.conf entry", "not translate host", "failed to resolve host")
    ):
        return InvalidSettings(f"cannot use {shown_url}: {text}. Check DATABASE_URL")
    return Unavailable(f"cannot reach {shown_url}: {text}. Is the server up, and is DATABASE_URL right?")
