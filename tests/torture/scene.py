"""What all actors of a round share: where to write, the queues, and in which phase the round is."""

import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

GROUPED = {"grouped": "read_grouped", "grouped_rr": "read_grouped_rr", "grouped_head": "read_grouped_head"}
"""Queues read in groups, and by which function."""
LEASED = {"leased": 6, "worked": 4, "ordered": 6, "lined": 4}
"""Queues whose deliveries are fenced, and after how many attempts a message is dead."""
ORDERED = ("ordered", "lined")
"""Those of them whose groups are claimed: one message of a group at a time, in order."""
WORKED = ("worked", "lined")
"""Those of them that our own loop consumes."""
REDRIVEN = ("leased", "worked")
"""Those of them whose dead letters are put back."""
BOUND = (("order.#", "news"), ("*.paid", "news"), ("#.red", "alarms"))
"""Patterns that are bound to queues all the time."""
LOOSE = (("order.*", "alarms"), ("user.#", "alarms"), ("*.*", "audit"), ("order.new.#", "audit"), ("user.*", "news"))
"""Patterns that are bound and unbound all the time."""
ROUTES = ("order.paid", "order.new.red", "order.new", "user.red", "user.old", "nothing")
"""Routing keys."""
TOPICS = ("news", "alarms", "audit")
"""Queues that are sent to by routing keys alone: a message has a copy in each queue that it reaches."""
PARTITIONED = {"by_id": ("6", "24"), "by_time": ("1 second", "6 seconds")}
"""Queues in partitions: of which length, and how long archived messages stay."""
TENDED = (*REDRIVEN, *TOPICS, *PARTITIONED)
"""Queues that somebody keeps house for."""
IN_GROUPS = (*GROUPED, *ORDERED)
PLAIN = ("plain", "popped", *GROUPED, *TOPICS, *PARTITIONED)
"""Queues whose leases are not fenced."""
QUEUES = (*PLAIN, *LEASED)
PARKED_S = 3600
"""The delay of messages that are not meant to fall due within a round."""
MIN_LEASE_S, MAX_LEASE_S = 0.4, 2.0


@dataclass(frozen=True)
class Scene:
    """One actor's part of a round. queues: those of this round."""

    directory: str
    dsn: str
    actor: str
    queues: Sequence[str] = QUEUES

    @property
    def rng(self) -> random.Random:
        """Chance, different for each actor."""
        return random.Random(f"{self.directory} {self.actor}")

    def among(self, some: Iterable[str]) -> list[str]:
        """Those of some queues that are in this round."""
        return [queue for queue in some if queue in self.queues]

    @property
    def sending(self) -> bool:
        """Whether producers still send."""
        return not Path(self.directory, "drain").exists()

    @property
    def playing(self) -> bool:
        """Whether consumers still consume."""
        return not Path(self.directory, "quiet").exists()

    def rest(self) -> None:
        """Stay, connected and idle, until the process is ended."""
        while True:
            time.sleep(1)
