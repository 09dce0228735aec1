"""What handlers of this process did, and the promises that a history must keep; times are of one monotonic clock."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import psycopg

import hanjul


@dataclass
class Handling:
    """One run of a handler."""

    key: Any
    attempt: int
    fence: int
    started: float
    ended: float | None = None


class History:
    def __init__(self) -> None:
        self.handlings: list[Handling] = []

    @contextmanager
    def handling(self, message: hanjul.Delivery[Any]) -> Iterator[None]:
        """Write down that the block handles the message."""
        handling = Handling(message.body, message.attempt, message.fence, time.monotonic())
        self.handlings.append(handling)
        try:
            yield
        finally:
            handling.ended = time.monotonic()

    @property
    def keys(self) -> set[Any]:
        return {handling.key for handling in self.handlings}

    @property
    def handled_again(self) -> set[Any]:
        """Keys that were handled more than once."""
        return {key for key, handlings in self._by_key().items() if len(handlings) > 1}

    def check(self) -> None:
        """I3: never two at once; I4: attempts and fences rise."""
        for key, handlings in self._by_key().items():
            for before, after in pairwise(handlings):
                assert before.ended is not None, f"{key} was handled again while it was handled"
                assert before.ended <= after.started, f"{key} was handled by two at once"
                assert before.attempt <= after.attempt, f"{key}: attempt {after.attempt} came after {before.attempt}"
                assert before.fence < after.fence, f"{key}: fence {after.fence} came after {before.fence}"

    def _by_key(self) -> dict[Any, list[Handling]]:
        found: dict[Any, list[Handling]] = defaultdict(list)
        for handling in sorted(self.handlings, key=lambda handling: handling.started):
            found[handling.key].append(handling)
        return found


class Books:
    """The database's own view, over a connection that nothing disturbs."""

    def __init__(self, dsn: str) -> None:
        self._conn = psycopg.connect(dsn, autocommit=True)
        self._conn.execute("create table if not exists ledger (key int)")

    def one(self, query: str, *values: Any) -> Any:
        """The one value of a query's one row."""
        [value] = self._conn.execute(query.encode(), values).fetchone() or [None]
        return value

    def in_queue(self) -> int:
        return int(self.one("select count(*) from pgmq.q_mail"))

    def somebody_waits(self) -> bool:
        """Whether a listening session holds the wait lock: notifications reach somebody."""
        return bool(self.one("select count(*) from pg_locks where locktype = 'advisory' and classid = 1751215722 and granted"))

    def booked_twice(self) -> int:
        return int(self.one("select count(*) - count(distinct key) from ledger"))

    def check(self, sent: int, *, booked: int | None = None) -> None:
        """I13 with an empty queue: all that was sent is handled, none is dead; I9: each is booked once. I15: no residue."""
        assert (self.in_queue(), self.one("select count(*) from hanjul.dead_letter")) == (0, 0)
        assert self.booked_twice() == 0
        assert int(self.one("select count(*) from ledger")) == (sent if booked is None else booked)
        assert self.one("select count(*) from pg_stat_activity where starts_with(state, 'idle in transaction')") == 0

    def disturb(self, how: str) -> int:
        """Terminate or cancel one session of the workers, at random; how many it hit."""
        return int(
            self.one(f"""
                select count(*) filter (where pg_{how}_backend(pid)) from (
                    select pid from pg_stat_activity
                    where datname = current_database() and application_name = 'hanjul' order by random() limit 1) _
            """)
        )

    def close(self) -> None:
        self._conn.close()
