"""What all actors of a round share: where to write, the queues, and in which phase the round is."""

import random
import time
from dataclasses import dataclass
from pathlib import Path

GROUPED = {"grouped": "read_grouped", "grouped_rr": "read_grouped_rr", "grouped_head": "read_grouped_head"}
"""Queues read in groups, and by which function."""
LEASED = {"leased": 6, "worked": 4}
"""Queues whose deliveries are fenced, and after how many attempts a message is dead."""
QUEUES = ("plain", "popped", *LEASED, *GROUPED)
PARKED_S = 3600
"""The delay of messages that are not meant to fall due within a round."""
MIN_LEASE_S, MAX_LEASE_S = 0.4, 2.0


@dataclass(frozen=True)
class Scene:
    """One actor's part of a round. grouped: whether the schema can read in groups yet."""

    directory: str
    dsn: str
    actor: str
    grouped: bool

    @property
    def rng(self) -> random.Random:
        """Chance, different for each actor."""
        return random.Random(f"{self.directory} {self.actor}")

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues of this round."""
        return tuple(queue for queue in QUEUES if self.grouped or queue not in GROUPED)

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
