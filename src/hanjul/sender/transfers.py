"""The thread of libcurl: runs any number of transfers at once, on one multi handle and one selector.

    event loop                                 thread
    run(hop) -> _inbox, one wake-up     ->     starts what has come, sees to the sockets that are ready
    results  <- _outbox, one call_soon  <-     what has ended

Both ways go many at once: while the other side has not looked, what comes after the first costs no more than an append.
The thread alone touches libcurl. It never ends by itself: what fails, fails the transfers that it was about.
"""

import asyncio
import contextlib
import logging
import selectors
import socket
import threading
import time
from collections import deque
from typing import Any

import pycurl

from hanjul.sender.guard import Guard
from hanjul.sender.limits import SenderLimits
from hanjul.sender.options import Options, collect
from hanjul.sender.transfer import Hop, Transfer

_log = logging.getLogger("hanjul.net")

CLOSED = "the sender was closed"
_PAUSE_S = 0.1
"""After a failure that is not about one request."""
_IDLE_HANDLES = 256
"""Handles kept for the next transfers."""
_EVENTS = {
    pycurl.POLL_IN: selectors.EVENT_READ,
    pycurl.POLL_OUT: selectors.EVENT_WRITE,
    pycurl.POLL_INOUT: selectors.EVENT_READ | selectors.EVENT_WRITE,
}
_READY = {
    selectors.EVENT_READ: pycurl.CSELECT_IN,
    selectors.EVENT_WRITE: pycurl.CSELECT_OUT,
    selectors.EVENT_READ | selectors.EVENT_WRITE: pycurl.CSELECT_IN | pycurl.CSELECT_OUT,
}


class Transfers:
    """limits.concurrency transfers are on their way at once; what comes beyond waits, and its time has not begun."""

    def __init__(self, limits: SenderLimits, guard: Guard) -> None:
        self._options = Options(limits, guard)
        self._concurrency = limits.concurrency
        self._inbox: deque[tuple[Transfer, bool]] = deque()  # and whether it starts, or is given up
        self._outbox: deque[Transfer] = deque()
        self._called = self._told = False
        self._closing = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="hanjul-net", daemon=True)
        self._thread.start()

    async def run(self, hop: Hop) -> Transfer:
        """Run it to its end, whatever that is. If this call is cancelled, the transfer is given up."""
        transfer = Transfer(hop, self._loop.create_future())
        if self._closing.is_set():
            transfer.lost, transfer.closed = CLOSED, True
            return transfer
        self._put(transfer, starts=True)
        try:
            await transfer.done
        except asyncio.CancelledError:
            self._put(transfer, starts=False)
            raise
        return transfer

    async def close(self, timeout_s: float = 2.0) -> bool:
        """End everything; what was on its way is lost. False if the thread has not ended within timeout_s."""
        self._closing.set()
        self._ring()
        await asyncio.to_thread(self._thread.join, timeout_s)
        self._deliver()
        self._bell.close()
        return not self._thread.is_alive()

    def _put(self, transfer: Transfer, *, starts: bool) -> None:
        self._inbox.append((transfer, starts))
        if not self._called:
            self._called = True
            self._ring()

    def _ring(self) -> None:
        with contextlib.suppress(OSError):  # full: it is ringing; closed: nobody is there
            self._bell.send(b"!")

    def _deliver(self) -> None:
        self._told = False
        while self._outbox:
            done = self._outbox.popleft().done
            if not done.done():
                done.set_result(None)

    # what follows runs in the thread

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                engine = _Engine(self._options, self._concurrency, self._ear)
            except Exception as error:  # noqa: BLE001  (told to all who wait for it; later ones may have more luck)
                self._lose_what_waits(f"the sender failed: {type(error).__name__}: {error}")
                self._closing.wait(_PAUSE_S)
            else:
                self._work(engine)
        self._lose_what_waits(CLOSED, closed=True)
        self._ear.close()

    def _work(self, engine: "_Engine") -> None:
        """Run transfers until the end, or until something fails that is not one of them."""
        try:
            self._called = False  # an engine before this one may have heard the bell, and failed before it looked
            self._take(engine)
            self._tell(engine.ended())
            while not self._closing.is_set():
                if engine.turn():
                    self._called = False
                self._take(engine)
                self._tell(engine.ended())
            self._tell(engine.lose(CLOSED, closed=True))
        except Exception as error:  # noqa: BLE001  (logged, and told to all whom it is about; others must go on)
            _log.exception("the thread of HTTP requests failed; what was on its way has failed, and it goes on")
            self._tell(engine.lose(f"the sender failed: {type(error).__name__}: {error}"))
        engine.close()  # libcurl waits for names that are being looked up: nobody else needs to

    def _take(self, engine: "_Engine") -> None:
        while self._inbox:
            transfer, starts = self._inbox.popleft()
            if starts:
                engine.add(transfer)
            else:
                engine.remove(transfer)

    def _tell(self, ended: list[Transfer]) -> None:
        if ended:
            self._outbox.extend(ended)
            if not self._told:
                self._told = True
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    self._loop.call_soon_threadsafe(self._deliver)

    def _lose_what_waits(self, why: str, *, closed: bool = False) -> None:
        self._called = False
        while self._inbox:
            transfer, starts = self._inbox.popleft()
            if starts:
                transfer.lost, transfer.closed = why, closed
                self._tell([transfer])


