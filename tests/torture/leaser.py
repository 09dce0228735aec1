"""A leaser: the fenced functions of schema hanjul, called by hand, often too late and often twice."""

import json
import time
from contextlib import suppress
from typing import Any

from tests.torture.journal import Journal
from tests.torture.messages import checksum, key_of
from tests.torture.scene import LEASED, Scene
from tests.torture.session import Lost, Session, Undo

CLAIM = "select c.* from hanjul.claim(%s, %s::float8, %s::integer) c"
CLAIM_GROUPS = "select c.* from hanjul.claim_groups(%s, %s::float8, %s::integer) c"
CLAIMS = {"leased": CLAIM, "ordered": CLAIM_GROUPS}
ACK = "select f.* from hanjul.ack(%s, %s::bigint[], %s::integer[], %s) f"
NACK = "select f.* from hanjul.nack(%s, %s::bigint[], %s::integer[], %s::float8[]) f"
RELEASE = "select f.* from hanjul.release(%s, %s::bigint[], %s::integer[], %s::float8[]) f"
EXTEND = "select f.* from hanjul.extend(%s, %s::bigint[], %s::integer[], %s::float8) f"
REJECT = "select f.* from hanjul.reject(%s, %s::bigint[], %s::integer[], %s::text[], %s::text[]) f"

Pair = tuple[int, int]


class Leaser:
    """Claims and settles until the round is quiet."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._rng = scene, scene.rng
        self._session = Session(scene.dsn, Journal(scene.directory, scene.actor))
        self._queue = ""

    def run(self) -> None:
        """Claim some, and settle them in all ways."""
        while self._scene.playing:
            self._queue = self._rng.choice(self._scene.among(CLAIMS))
            with suppress(Lost):
                self._turn()
        self._scene.rest()

    def _turn(self) -> None:
        lease_s, qty = self._rng.choice((0.4, 0.7, 1.2)), self._rng.randint(1, 10)
        asked = {"queue": self._queue, "qty": qty, "lease": lease_s}
        rows = self._session.ask("read", CLAIMS[self._queue], [self._queue, lease_s, qty], _told, **asked) or []
        if not rows:
            time.sleep(self._rng.uniform(0, 0.03))
        late_s = lease_s + self._rng.choice((0.01, 0.05, 0.3))  # just after the next has claimed them
        time.sleep(self._rng.choices((0, 0.01, 0.2, late_s), (52, 33, self._fails(6), self._fails(9)))[0])
        spent = [(row[0], row[1]) for row in rows if row[1] - row[2] >= LEASED[self._queue]]
        self._reject(spent, "max_attempts")
        pairs = [(row[0], row[1]) for row in rows if row[1] - row[2] < LEASED[self._queue]]
        keys = {row[0]: key_of(json.loads(row[4])) for row in rows}
        if self._rng.random() < 0.3:
            self._fenced("extend", EXTEND, pairs, lease_s, delay=lease_s)
            time.sleep(self._rng.choice((0, 0.01, 0.1)))
        self._settle(pairs, keys)

    def _fails(self, odds: float) -> float:
        """Nothing fails while the round drains: a group stands still for as long as its oldest message."""
        return odds if self._scene.sending else 0

    def _settle(self, pairs: list[Pair], keys: dict[int, str | None]) -> None:
        acked = [pair for pair in pairs if self._rng.random() < 0.6]
        self._ack(acked, archive=self._rng.random() < 0.4)
        for pair in [pair for pair in pairs if pair not in acked]:
            odds = (self._fails(8), self._fails(8), 2, 14, self._fails(2))
            deed = self._rng.choices((self._nack, self._release, self._spoil, self._book, self._forget), odds)[0]
            deed(pair, keys[pair[0]])
        if self._rng.random() < self._fails(0.1):  # and once more, in another way
            self._ack(pairs, archive=False)
        elif self._rng.random() < self._fails(0.1):
            self._fenced("nack", NACK, pairs, [0.0] * len(pairs), delay=0)

    def _ack(self, pairs: list[Pair], *, archive: bool) -> list[Any] | None:
        return self._fenced("ack_archive" if archive else "ack", ACK, pairs, archive)

    def _nack(self, pair: Pair, _key: str | None) -> None:
        delay_s = self._rng.uniform(0, 0.4)
        for _ in range(self._rng.choice((1, 1, 2))):
            self._fenced("nack", NACK, [pair], [delay_s], delay=delay_s)

    def _release(self, pair: Pair, _key: str | None) -> None:
        delay_s = self._rng.uniform(0, 0.2)
        for _ in range(self._rng.choice((1, 1, 2))):
            self._fenced("release", RELEASE, [pair], [delay_s], delay=delay_s)

    def _spoil(self, pair: Pair, _key: str | None) -> None:
        self._reject([pair], "rejected")

    def _forget(self, _pair: Pair, _key: str | None) -> None:
        """As a worker that was killed."""

    def _book(self, pair: Pair, key: str | None) -> None:
        """The effect and the ack in one transaction."""
        with self._session.transaction() as conn:
            conn.execute("insert into ledger values (%s)", [key])
            time.sleep(self._rng.choice((0, 0, 0.01, self._fails(0.3))))
            if self._ack([pair], archive=False) != []:
                raise Undo

    def _reject(self, pairs: list[Pair], reason: str) -> None:
        count = len(pairs)
        self._fenced("reject", REJECT, pairs, [reason] * count, ["it would not do"] * count, reason=reason)

    def _fenced(self, op: str, query: str, pairs: list[Pair], *more: Any, **told: Any) -> list[Any] | None:
        if not pairs:
            return []
        ids, fences = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        return self._session.ask(
            op, query, [self._queue, ids, fences, *more], list, queue=self._queue, ids=ids, cts=fences, **told
        )


def _told(row: Any) -> list[Any]:
    """What is kept of a row that was claimed: id, fence, releases before it, unknown end of its lease, key, checksum."""
    msg_id, fence, released, _, message, headers = row
    body = json.loads(message)
    return [msg_id, fence, released, None, key_of(body), checksum(body, json.loads(headers) if headers else None)]


def main(scene: Scene) -> None:
    """Be a leaser."""
    Leaser(scene).run()
