"""A keeper: what is done beside the traffic. Bindings come and go, the dead are put back, partitions are made and dropped."""

import time
from collections.abc import Callable
from contextlib import suppress

from tests.torture.journal import Journal
from tests.torture.scene import LOOSE, PARTITIONED, REDRIVEN, TOPICS, Scene
from tests.torture.session import Lost, Session, Undo

BIND = "select b::text from pgmq.bind_topic(%s, %s) b"
UNBIND = "select u from pgmq.unbind_topic(%s, %s) u"
REDRIVE = "select r.id from hanjul.redrive(%s, %s::integer) r (id)"
MAINTAIN = "select m from pgmq.maintain_partitions(%s) m"


class Keeper:
    """Keeps house until the round drains."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._rng = scene, scene.rng
        self._session = Session(scene.dsn, Journal(scene.directory, scene.actor))

    def run(self) -> None:
        """One thing after the other."""
        chores: dict[Callable[[], object], int] = {
            self.rebind: len(self._scene.among(TOPICS)),
            self.redrive: 2 * len(self._scene.among(REDRIVEN)),
            self.maintain: len(self._scene.among(PARTITIONED)),
        }
        while self._scene.sending:
            with suppress(Lost):
                self._rng.choices(list(chores), list(chores.values()))[0]()
            time.sleep(self._rng.expovariate(1 / 0.05))
        self._scene.rest()

    def rebind(self) -> None:
        """Bind a pattern to a queue, or no longer."""
        pattern, queue = self._rng.choice(LOOSE)
        op, query = self._rng.choice((("bind", BIND), ("unbind", UNBIND)))
        self._session.ask(op, query, [pattern, queue], pattern=pattern, queue=queue)

    def redrive(self) -> None:
        """Some of the dead, or all, at once or in a transaction."""
        if self._rng.random() < 0.6:
            self._redrive()
            return
        with self._session.transaction():
            self._redrive()
            time.sleep(self._rng.choice((0, 0.02)))
            if self._rng.random() < 0.5:
                raise Undo

    def _redrive(self) -> None:
        queue, qty = self._rng.choice(self._scene.among(REDRIVEN)), self._rng.choice((1, 3, None))
        self._session.ask("redrive", REDRIVE, [queue, qty], lambda row: int(row[0]), queue=queue)

    def maintain(self) -> None:
        """What senders do at their commits, by hand."""
        queue = self._rng.choice(self._scene.among(PARTITIONED))
        self._session.ask("maintain", MAINTAIN, [queue], queue=queue)


def main(scene: Scene) -> None:
    """Be a keeper."""
    Keeper(scene).run()
