"""Jobs in processes: for work that keeps a CPU busy, or may crash. A job that is given up is stopped: its process is killed.

    worker (event loop) -> thread, which waits -> child process: function(payload)
              ^  outcome                ^ progress, result, error       |
              '-------------------------'-------------------------------'

What travels is JSON, both ways. A child serves one job after the other; it ends with its parent, however that ends.
"""

import asyncio
import inspect
import logging
import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Awaitable, Callable
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from hanjul.model.errors import HanjulError, Unavailable
from hanjul.model.job import TOLD, Job
from hanjul.model.outcome import Ack, Nack, Outcome, Reject, Release
from hanjul.model.payload import encoded
from hanjul.runtime.handlers import Handler

_log = logging.getLogger("hanjul.jobs")
_spawn = multiprocessing.get_context("spawn")

START_S = 60.0
"""How long a child may take to import what its function needs."""
ENDING_S = 2.0
"""How long a child that has hung up may take to end by itself, and to say why on its way, before it is killed."""


class _Request(msgspec.Struct):
    queue: str
    id: str
    kind: str
    attempt: int
    fence: int
    max_retries: int
    timeout_s: float | None
    created_at: datetime
    key: str | None
    raw: str | None
    metadata: str | None


class _Ready(msgspec.Struct, tag="ready"):
    pass


class _Progress(msgspec.Struct, tag="progress"):
    fraction: float
    note: str | None


class _Done(msgspec.Struct, tag="done"):
    result: str | None


class _Steered(msgspec.Struct, tag="steered"):
    outcome: str
    reason: str
    delay_s: float | None


class _Failed(msgspec.Struct, tag="failed"):
    reason: str
    trace: str


_encode = msgspec.json.Encoder().encode
_request = msgspec.json.Decoder(_Request)
_reply = msgspec.json.Decoder(_Ready | _Progress | _Done | _Steered | _Failed)


class _Turn:
    """One job's stay here: who works on it, and whether anybody still waits for it."""

    __slots__ = ("child", "given_up")

    def __init__(self) -> None:
        self.child: _Child | None = None
        self.given_up = False


class ProcessHandler(Handler):
    """A handler of jobs that runs its function in child processes, one for each job that runs at once.

    A job can be given up at any moment: before its thread has begun, while its child starts, while it runs. So each has
    a turn, made by whoever comes first, the thread or `give_up`. The lock is held for moments only, never while a child
    starts or ends, because the event loop takes it too.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__(function)
        self._target, self._target_wants_job = self.function, self.wants_delivery
        self.function, self.is_async, self.wants_delivery = self._run, False, True
        self._idle: list[_Child] = []
        self._turns: WeakKeyDictionary[Job[Any], _Turn] = WeakKeyDictionary()
        self._closings = 0
        self._lock = threading.Lock()

    def give_up(self, argument: Any) -> None:
        """Kill the process that works on the job; if none does yet, none will."""
        with self._lock:
            turn = self._turns.setdefault(argument, _Turn())
            turn.given_up = True
            if turn.child is not None:
                turn.child.kill()  # under the lock: a moment later it may work on another job

    def close(self) -> None:
        """End the children that have nothing to do, and the others when they have done their job."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._closings += 1
        for child in idle:
            child.kill()
        if idle:
            threading.Thread(target=_end, args=(idle,), name="hanjul-end", daemon=True).start()  # this may be the event loop

    def _run(self, job: Job[Any]) -> Outcome:
        with self._lock:
            turn, closings = self._turns.setdefault(job, _Turn()), self._closings
        if turn.given_up:
            raise Release
        child = self._take()
        try:
            self._give(turn, child)
            outcome = self._watch(child, job)
        except (EOFError, OSError):
            raise Nack(f"its process ended: {child.ending()}") from None
        except BaseException:
            child.end()
            raise
        finally:
            with self._lock:
                turn.child = None
        self._put_back(child, fit=not turn.given_up, closings=closings)
        return outcome

    def _take(self) -> "_Child":
        while True:
            with self._lock:
                child = self._idle.pop() if self._idle else None
            if child is None:
                return _Child(self._target, self.into, wants_job=self._target_wants_job)
            if child.is_fit():
                return child
            child.end()

    def _give(self, turn: _Turn, child: "_Child") -> None:
        with self._lock:
            turn.child = child
            if turn.given_up:
                child.kill()

    def _put_back(self, child: "_Child", *, fit: bool, closings: int) -> None:
        with self._lock:
            if fit := fit and closings == self._closings:
                self._idle.append(child)
        if not fit:
            child.end()

    def _watch(self, child: "_Child", job: Job[Any]) -> Outcome:
        child.ask(job)
        while isinstance(reply := child.hear(), _Progress):
            _record(job, reply)
        if isinstance(reply, _Done):
            return Ack(reply.result)
        if isinstance(reply, _Steered):
            return _outcome(reply)
        if isinstance(reply, _Failed):
            _log.warning("job %s of kind %r, attempt %d failed in its process:\n%s", job.id, job.kind, job.attempt, reply.trace,
                         extra=job.log_fields)  # fmt: skip
            return Nack(reply.reason)
        raise AssertionError(f"a child said {reply}")


