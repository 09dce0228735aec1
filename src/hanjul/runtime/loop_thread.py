"""An event loop in a thread of its own, for programs that have none: they give it work, and wait."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any, Generic, Self, TypeVar

from hanjul.model.errors import InvalidSettings

R = TypeVar("R")


class LoopThread:
    """The loop runs while the block runs. The thread is a daemon: it holds up no exit of a program that forgets it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._gate = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def runs(self) -> bool:
        """Whether work can be given to it; not in a child process, which has none of its parent's threads."""
        return self._loop is not None and self._thread is not None and self._thread.is_alive()

    def __enter__(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=[started], name=self._name, daemon=True)
        self._thread.start()
        started.wait()
        return self

    def __exit__(self, *_error: object) -> None:
        with self._gate:  # what was given before is in the loop by now, and is cancelled; nothing comes after
            loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()

    def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Do the work in the loop; what it returns or raises. Who is interrupted while waiting leaves it cancelled, and ended.

        Raises InvalidSettings where the loop does not run or would wait for itself, CancelledError if it was ended meanwhile.
        """
        with self._gate:
            loop = self._loop
            if loop is None or not self.runs or self._thread is threading.current_thread():
                work.close()
                raise InvalidSettings("this needs an app that runs, in this process, and cannot be done in its event loop")
            errand = _Errand(work)
            loop.call_soon_threadsafe(errand.begin)
        try:
            errand.ended.wait()
        except BaseException:
            with suppress(RuntimeError):  # the loop has ended: so has the work
                loop.call_soon_threadsafe(errand.cancel)
            errand.ended.wait()  # a second interrupt ends this
            raise
        return errand.result()

    def _serve(self, started: threading.Event) -> None:
        with asyncio.Runner() as runner:
            loop = self._loop = runner.get_loop()
            loop.call_soon(started.set)
            loop.run_forever()


class _Errand(Generic[R]):
    """One piece of work that a thread waits for."""

    def __init__(self, work: Coroutine[Any, Any, R]) -> None:
        self._work = work
        self._task: asyncio.Task[R] | None = None
        self.ended = threading.Event()

    def begin(self) -> None:
        self._task = asyncio.create_task(self._work)
        self._task.add_done_callback(lambda _: self.ended.set())

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def result(self) -> R:
        assert self._task is not None  # noqa: S101  (it has ended, so it began)
        if self._task.cancelled():
            raise CancelledError
        return self._task.result()
