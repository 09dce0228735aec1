"""An event loop whose time jumps to the next thing to do, so that a simulated minute takes a millisecond."""

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar
from unittest.mock import patch

T = TypeVar("T")


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class _Selector(selectors.SelectSelector):
    """Instead of waiting, it moves the clock; `None` would be a wait for ever, which is a deadlock."""

    def __init__(self, clock: _Clock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise RuntimeError("deadlock: every task waits for another")
        self._clock.now += max(0.0, timeout)
        return super().select(0)


def run(work: Coroutine[Any, Any, T]) -> T:
    """asyncio.run in virtual time; `time.monotonic` is the virtual clock meanwhile."""
    clock = _Clock()
    with patch.object(time, "monotonic", clock):
        loop = asyncio.SelectorEventLoop(_Selector(clock))
        try:
            return loop.run_until_complete(work)
        finally:
            loop.close()