class _Child:
    """One process, from the side of its parent."""

    def __init__(self, function: Callable[[Any], Any], into: Any, *, wants_job: bool) -> None:
        self._connection, theirs = _spawn.Pipe()
        self._process = _spawn.Process(target=_serve, args=(theirs, function, into, wants_job), daemon=True, name="hanjul-job")
        self._process.start()
        theirs.close()
        self._is_ready = False

    def is_fit(self) -> bool:
        """Whether it lives, and keeps silent, as one does that has nothing to do."""
        return self._process.is_alive() and not self._connection.poll()

    def ask(self, job: Job[Any]) -> None:
        """Give it a job, once it is ready. Raises EOFError or OSError if it has ended, Nack if it does not get ready."""
        if not self._is_ready:
            self._wait_until_ready()
        request = _Request(
            job.queue, job.id, job.kind, job.attempt, job.fence, job.max_retries, job.timeout_s,
            job.enqueued_at, job.key, job.raw, job.metadata_text,
        )  # fmt: skip
        self._connection.send_bytes(_encode(request))

    def _wait_until_ready(self) -> None:
        if not self._connection.poll(START_S):
            raise Nack(f"its process was not ready within {START_S:g} s")
        self._is_ready = isinstance(self.hear(), _Ready)

    def hear(self) -> Any:
        return _reply.decode(self._connection.recv_bytes())

    def kill(self) -> None:
        """Returns at once."""
        self._process.kill()

    def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self._process.kill()
        self._process.join()

    def ending(self) -> str:
        """How it ended, of one that has hung up."""
        self._process.join(ENDING_S)
        self.end()
        code = self._process.exitcode
        told = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        return told if self._is_ready else f"{told}, before it was ready"


def _end(children: list[_Child]) -> None:
    for child in children:
        child.end()


def _record(job: Job[Any], progress: _Progress) -> None:
    try:
        job.progress(progress.fraction, progress.note)
    except Unavailable as error:  # the work is worth more than word of it, and the lease is kept elsewhere
        _log.warning("job %s: progress is not recorded: %s", job.id, error, extra=job.log_fields)


def _outcome(reply: _Steered) -> Outcome:
    match reply.outcome:
        case "Nack":
            return Nack(reply.reason, delay_s=reply.delay_s)
        case "Release":
            return Release(delay_s=reply.delay_s or 0.0, reason=reply.reason)
        case "Reject":
            return Reject(reply.reason)
    return Ack()


def _serve(connection: Connection, function: Callable[[Any], Any], into: Any, wants_job: bool) -> None:
    """The child: one job after the other, until its parent is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they reach the whole group; the parent decides
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    connection.send_bytes(_encode(_Ready()))
    while True:
        try:
            request = _request.decode(connection.recv_bytes())
            connection.send_bytes(_encode(_answer(connection, request, function, into, wants_job=wants_job)))
        except (EOFError, BrokenPipeError):
            return


def _answer(connection: Connection, request: _Request, function: Callable[[Any], Any], into: Any, *, wants_job: bool) -> Any:
    def tell(_job: Job[Any], fraction: float, note: str | None) -> Awaitable[None]:
        connection.send_bytes(_encode(_Progress(fraction, note and _plain(note))))
        return TOLD

    job: Job[Any] = Job(
        request.queue, request.id, kind=request.kind, attempt=request.attempt, fence=request.fence,
        max_retries=request.max_retries, timeout_s=request.timeout_s, created_at=request.created_at, key=request.key,
        raw=request.raw, metadata=request.metadata, lease_until=float("inf"), tell=tell,
    )  # fmt: skip
    job.read_as(into)
    try:
        result = function(job if wants_job else job.body)
        if inspect.isawaitable(result):
            result = asyncio.run(_awaited(result))
        if isinstance(result, Outcome):
            raise result
        return _Done(None if result is None else encoded(result).decode())
    except Ack as done:
        return _acked(done.result)
    except Outcome as outcome:
        return _Steered(type(outcome).__name__, _plain(getattr(outcome, "reason", "")), getattr(outcome, "delay_s", None))
    except HanjulError as error:
        return _Failed(_plain(error), _plain(traceback.format_exc()))
    except BaseException as error:  # noqa: BLE001  (whatever it raises, sys.exit() too, means that it failed)
        return _Failed(f"{type(error).__name__}: {_plain(error)}", _plain(traceback.format_exc()))


def _acked(result: object) -> Any:
    if result is None or (isinstance(result, str) and _plain(result) == result):
        return _Done(result)
    return _Failed(f"Ack(result) takes JSON text, not {_plain(ascii(result))[:200]}", "")


def _plain(said: object) -> str:
    """What of it can be sent: an error may have no text, or one that is no Unicode."""
    try:
        return str(said).encode("utf-8", "backslashreplace").decode()
    except Exception as error:  # noqa: BLE001  (a __str__ of the user's)
        return f"({type(error).__name__} in its text)"


async def _awaited(result: Awaitable[Any]) -> Any:
    return await result


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101  (a child has one)
    parent.join()
    os._exit(1)
