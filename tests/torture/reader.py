"""A reader: schema pgmq as its users use it. Leases are not fenced here: whoever is late may delete what another holds."""

import time
from contextlib import suppress
from typing import Any

from tests.torture.journal import Journal
from tests.torture.messages import GROUP_HEADER, checksum, key_of
from tests.torture.scene import GROUPED, PLAIN, Scene
from tests.torture.session import NOW, Lost, Session

_ROW = "m.msg_id, m.read_ct, extract(epoch from m.vt)::float8, m.message, m.headers"
READ = f"select {_ROW} from pgmq.read(%s, %s::integer, %s::integer, %s::jsonb) m"
POP = f"select {_ROW} from pgmq.pop(%s, %s::integer) m"
READ_GROUPED = f"select {_ROW} from pgmq.{{}}(%s, %s::integer, %s::integer) m"
DELETE = "select f.id from pgmq.delete(%s, %s::bigint[]) f (id)"
DELETE_ONE = "select %s::bigint from pgmq.delete(%s, %s::bigint) f (done) where f.done"
ARCHIVE = "select f.id from pgmq.archive(%s, %s::bigint[]) f (id)"
ARCHIVE_ONE = "select %s::bigint from pgmq.archive(%s, %s::bigint) f (done) where f.done"
SET_VT = "select m.msg_id from pgmq.set_vt(%s, %s::bigint[], %s::integer) m"
SET_VT_AT = f"select m.msg_id from pgmq.set_vt(%s, %s::bigint[], to_timestamp({NOW} + %s)) m"
DEEDS = ("delete", "archive", "put off", "forget")


class Reader:
    """Reads until the round is quiet."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._rng = scene, scene.rng
        self._session = Session(scene.dsn, Journal(scene.directory, scene.actor))
        self._queues = scene.among(PLAIN)

    def run(self) -> None:
        """Take a batch of some queue, and finish it somehow."""
        while self._scene.playing:
            with suppress(Lost):
                queue = self._rng.choice(self._queues)
                if queue in GROUPED:
                    self._grouped(queue)
                elif queue == "popped" and self._rng.random() < 0.7:
                    self._take("pop", queue, POP, [queue, qty := self._rng.randint(1, 6)], qty, 0)
                else:
                    self._plain(queue)
        self._scene.rest()

    def _plain(self, queue: str) -> None:
        qty, filtered = self._rng.randint(1, 10), self._rng.random() < 0.1
        condition = '{"odd": {"text": "plain"}}' if filtered else "{}"
        rows = self._take("read", queue, READ, [queue, 1, qty, condition], qty, 1, filtered=filtered)
        self._work()
        ids = [row[0] for row in rows]
        if self._rng.random() < 0.25:
            self._finish_together(queue, ids)
        else:
            for msg_id in ids:
                self._finish_one(queue, msg_id)

    def _take(self, op: str, queue: str, query: str, values: list[Any], qty: int, lease: float, **more: Any) -> list[Any]:
        rows = self._session.ask(op, query, values, _told, queue=queue, qty=qty, lease=lease, **more) or []
        if not rows:
            time.sleep(self._rng.uniform(0, 0.03))
        return rows

    def _work(self) -> None:
        time.sleep(self._rng.choices((0, 0.01, 1.3), (60, 39, 0.7 * self._scene.sending))[0])

    def _fails(self, odds: float) -> float:
        """Nothing fails while the round drains: a group stands still for a lease after each failure."""
        return odds if self._scene.sending else 0

    def _finish_one(self, queue: str, msg_id: int) -> None:
        how = self._rng.choices(DEEDS, (60, 25, self._fails(10), self._fails(3)))[0]
        if how == "delete":
            self._session.ask("delete", DELETE_ONE, [msg_id, queue, msg_id], _id, queue=queue, ids=[msg_id])
        elif how == "archive":
            self._session.ask("archive", ARCHIVE_ONE, [msg_id, queue, msg_id], _id, queue=queue, ids=[msg_id])
        elif how == "put off":
            self._put_off(queue, [msg_id])

    def _finish_together(self, queue: str, ids: list[int]) -> None:
        how = self._rng.choices(("delete", "archive", "put off"), (50, 40, 10))[0]
        if how == "put off":
            self._put_off(queue, ids)
        elif ids:
            shuffled = self._rng.sample(ids, len(ids))
            self._session.ask(how, DELETE if how == "delete" else ARCHIVE, [queue, shuffled], _id, queue=queue, ids=ids)

    def _put_off(self, queue: str, ids: list[int]) -> None:
        if self._rng.random() < 0.5:
            delay = self._rng.choice((0, 1, 2))
            self._session.ask("set_vt", SET_VT, [queue, ids, delay], _id, queue=queue, ids=ids, delay=delay)
        else:
            later = self._rng.uniform(0, 1)
            self._session.ask("set_vt", SET_VT_AT, [queue, ids, later], _id, queue=queue, ids=ids, delay=later)

    def _grouped(self, queue: str) -> None:
        """In order within each group; after a failure the rest of the group is left alone until it comes again."""
        qty, function = self._rng.randint(1, 12), GROUPED[queue]
        rows = self._take("read", queue, READ_GROUPED.format(function), [queue, 1, qty], qty, 1)
        failed: set[str | None] = set()
        for msg_id, _, _, _, headers in rows:
            group = (headers or {}).get(GROUP_HEADER)
            if group not in failed and not self._finish_in_order(queue, msg_id):
                failed.add(group)

    def _finish_in_order(self, queue: str, msg_id: int) -> bool:
        self._work()
        how = self._rng.choices(DEEDS, (70, 22, self._fails(5), self._fails(1)))[0]
        if how == "delete":
            self._session.ask("delete", DELETE_ONE, [msg_id, queue, msg_id], _id, queue=queue, ids=[msg_id])
        elif how == "archive":
            self._session.ask("archive", ARCHIVE_ONE, [msg_id, queue, msg_id], _id, queue=queue, ids=[msg_id])
        elif how == "put off":
            self._put_off(queue, [msg_id])
        return how in {"delete", "archive"}


def _id(row: Any) -> int:
    return int(row[0])


def _told(row: Any) -> list[Any]:
    """What is kept of a row that was read: id, read_ct, releases before it, end of its lease, key, checksum."""
    msg_id, read_ct, until, message, headers = row
    return [msg_id, read_ct, None, until, key_of(message), checksum(message, headers)]


def main(scene: Scene) -> None:
    """Be a reader."""
    Reader(scene).run()
