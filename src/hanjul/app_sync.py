"""The app for programs without an event loop (Flask, Django, scripts): its loop runs in a thread, and the caller waits.

for message in app.queue("mail").consume()        the caller's thread
     |  next message, ack, nack                        ^  delivery, done
-----v-------------------------------------------------|------------------
App: async for message in queue.consume()         the thread of the loop, which also renews and settles
"""

import asyncio
import atexit
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import CancelledError
from contextlib import ExitStack
from typing import Any, Generic, Self, TypeVar, overload

from hanjul.app import App
from hanjul.clients import configured, migrated_address
from hanjul.config import Settings
from hanjul.drivers.threaded import Threaded
from hanjul.model.backoff import Retry
from hanjul.model.delivery import Delivery
from hanjul.model.delivery_sync import DeliverySync
from hanjul.model.errors import InvalidSettings
from hanjul.model.names import queue_name
from hanjul.postgres.database_sync import DatabaseSync
from hanjul.queues.client_sync import QueuesSync
from hanjul.runtime.loop_thread import LoopThread
from hanjul.runtime.queue import Queue

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class _Messages(Generic[T]):
    """One loop over messages, on the side of the event loop."""

    def __init__(self, stream: AsyncGenerator[Delivery[T], None]) -> None:
        self._stream = stream
        self._waiting: asyncio.Task[Any] | None = None

    async def next(self) -> Delivery[T]:
        """The next message; this acks the one before."""
        self._waiting = asyncio.current_task()
        try:
            return await anext(self._stream)
        finally:
            self._waiting = None

    async def close(self) -> None:
        """Fail the message that the loop is at, give back what was fetched beyond it; `next`, if it waits, is cancelled."""
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.wait({self._waiting})
        await self._stream.aclose()


class _Running:
    """The thread of an app's loop, and the loops over messages that it serves."""

    def __init__(self) -> None:
        self.thread = LoopThread("hanjul-loop")
        self.database: DatabaseSync | None = None
        self._messages: set[_Messages[Any]] = set()

    def open(self, stream: AsyncGenerator[Delivery[T], None]) -> _Messages[T]:
        messages = _Messages(stream)
        self._messages.add(messages)
        return messages

    def close(self, messages: _Messages[Any]) -> None:
        """End one loop, unless the app's end has ended it."""
        if messages in self._messages:
            self._messages.discard(messages)
            if self.thread.runs:
                self.thread.run(messages.close())

    def close_all(self) -> None:
        for messages in list(self._messages):
            self.close(messages)


class QueueSync(Generic[T]):
    """One queue of a running app; made by `app.queue`."""

    def __init__(self, app: App, name: str, into: Any, running: _Running) -> None:
        self.name, self._app, self._into, self._running = queue_name(name), app, into, running

    def consume(
        self,
        *,
        prefetch: int = 10,
        lease_s: float = 30.0,
        archive: bool = False,
        ordered: bool = False,
        retry: Retry | None = None,
    ) -> Generator[DeliverySync[T], None, None]:
        """The queue's messages, one by one: `for message in app.queue("mail").consume(): ...`, until the app is stopped.

        Each is acked when the next is asked for, and its lease is renewed meanwhile. A loop that is left by `break` or an
        exception has failed the message it was at, unless it had settled it. The arguments are those of a consumer.
        """
        handlers = Threaded(self._running.database) if self._running.database else None
        queue: Queue[T] = Queue(self._app.source, self.name, self._into, handlers=handlers)
        stream = queue.consume(prefetch=prefetch, lease_s=lease_s, archive=archive, ordered=ordered, retry=retry)
        messages, wait = self._running.open(stream), self._running.thread.run
        try:
            while True:
                yield DeliverySync(wait(messages.next()), wait)
        except CancelledError:
            return  # another thread has stopped the app
        finally:
            self._running.close(messages)


class AppSync:
    """`App` for threads, on PostgreSQL: `with hanjul.AppSync() as app: ...`. One loop, in a thread of its own, serves them all.

    A process that forks must start it in the child: threads stay behind in the parent.
    """

    def __init__(self, database_url: str | None = None, *, config: Settings | None = None) -> None:
        self._database_url, self._config = database_url, config
        self._app = App(database_url, config=config)
        self._running = _Running()
        self._queues: QueuesSync | None = None
        self._open = ExitStack()

    @property
    def queues(self) -> QueuesSync:
        """The queue client, while the app runs."""
        if self._queues is None:
            raise InvalidSettings("app.queues is there while the app runs; elsewhere: hanjul.connect_sync()")
        return self._queues

    @property
    def consumer(self) -> Callable[..., Callable[[F], F]]:
        """`@app.consumer("mail")` declares a consumer that runs beside the program, plain functions in threads: see App."""
        return self._app.consumer

    @overload
    def queue(self, name: str) -> QueueSync[Any]: ...
    @overload
    def queue(self, name: str, *, into: type[T]) -> QueueSync[T]: ...
    def queue(self, name: str, *, into: Any = Any) -> QueueSync[Any]:
        """A queue whose messages are taken in a loop of one's own, with bodies of type `into`."""
        return QueueSync(self._app, name, into, self._running)

    def start(self) -> None:
        """Start the loop and every consumer; raises QueueNotFound, SchemaMismatch, Unavailable. `with app` does it too."""
        if self._running.thread.runs:
            raise InvalidSettings("this app runs already")
        with ExitStack() as opening:
            config = configured(self._database_url, self._config)
            database = DatabaseSync(opening.enter_context(migrated_address(config)), max_connections=config.max_connections)
            queues = opening.enter_context(QueuesSync(database, max_message_bytes=config.max_message_bytes))
            opening.enter_context(self._running.thread)
            self._running.thread.run(self._app.start())
            self._open = opening.pop_all()
        self._queues, self._running.database = queues, database
        atexit.register(self.stop)  # a program that ends without a stop still gives back what it holds

    def stop(self) -> bool:
        """Stop: loops over messages end, running handlers may finish; True if none had to be cut short."""
        if not self._running.thread.runs:  # never started, stopped, or the child of a fork, to whom nothing of it belongs
            return True
        atexit.unregister(self.stop)
        with self._open:
            self._running.close_all()
            self._queues = self._running.database = None
            return self._running.thread.run(self._app.stop())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()
