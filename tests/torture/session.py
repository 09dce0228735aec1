"""A connection that writes down what it asks and what it hears, and comes back after every loss."""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from tests.torture.journal import Journal

NOW = "extract(epoch from clock_timestamp())::float8"
TIMED = f"""
    select t.began, r.*, {NOW} from (select {NOW} as began offset 0) t
    left join lateral (select true as hit, f.* from ({{}}) f) r on true
"""
"""One statement that tells when it began, what the inner one returned, and when that was there; one row if nothing was."""

UNKNOWN = {"57014", "57P01", "57P02", "57P03", "57P05", "25P03", "53300"}
"""Of these errors, and of all without a SQLSTATE or of class 08, nobody can say whether the statement was committed."""


Tell = Callable[[Any], Any]


class Lost(Exception):
    """The connection is gone, and what was asked may have happened or not."""


class Undo(Exception):
    """Roll the transaction back."""


class Session:
    """One actor's connection to the database."""

    def __init__(self, dsn: str, journal: Journal) -> None:
        self._dsn, self.journal = dsn, journal
        self._conn: psycopg.Connection[Any] | None = None
        self._tx: int | None = None

    def ask(self, op: str, query: str, values: Sequence[Any], tell: Tell = list, **told: Any) -> list[Any] | None:
        """Ask the database; its rows. None if it certainly refused. Raises Lost.  tell: what to write down of a row."""
        conn = self._connected()
        n = self.journal.invoke(op, **told, **({} if self._tx is None else {"tx": self._tx}))
        with self._judged(n) as refused:
            rows = conn.execute(TIMED.format(query), values).fetchall()
        if refused:
            return None
        hits = [row[2:-1] for row in rows if row[1]]
        self.journal.complete(n, ok=True, began=rows[0][0], ended=rows[-1][-1], rows=[tell(hit) for hit in hits])
        return hits

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """A transaction: rolled back by an exception (Undo is swallowed), committed otherwise. Raises Lost.

        What fails in it must be undone: a commit would be answered as if all were well.
        """
        conn = self._connected()
        self._tx = self.journal.invoke("begin")
        try:
            with self._judged(self._tx):
                conn.execute("begin")
            yield conn
            n = self.journal.invoke("commit", tx=self._tx)
            with self._judged(n) as refused:
                conn.execute("commit")
            if not refused:
                self.journal.complete(n, ok=True)
        except Undo:
            with suppress(psycopg.Error):
                conn.execute("rollback")
        except psycopg.Error as error:
            raise Lost from error
        finally:
            self._tx = None
            if not conn.closed and conn.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                conn.close()

    def _connected(self) -> psycopg.Connection[Any]:
        while self._conn is None or self._conn.closed or self._conn.broken:
            try:
                self._conn = psycopg.connect(self._dsn, autocommit=True, connect_timeout=5, application_name="torture")
            except psycopg.OperationalError:
                time.sleep(random.uniform(0.02, 0.1))
        return self._conn

    @contextmanager
    def _judged(self, n: int) -> Iterator[list[str]]:
        """Write down how a statement failed; the list is not empty afterwards if it certainly did nothing."""
        refused: list[str] = []
        try:
            yield refused
        except psycopg.Error as error:
            state = error.sqlstate or ""
            sure = bool(state) and state not in UNKNOWN and not state.startswith("08")
            self.journal.complete(n, ok=False, sure=sure, error=state or type(error).__name__, text=str(error)[:300])
            if not sure:
                if self._conn is not None:
                    self._conn.close()
                raise Lost from error
            refused.append(state)
