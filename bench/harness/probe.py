"""How handlers tell the harness what they have done, without touching the queue under test: a file mapped by both.

Layout: 8-byte integers; the number of messages handled, then a ring of latencies in nanoseconds.
"""

import mmap
from pathlib import Path

RING = 4096
BYTES = 8 * (1 + RING)


class Probe:
    """The harness's side, and the worker's: `hit` for each message."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            file.truncate(BYTES)
            self._map = mmap.mmap(file.fileno(), BYTES)
        self._slots = memoryview(self._map).cast("q")

    @property
    def total(self) -> int:
        """Messages handled so far."""
        return self._slots[0]

    def latencies_ms(self) -> list[float]:
        """Milliseconds from send to handler, of those that carried their time."""
        return [waited_ns / 1e6 for waited_ns in self._slots[1 : 1 + min(self.total, RING)] if waited_ns]

    def hit(self, waited_ns: int) -> None:
        """One message handled.  waited_ns: how long it was on its way; 0 if that is not asked."""
        done = self._slots[0]
        self._slots[1 + done % RING] = waited_ns
        self._slots[0] = done + 1
