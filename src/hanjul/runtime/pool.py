"""The workers of one consumer: each takes the next buffered delivery, runs the handler, and says how it ended."""

import asyncio
import logging
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from hanjul.model.delivery import Delivery
from hanjul.model.errors import InvalidMessage
from hanjul.model.outcome import Ack, Nack, Outcome, Reject, Release
from hanjul.runtime.handlers import Runner
from hanjul.runtime.threads import RaisedInThread

_log = logging.getLogger("hanjul.consumer")

DONE = Ack()
"""How handlers end that return: one for all, because as many as are fetched may wait to be settled."""
TURN = 32
"""Deliveries that a worker handles before it lets the event loop turn, should its handler never wait."""


class Pool:
    """A bounded buffer's way out: `concurrency` workers over one deque.

    timeout_s: how long the handler of a delivery may take.
    ended: is told how a delivery ended; None if it was lost meanwhile, so that there is nothing to settle.
    """

    def __init__(
        self,
        runner: Runner,
        concurrency: int,
        timeout_s: Callable[[Delivery[Any]], float | None],
        ended: Callable[[Delivery[Any], Outcome | None], None],
    ) -> None:
        self._runner, self._concurrency, self._timeout_s, self._ended = runner, concurrency, timeout_s, ended
        self._buffer: deque[Delivery[Any]] = deque()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._running: dict[Delivery[Any], asyncio.Task[None]] = {}
        self._broken_off: dict[Delivery[Any], Outcome | None] = {}
        self._closed = self._cut = False
        self.workers: set[asyncio.Task[None]] = set()

    @property
    def buffered(self) -> int:
        """Deliveries that no worker has taken yet."""
        return len(self._buffer)

    @property
    def running(self) -> int:
        """Handlers that run."""
        return len(self._running)

    def start(self) -> None:
        """Start the workers."""
        self.workers = {asyncio.create_task(self._work()) for _ in range(self._concurrency)}

    def put(self, deliveries: Iterable[Delivery[Any]]) -> None:
        """Buffer deliveries, and wake as many workers as there is work for."""
        self._buffer.extend(deliveries)
        for _ in range(min(len(self._buffer), len(self._idle))):
            _wake(self._idle.popleft())

    def lose(self, delivery: Delivery[Any]) -> None:
        """The lease is lost: cancel the handler, once, or forget the delivery if it has not started."""
        self._break_off(delivery, None)

    def cancel(self, delivery: Delivery[Any]) -> None:
        """Somebody wants it to end: the same, and it is settled as cancelled, unless the handler ends otherwise."""
        self._break_off(delivery, Reject("cancelled on request", kind="cancelled"))

    def _break_off(self, delivery: Delivery[Any], outcome: Outcome | None) -> None:
        if delivery in self._running:
            if delivery not in self._broken_off:
                self._running[delivery].cancel()
            if outcome is None or delivery not in self._broken_off:  # lost is lost, whatever was wanted
                self._broken_off[delivery] = outcome
        elif delivery in self._buffer:
            self._buffer.remove(delivery)
            self._ended(delivery, outcome)

    def close(self) -> list[Delivery[Any]]:
        """Start nothing more; what was buffered. The workers end with the handlers that they run."""
        self._closed = True
        left = list(self._buffer)
        self._buffer.clear()
        while self._idle:
            _wake(self._idle.popleft())
        return left

    def cut(self) -> None:
        """Cancel the handlers that run, once; their deliveries are released. After `close`."""
        if not self._cut:
            self._cut = True
            for worker in self.workers:
                worker.cancel()

    async def _work(self) -> None:
        worker = asyncio.current_task()
        assert worker is not None  # noqa: S101  (a worker is a task)
        turn = 0
        while not self._closed:
            if not self._buffer:
                idle = asyncio.get_running_loop().create_future()
                self._idle.append(idle)
                await idle
                continue
            delivery = self._buffer.popleft()
            self._ended(delivery, await self._handle(delivery, worker))
            if self._runner.left_behind:
                await self._runner.rest(delivery)
            turn += 1
            if turn % TURN == 0:
                await asyncio.sleep(0)

    async def _handle(self, delivery: Delivery[Any], worker: "asyncio.Task[None]") -> Outcome | None:
        """How the delivery ended; None if its lease was lost before or while it was handled."""
        if delivery.lease_until <= time.monotonic():
            return None
        self._running[delivery] = worker
        try:
            return await self._run(delivery)
        except asyncio.CancelledError:
            if worker.cancelling() and not self._cut and delivery not in self._broken_off:
                self._ended(delivery, Release())  # somebody ends our task, as asyncio.run does at its end
                raise
            return self._cancelled(delivery)
        finally:
            del self._running[delivery]
            self._broken_off.pop(delivery, None)
            if worker.cancelling():
                _forgive(worker)

    def _cancelled(self, delivery: Delivery[Any]) -> Outcome | None:
        if delivery in self._broken_off:
            return self._broken_off[delivery]
        if self._cut:
            return Release()
        return Nack("CancelledError: the handler was cancelled from within")

    async def _run(self, delivery: Delivery[Any]) -> Outcome:
        try:
            argument = self._runner.argument(delivery)
        except Outcome as outcome:
            return outcome
        except Exception as error:  # noqa: BLE001  (a type of the user's may refuse a body with anything)
            return Reject(str(error) if isinstance(error, InvalidMessage) else _told(error), kind="decode_error")
        try:
            if (timeout_s := self._timeout_s(delivery)) is None:
                result = await self._runner.run(argument)
            else:
                result = await self._within(argument, timeout_s)
        except Outcome as outcome:
            return outcome
        except (asyncio.CancelledError, GeneratorExit):  # in our thread: it is we who are to end
            raise
        except BaseException as raised:  # whatever a handler raises, sys.exit() too, means that it failed
            if isinstance(raised, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                raise  # nobody else looks after Ctrl-C here: it may be that
            failure = raised.error if isinstance(raised, RaisedInThread) else raised
            _log.warning("queue %r, message %s, attempt %d failed", delivery.queue, delivery.id, delivery.attempt,
                         exc_info=failure, extra=delivery.log_fields)  # fmt: skip
            return Nack(_told(failure))
        return result if isinstance(result, Outcome) else DONE

    async def _within(self, argument: Any, timeout_s: float) -> object:
        try:
            async with asyncio.timeout(timeout_s) as limit:
                return await self._runner.run(argument)
        except TimeoutError:
            if limit.expired():
                raise Nack(f"timeout: the handler took longer than {timeout_s:g} s") from None
            raise


def _told(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001  (an error that cannot say what it is)
        return type(error).__name__


def _forgive(worker: "asyncio.Task[None]") -> None:
    """Take our cancellations back: the worker goes on, and the next handler must not see them."""
    while worker.uncancel():
        pass


def _wake(idle: "asyncio.Future[None]") -> None:
    if not idle.done():
        idle.set_result(None)
