"""Threads for plain functions: at most as many as there are workers, and daemons, so that a stuck one holds up no exit."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from queue import SimpleQueue
from typing import Any

Ending = tuple[object, BaseException | None]
"""What a call returned, or what it raised."""


class RaisedInThread(Exception):
    """A function in a thread has raised what would end the event loop, were it raised there. error: that."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


class Threads:
    """A few threads that make calls for an event loop; each is started when it is first needed."""

    def __init__(self, count: int, name: str) -> None:
        self._count, self._name, self._started = count, name, 0
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()

    def call(self, function: Callable[[Any], object], argument: object) -> "asyncio.Future[Ending]":
        """Make the call in a thread, in a copy of the current context; the future never fails."""
        ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._calls.put(_Call(ending, copy_context(), function, argument))
        if self._started < self._count:
            self._started += 1
            threading.Thread(target=self._serve, name=f"{self._name}-{self._started}", daemon=True).start()
        return ending

    def close(self) -> None:
        """Start no call more; each thread ends when its function returns."""
        for _ in range(self._started):
            self._calls.put(None)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call.make()
            del call  # what it holds must not live until the next one comes


class _Call:
    __slots__ = ("_argument", "_context", "_ending", "_function")

    def __init__(
        self, ending: "asyncio.Future[Ending]", context: Context, function: Callable[[Any], object], argument: object
    ) -> None:
        self._ending, self._context, self._function, self._argument = ending, context, function, argument

    def make(self) -> None:
        result: Ending
        try:
            result = self._context.run(self._function, self._argument), None
        except BaseException as error:  # noqa: BLE001  (told to the worker that waits, whatever it is)
            result = None, error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._ending.get_loop().call_soon_threadsafe(_tell, self._ending, result)


def _tell(ending: "asyncio.Future[Ending]", result: Ending) -> None:
    if not ending.done():
        ending.set_result(result)
