"""How often to look for what somebody waits for: soon at first, then less and less."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

FIRST_S, LONGEST_S = 0.02, 1.0
"""The first pause between two looks, and the longest."""


async def pace(timeout_s: float | None) -> AsyncIterator[None]:
    """One turn for each look, until timeout_s have passed; the last look is at their end."""
    for pause_s in _pauses(timeout_s):
        yield
        await asyncio.sleep(pause_s)
    yield


def pace_sync(timeout_s: float | None) -> Iterator[None]:
    """The same for threads."""
    for pause_s in _pauses(timeout_s):
        yield
        time.sleep(pause_s)
    yield


def _pauses(timeout_s: float | None) -> Iterator[float]:
    ends = None if timeout_s is None else time.monotonic() + timeout_s
    pause_s = FIRST_S
    while ends is None or time.monotonic() < ends:
        yield pause_s if ends is None else min(pause_s, max(0.0, ends - time.monotonic()))
        pause_s = min(LONGEST_S, pause_s * 1.5)
