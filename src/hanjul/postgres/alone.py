"""One blocking connection for one thread, which connects again when it must and never waits longer than it is told."""

from typing import TypeVar

import psycopg

from hanjul.model.call import Call, percent
from hanjul.model.errors import ConnectionLost
from hanjul.postgres.bounded import BoundedConnection
from hanjul.postgres.conninfo import conninfo
from hanjul.postgres.errors import translate

R = TypeVar("R")


class AloneConnection:
    """Runs calls of one thread; connects at the first."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._conn: BoundedConnection | None = None

    def rows(self, call: Call[R], timeout_s: float) -> list[R]:
        """All rows of the call; raises ConnectionLost if there is no answer within timeout_s, and connects anew next time."""
        try:
            conn = self._conn = self._conn or self._connect(timeout_s)
            cursor = conn.within(timeout_s).execute(call.statement(percent), call.parameters)
            return [call.row(*row) for row in cursor.fetchall()]
        except (psycopg.Error, OSError) as error:
            failure = translate(error)
            if isinstance(failure, ConnectionLost):
                self.close()
            raise failure from error

    def close(self) -> None:
        """Disconnect."""
        conn, self._conn = self._conn, None
        if conn is not None:
            conn.close()

    def _connect(self, timeout_s: float) -> BoundedConnection:
        wait_s = max(2, int(timeout_s))  # libpq knows no less than two seconds
        return BoundedConnection.connect(conninfo(self._url), autocommit=True, prepare_threshold=None, connect_timeout=wait_s)
