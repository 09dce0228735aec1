"""One queue whose messages are taken in a loop of one's own, instead of by handlers."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from hanjul.model.backoff import Retry
from hanjul.model.delivery import Delivery
from hanjul.model.driver import Source
from hanjul.model.names import queue_name
from hanjul.runtime.handlers import Handler
from hanjul.runtime.spec import ConsumerSpec
from hanjul.runtime.stream import stream

T = TypeVar("T")


class Queue(Generic[T]):
    """One queue of a running app; made by `app.queue`."""

    def __init__(self, source: Callable[..., Awaitable[Source]], name: str, into: Any, **how: Any) -> None:
        """source: makes the source of a queue.  how: what else it is told."""
        self.name, self._source, self._into, self._how = queue_name(name), source, into, how

    async def consume(
        self,
        *,
        prefetch: int = 10,
        lease_s: float = 30.0,
        archive: bool = False,
        ordered: bool = False,
        retry: Retry | None = None,
    ) -> AsyncGenerator[Delivery[T], None]:
        """The queue's messages, one by one: `async for message in app.queue("mail").consume(): ...`.

        Each is acked when the next is asked for, and its lease is renewed meanwhile. A loop that is left by `break` or an
        exception has failed the message it was at, unless it had settled it. The arguments are those of a consumer.
        """

        def spec(handler: Handler) -> ConsumerSpec:
            handler.into = self._into
            how = {"prefetch": prefetch, "lease_s": lease_s, "archive": archive, "ordered": ordered}
            return ConsumerSpec(self.name, handler, retry=retry or Retry(), **how)  # type: ignore[arg-type]  # each by its name

        source = await self._source(self.name, archive=archive, ordered=ordered, **self._how)
        async with aclosing(stream(source, spec)) as deliveries:
            async for delivery in deliveries:
                yield delivery
