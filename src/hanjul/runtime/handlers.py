"""The user's function: what it wants to be given, and how it is run. The one place where a sync function gets a thread."""

import asyncio
import inspect
import logging
import typing
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from hanjul.model.delivery import Delivery
from hanjul.model.errors import InvalidSettings
from hanjul.runtime.threads import Ending, RaisedInThread, Threads

_log = logging.getLogger("hanjul.consumer")

Run = Callable[[Any], Awaitable[object]]
LeftBehind = dict[asyncio.Task[Any] | None, "asyncio.Future[Ending]"]


class Handler:
    """A function made ready for the loop.

    The parameter's annotation decides what it is given: `Delivery`, `Delivery[T]` (of jobs `Job[T]`) the delivery,
    anything else the body as that type (no annotation: plain JSON data). Raises InvalidSettings for a function that
    cannot be called so.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.name = getattr(function, "__qualname__", repr(function))
        if _is(inspect.isgeneratorfunction, function) or _is(inspect.isasyncgenfunction, function):
            raise InvalidSettings(f"handler {self.name} yields: called, it would do nothing; return instead")
        self.is_async = _is(inspect.iscoroutinefunction, function)
        self.wants_delivery, self.into = _wanted(function, self.name)

    def give_up(self, argument: Any) -> None:
        """Nobody waits any more for the call with this argument; a thread cannot be stopped."""

    def close(self) -> None:
        """Let go of what it holds between calls."""

    def runner(self, threads: int) -> "Runner":
        """What runs it in one consumer, which may run `threads` of it at once."""
        return Runner(self, threads)


PATIENCE_S = 1.0
"""How long a thread may work on a call that was given up before it is reported."""


class Runner:
    """Runs a handler: a coroutine in place, a plain function in a thread of the consumer's own.

    left_behind: the calls, by worker, that were given up while their threads still work on them; see `rest`.
    """

    def __init__(self, handler: Handler, threads: int, left_behind: LeftBehind | None = None) -> None:
        self._handler = handler
        self._threads = None if handler.is_async else Threads(threads, f"hanjul-{handler.name}")
        self._checks_body = handler.wants_delivery and handler.into is not Any
        self.run: Run = handler.function if handler.is_async else self._in_thread
        self.left_behind = {} if left_behind is None else left_behind

    def close(self) -> None:
        """Start nothing more; threads that still run end when their function returns."""
        if self._threads is not None:
            self._threads.close()
        self._handler.close()

    def argument(self, delivery: Delivery[Any]) -> Any:
        """What the function is called with; raises InvalidMessage if the body is not of the type that it asks for."""
        if not self._handler.wants_delivery:
            return delivery.body
        if self._checks_body:
            _ = delivery.body
        return delivery

    async def rest(self, delivery: Delivery[Any]) -> None:
        """Wait for the thread in which this worker gave up to handle the delivery: never more than its share are busy."""
        if (call := self.left_behind.get(worker := asyncio.current_task())) is None:
            return
        try:
            done, _ = await asyncio.wait({call}, timeout=PATIENCE_S)
            if not done:
                _log.warning("handler %s was given up, and runs on in its thread: one worker less", self._handler.name,
                             extra=delivery.log_fields)  # fmt: skip
            await asyncio.wait({call})
        finally:
            del self.left_behind[worker]

    async def _in_thread(self, argument: Any) -> object:
        assert self._threads is not None  # noqa: S101  (only chosen with threads)
        call = self._threads.call(self._handler.function, argument)
        try:
            result, error = await asyncio.shield(call)
        except asyncio.CancelledError:
            self._handler.give_up(argument)
            self.left_behind[asyncio.current_task()] = call
            raise
        if isinstance(error, KeyboardInterrupt | GeneratorExit):  # the function's own: Ctrl-C arrives in the main thread
            raise RaisedInThread(error)
        if error is not None:
            raise error
        return await result if inspect.isawaitable(result) else result


def _is(kind: Callable[[Any], bool], function: Callable[[Any], Any]) -> bool:
    """Whether the function, or the object that is called like one, is of this kind."""
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004  (its code is looked at)


def _wanted(function: Callable[[Any], Any], name: str) -> tuple[bool, Any]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
        hints = typing.get_type_hints(_annotated(function))
    except (TypeError, ValueError, NameError) as error:
        raise InvalidSettings(f"handler {name}: its signature cannot be read: {error}") from error
    required = [p for p in parameters if p.default is p.empty and p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}]
    if not parameters or len(required) > 1 or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise InvalidSettings(f"handler {name} must take one argument, the message body or a Delivery; it takes {parameters}")
    annotation = hints.get(parameters[0].name, Any)
    kind = typing.get_origin(annotation) or annotation
    if isinstance(kind, type) and issubclass(kind, Delivery):
        return True, (typing.get_args(annotation) or (Any,))[0]
    return False, annotation


def _annotated(function: Any) -> Any:
    """Where the annotations are: behind partial, and on an object's `__call__`."""
    while isinstance(function, partial):
        function = function.func
    return function if inspect.isroutine(function) or inspect.isclass(function) else type(function).__call__