class _Engine:
    """One multi handle and its selector."""

    def __init__(self, options: Options, concurrency: int, ear: socket.socket) -> None:
        self._options, self._concurrency, self._ear = options, concurrency, ear
        self._selector = selectors.DefaultSelector()
        self._selector.register(ear, selectors.EVENT_READ)
        self._watched: dict[int, int] = {}
        self._due: float | None = None
        self._running: dict[Any, Transfer] = {}
        self._handles: dict[Transfer, Any] = {}
        self._waiting: deque[Transfer] = deque()
        self._idle: list[Any] = []
        self._ended: list[Transfer] = []
        self._multi = multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        multi.setopt(pycurl.M_MAX_TOTAL_CONNECTIONS, concurrency)
        multi.setopt(pycurl.M_MAXCONNECTS, concurrency)

    def turn(self) -> bool:
        """Wait until something is to be done for a socket, a timer or the caller, and do it; whether the bell has rung."""
        rung = False
        act = self._multi.socket_action
        timeout_s = None if self._due is None else max(0.0, self._due - time.monotonic())
        for key, events in self._selector.select(timeout_s):
            if key.fileobj is self._ear:
                self._ear.recv(4096)
                rung = True
            else:
                act(key.fd, _READY[events])
        if self._due is not None and self._due <= time.monotonic():
            self._due = None
            act(pycurl.SOCKET_TIMEOUT, 0)
        return rung

    def add(self, transfer: Transfer) -> None:
        """Start it, or let it wait until another has ended."""
        if len(self._running) >= self._concurrency:
            self._waiting.append(transfer)
            return
        curl = self._idle.pop() if self._idle else pycurl.Curl()
        try:
            self._options.apply(curl, transfer)
            self._multi.add_handle(curl)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is about this request)
            curl.close()
            transfer.lost = f"libcurl cannot send this request: {error}"
            self._ended.append(transfer)
        else:
            self._running[curl] = transfer
            self._handles[transfer] = curl

    def remove(self, transfer: Transfer) -> None:
        """Give it up, if it has not ended."""
        curl = self._handles.get(transfer)
        if curl is not None:
            self._forget(curl)
        else:
            with contextlib.suppress(ValueError):
                self._waiting.remove(transfer)

    def ended(self) -> list[Transfer]:
        """What has ended since the last time; others take its place."""
        more = 1
        while more:
            more, good, bad = self._multi.info_read()
            for curl in good:
                self._finish(curl, 0, "")
            for curl, code, detail in bad:
                self._finish(curl, code, detail)
        while self._waiting and len(self._running) < self._concurrency:
            self.add(self._waiting.popleft())
        ended, self._ended = self._ended, []
        return ended

    def lose(self, why: str, *, closed: bool = False) -> list[Transfer]:
        """Everything that has not been told yet; what has not ended is lost."""
        lost = [*self._running.values(), *self._waiting]
        for transfer in lost:
            transfer.lost, transfer.closed = why, closed
        return self._ended + lost

    def close(self) -> None:
        """End all that is on its way, and close."""
        for curl in self._running:
            with contextlib.suppress(pycurl.error):
                self._multi.remove_handle(curl)
        with contextlib.suppress(pycurl.error):
            self._multi.close()
        self._selector.close()

    def _finish(self, curl: Any, code: int, detail: str) -> None:
        transfer = self._running[curl]
        transfer.code, transfer.detail = code, detail
        collect(curl, transfer)
        self._forget(curl)
        self._ended.append(transfer)

    def _forget(self, curl: Any) -> None:
        self._multi.remove_handle(curl)
        del self._handles[self._running.pop(curl)]
        curl.reset()  # what it holds of the transfer must not live until it is used again
        if len(self._idle) < _IDLE_HANDLES:
            self._idle.append(curl)
        else:
            curl.close()

    def _watch(self, what: int, fd: int, *_: Any) -> None:
        """libcurl says what it wants to know of a socket."""
        events, watched = _EVENTS.get(what, 0), self._watched.get(fd, 0)
        if events == watched:
            return
        if not events:
            del self._watched[fd]
            self._selector.unregister(fd)
        elif watched:
            self._watched[fd] = events
            self._selector.modify(fd, events)
        else:
            self._watched[fd] = events
            self._selector.register(fd, events)

    def _set_timer(self, timeout_ms: int) -> None:
        self._due = None if timeout_ms < 0 else time.monotonic() + timeout_ms / 1000
