"""Handlers that tell what they were given, and end when they are told to."""

import asyncio
from typing import Any

from hanjul.model.delivery import Delivery
from hanjul.model.outcome import Outcome


class Recorder:
    """A handler that keeps its deliveries.

    outcomes: what it raises, one delivery after the other; after the last one it returns.
    """

    def __init__(self, *outcomes: BaseException | None) -> None:
        self._outcomes = list(outcomes)
        self.seen: list[Delivery[Any]] = []
        self.times: list[float] = []

    async def __call__(self, message: Delivery[Any]) -> None:
        """Handle one delivery."""
        self.seen.append(message)
        self.times.append(asyncio.get_running_loop().time())
        if self._outcomes and (outcome := self._outcomes.pop(0)) is not None:
            raise outcome

    @property
    def bodies(self) -> list[Any]:
        """What the messages said, in the order of their deliveries."""
        return [message.body for message in self.seen]

    @property
    def attempts(self) -> list[int]:
        """The attempt of each delivery."""
        return [message.attempt for message in self.seen]


class Gate:
    """A handler that waits until it is opened; it counts how many wait at once, and which were cancelled.

    outcome: what it returns then.
    """

    def __init__(self, outcome: Outcome | None = None) -> None:
        self._outcome = outcome
        self._open = asyncio.Event()
        self.seen: list[Delivery[Any]] = []
        self.cancelled: list[Delivery[Any]] = []
        self.inside = self.most_inside = 0

    async def __call__(self, message: Delivery[Any]) -> Outcome | None:
        """Handle one delivery."""
        self.seen.append(message)
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            await self._open.wait()
        except asyncio.CancelledError:
            self.cancelled.append(message)
            raise
        finally:
            self.inside -= 1
        return self._outcome

    def open(self) -> None:
        """Let all through, now and later."""
        self._open.set()
