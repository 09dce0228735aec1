"""How long to wait before the next attempt, and how many attempts there are."""

import math
import random
from dataclasses import dataclass


def delay_s(attempt: int, *, base_s: float = 1.0, cap_s: float = 3600.0, jitter: float = 0.1) -> float:
    """Seconds to wait before the next attempt; doubles each time.

    attempt: 1 after the first failure.  cap_s: the longest wait, before jitter.
    jitter: 0..1, the share of the wait spread both ways, so a failed batch does not return at once.
    Raises ValueError if attempt < 1.  Source: M. Brooker, "Exponential Backoff and Jitter", 2015.

    >>> delay_s(4, jitter=0)
    8.0
    """
    if attempt < 1:
        raise ValueError(f"attempt must be 1 or more, not {attempt}")
    wait_s = min(cap_s, base_s * 2.0 ** min(attempt - 1, 1000))
    return wait_s * (1 + jitter * random.uniform(-1, 1))  # noqa: S311  (spread, not secrecy)


@dataclass(frozen=True, slots=True)
class Retry:
    """When a failed message is delivered again, and when no more.

    max_attempts: deliveries to a handler; after the last failure the message goes to the dead letters.
    base_s, cap_s, jitter: as in `delay_s`.  Raises ValueError for values that cannot work.
    """

    max_attempts: int = 5
    base_s: float = 1.0
    cap_s: float = 3600.0
    jitter: float = 0.1

    def __post_init__(self) -> None:
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts must be 1 or more, not {self.max_attempts}")
        if not (0 <= self.base_s <= self.cap_s < math.inf and 0 <= self.jitter <= 1):  # refuses nan, too
            raise ValueError(f"a backoff needs 0 <= base_s <= cap_s, finite, and 0 <= jitter <= 1, not {self}")

    def delay_s(self, attempt: int) -> float:
        """Seconds to wait after the failure of this attempt, from 1."""
        return delay_s(attempt, base_s=self.base_s, cap_s=self.cap_s, jitter=self.jitter)
