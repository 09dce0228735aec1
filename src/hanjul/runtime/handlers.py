"""The user's function: what it wants to be given, and how it is run. The one place where a sync function gets a thread."""

import asyncio
import inspect
import typing
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

from hanjul.model.delivery import Delivery
from hanjul.model.errors import InvalidSettings

Run = Callable[[Any], Awaitable[object]]


class Handler:
    """A function made ready for the loop.

    The parameter's annotation decides what it is given: `Delivery` or `Delivery[T]` the delivery, anything else the
    body as that type (no annotation: plain JSON data). Raises InvalidSettings for a function that cannot be called so.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.name = getattr(function, "__qualname__", repr(function))
        self.is_async = inspect.iscoroutinefunction(function)
        self.wants_delivery, self.into = _wanted(function, self.name)

    def runner(self, threads: int) -> "Runner":
        """What runs it in one consumer, which may run `threads` of it at once."""
        return Runner(self, threads)


class Runner:
    """Runs a handler: a coroutine in place, a plain function in a thread of the consumer's own pool."""

    def __init__(self, handler: Handler, threads: int) -> None:
        self._handler = handler
        self._threads = None if handler.is_async else ThreadPoolExecutor(threads, f"hanjul-{handler.name}")
        self.run: Run = handler.function if self._threads is None else self._in_thread

    def close(self) -> None:
        """Start nothing more; threads that still run end when their function returns."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def argument(self, delivery: Delivery[Any]) -> Any:
        """What the function is called with; raises InvalidMessage if the body is not of its type."""
        if self._handler.wants_delivery:
            return delivery
        return delivery.body

    async def _in_thread(self, argument: Any) -> object:
        run = partial(copy_context().run, self._handler.function, argument)
        return await asyncio.get_running_loop().run_in_executor(self._threads, run)


def _wanted(function: Callable[[Any], Any], name: str) -> tuple[bool, Any]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
        hints = typing.get_type_hints(function)
    except (TypeError, ValueError, NameError) as error:
        raise InvalidSettings(f"handler {name}: its signature cannot be read: {error}") from error
    required = [p for p in parameters if p.default is p.empty and p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}]
    if not parameters or len(required) > 1 or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise InvalidSettings(f"handler {name} must take one argument, the message body or a Delivery; it takes {parameters}")
    annotation = hints.get(parameters[0].name, Any)
    if annotation is Delivery:
        return True, Any
    if typing.get_origin(annotation) is Delivery:
        return True, typing.get_args(annotation)[0]
    return False, annotation
