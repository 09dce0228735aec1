"""A circuit breaker: leaves a host alone that fails again and again, and asks it now and then with one request.

closed --(break_after failures in a row)--> open --(its time is over)--> half open: one probe
  ^                                          ^                              |
  '--(any answer)----------------------------+------(it fails: twice the time)
"""

import random

from hanjul.sender.limits import SenderLimits


class Breaker:
    """Of one host. Times are of the monotonic clock."""

    __slots__ = ("_failures", "_limits", "_opened_s", "_probing", "_until")

    def __init__(self, limits: SenderLimits) -> None:
        self._limits = limits
        self._failures, self._opened_s, self._until, self._probing = 0, 0.0, 0.0, False

    @property
    def closed(self) -> bool:
        """Whether all is well, as far as is known."""
        return not self._opened_s

    @property
    def unmarked(self) -> bool:
        """Whether there is nothing to remember."""
        return self.closed and not self._failures

    def wait_s(self, now: float) -> float:
        """How long to leave the host alone; 0: not at all, or this one is the probe if `probe` says so."""
        if self.closed:
            return 0.0
        if now < self._until:
            return self._until - now
        return self._limits.probe_s if self._probing else 0.0

    def probe(self) -> bool:
        """Take the one probe, if one is due."""
        if self.closed or self._probing:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """The host has answered, whatever it said."""
        self._failures, self._opened_s, self._probing = 0, 0.0, False

    def failed(self, now: float, *, probe: bool) -> None:
        """The host could not be reached, or did not answer properly. Those that were under way when it opened do not count."""
        self._failures += 1
        if probe:
            self._open(min(self._opened_s * 2, self._limits.probe_max_s), now)
        elif self.closed and self._failures >= self._limits.break_after:
            self._open(self._limits.probe_s, now)

    def gave_up(self, *, probe: bool) -> None:
        """Nothing is known of how it went: another may be the probe."""
        if probe:
            self._probing = False

    def _open(self, for_s: float, now: float) -> None:
        self._opened_s, self._probing = for_s, False
        self._until = now + for_s * random.uniform(0.9, 1.1)  # noqa: S311  (so that many senders do not probe at once)
