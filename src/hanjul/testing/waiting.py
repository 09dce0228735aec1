"""Waiting for conditions, with a deadline: what tests do instead of sleeping."""

import asyncio
import time
from collections.abc import Callable

WITHIN_S = 15.0
"""How long a test waits, unless it says otherwise, for what should be there at once."""


async def until(condition: Callable[[], object], *, within_s: float = WITHIN_S) -> None:
    """Return when the condition holds; raises AssertionError if it does not within within_s."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s:g} s")
        await asyncio.sleep(0.002)


async def pass_time(seconds: float) -> None:
    """Let `seconds` go by on the monotonic clock, for tests whose subject is time itself."""
    end = time.monotonic() + seconds
    await until(lambda: time.monotonic() >= end, within_s=seconds + WITHIN_S)
