"""The adversary: kills, freezes and cuts off actors, and crashes the server under them."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from tests.proxy import Proxy
from tests.torture.journal import Journal
from tests.torture.leaser import CLAIMS
from tests.torture.nursery import Nursery, alive
from tests.torture.scene import MAX_LEASE_S, PLAIN, QUEUES, TENDED, WORKED, Scene
from tests.torture.stage import SESSIONS, Stage

CAST = {"producer": (3, QUEUES), "reader": (5, PLAIN), "leaser": (4, CLAIMS), "worker": (2, WORKED), "keeper": (2, TENDED)}
"""How many there are of a role, and which queues it is for; of whom no queue is in a round, none are."""


@dataclass(frozen=True)
class Pace:
    """Seconds between two strikes of a kind, on average; 0: never."""

    kill_s: float = 0.5
    crash_s: float = 6.0
    freeze_s: float = 1.5
    cut_s: float = 2.0
    terminate_s: float = 2.0


@dataclass
class Actor:
    """A process of the cast. thaw_at: when it is to go on, if it is frozen."""

    role: str
    seat: int
    pid: int
    thaw_at: float | None = None


@dataclass
class Company:
    """The actors of a round; who dies is replaced at once."""

    nursery: Nursery
    scene: Scene
    link: Proxy
    cast: Mapping[str, tuple[int, Sequence[str]]] = field(default_factory=lambda: CAST)
    actors: list[Actor] = field(default_factory=list)
    deaths: int = 0
    serial: int = 0

    def assemble(self) -> None:
        """Start everybody."""
        for role, (seats, queues) in self.cast.items():
            if not self.scene.among(queues):
                continue
            self.actors += [Actor(role, seat, self._start(role, seat)) for seat in range(seats)]

    def replace_the_dead(self) -> None:
        """Somebody else takes their seat. Those whom nobody killed here died of what they handled."""
        for actor in self.actors:
            if not alive(actor.pid):
                self.deaths += 1
                actor.pid, actor.thaw_at = self._start(actor.role, actor.seat), None

    def thaw(self, *, all_of_them: bool = False) -> None:
        """Let go on whose time has come."""
        for actor in self.actors:
            if actor.thaw_at is not None and (all_of_them or actor.thaw_at < time.monotonic()):
                actor.thaw_at = None
                _signal(actor.pid, signal.SIGCONT)

    def dismiss(self) -> None:
        """End everybody."""
        for actor in self.actors:
            _signal(actor.pid, signal.SIGKILL)
        while any(alive(actor.pid) for actor in self.actors):
            time.sleep(0.005)

    def _start(self, role: str, seat: int) -> int:
        """Every third seat is connected by way of the failing link."""
        self.serial += 1
        dsn = self.link.dsn if seat % 3 == 2 else self.scene.dsn
        return self.nursery.start(role, replace(self.scene, actor=f"{role}-{self.serial:04}", dsn=dsn))


class Adversary:
    """Strikes at random moments. `count` says how often, by kind."""

    def __init__(self, company: Company, stage: Stage, pace: Pace) -> None:
        self._company, self._stage = company, stage
        self._journal = Journal(company.scene.directory, "adversary")
        self._rng = random.Random()
        self.count: Counter[str] = Counter()
        self._kinds: dict[str, tuple[float, Callable[[], bool]]] = {
            "kills": (pace.kill_s, self._kill),
            "freezes": (pace.freeze_s, self._freeze),
            "cuts": (pace.cut_s, self._cut),
            "terminated": (pace.terminate_s, self._terminate),
            "crashes": (pace.crash_s, self._crash),
        }
        now = time.monotonic()
        self._due = {kind: now + self._pause(mean) for kind, (mean, _) in self._kinds.items() if mean}
        self._heal_at: float | None = None

    def strike(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self._heal_at is not None and self._heal_at < now:
            self.heal()
        for kind, due in self._due.items():
            if due < now:
                mean, do = self._kinds[kind]
                if do():
                    self.count[kind] += 1
                    self._due[kind] = now + self._pause(mean)

    def heal(self) -> None:
        """A good link again: what was swallowed breaks."""
        self._heal_at = None
        self._company.link.reset()
        self._company.link.heal()

    def _pause(self, mean: float) -> float:
        return self._rng.uniform(0.2, 1.8) * mean

    def _kill(self) -> bool:
        actor = self._rng.choice(self._company.actors)
        self._note("kill", actor.pid)
        _signal(actor.pid, signal.SIGKILL)
        while alive(actor.pid):
            time.sleep(0.001)
        self._company.deaths -= 1  # counted here
        self._company.replace_the_dead()
        return True

    def _freeze(self) -> bool:
        actor = self._rng.choice(self._company.actors)
        if actor.thaw_at is None:
            self._note("freeze", actor.pid)
            actor.thaw_at = time.monotonic() + self._rng.uniform(0.1, 1.5 * MAX_LEASE_S)
            _signal(actor.pid, signal.SIGSTOP)
        return True

    def _cut(self) -> bool:
        self._note("cut", 0)
        if self._rng.random() < 0.5:
            self._company.link.reset()
        else:
            self._company.link.swallow_replies()
            self._heal_at = time.monotonic() + self._rng.uniform(0.05, 0.3)
        return True

    def _terminate(self) -> bool:
        if (victims := self._sessions()) is None:
            return False
        self._note("terminate", victim := self._rng.choice(victims))
        with suppress(psycopg.Error), self._connect() as conn:
            conn.execute("select pg_terminate_backend(%s)", [victim])
        return True

    def _crash(self) -> bool:
        """The whole server, one way or the other: when a backend is killed, PostgreSQL ends all of them and recovers."""
        if (victims := self._sessions()) is None:
            return False
        if self._rng.random() < 0.5:
            self._note("crash", 0)
            self._stage.kill_postmaster()
        else:
            self._note("crash", victim := self._rng.choice(victims))
            _signal(victim, signal.SIGKILL)
        return True

    def _sessions(self) -> list[int] | None:
        """The actors' backends; None while the server is down."""
        with suppress(psycopg.Error), self._connect() as conn:
            return [row[0] for row in conn.execute(SESSIONS).fetchall()] or None
        return None

    def _connect(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self._company.scene.dsn, autocommit=True, connect_timeout=2, application_name="adversary")

    def _note(self, kind: str, pid: int) -> None:
        self._journal.invoke("strike", kind=kind, pid=pid)


def _signal(pid: int, which: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, which)
