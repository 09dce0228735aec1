"""Topics: one send that reaches every queue bound to a pattern. topics_sync.py is made from this file."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from hanjul.model.database import Database
from hanjul.queues import topic_calls
from hanjul.queues.calls import delay_s, moment
from hanjul.queues.encoding import Encoding
from hanjul.queues.rows import Route, TopicBinding


class Topics:
    """The topics of a queue client, as `queues.topics`.

    A routing key is words with dots, `orders.eu.paid`. A pattern is the same with `*` for one word and `#` for any rest;
    `logs.#` does not match `logs`. Raises BadInput for keys and patterns that cannot be.
    """

    def __init__(self, database: Database, encoding: Encoding) -> None:
        self._database, self._encoding = database, encoding

    async def bind(self, pattern: str, queue: str) -> None:
        """Let the queue get what is sent with keys that match; doing it twice is no more. Raises BadInput if it is missing."""
        await self._database.rows(topic_calls.bind(pattern, queue))

    async def unbind(self, pattern: str, queue: str) -> bool:
        """Take a binding back; False if there was none."""
        [unbound] = await self._database.rows(topic_calls.unbind(pattern, queue))
        return unbound

    async def bindings(self, queue: str | None = None) -> Sequence[TopicBinding]:
        """All bindings, or those of one queue; the newest first."""
        call = topic_calls.bindings() if queue is None else topic_calls.bindings_of(queue)
        return await self._database.rows(call)

    async def routes(self, routing_key: str) -> Sequence[Route]:
        """Which queues a key would reach, and by which pattern."""
        return await self._database.rows(topic_calls.routes(routing_key))

    async def send(
        self,
        routing_key: str,
        message: object,
        *,
        headers: Mapping[str, Any] | None = None,
        delay: float | timedelta | datetime = 0,
        tx: object = None,
    ) -> Mapping[str, int]:
        """Send one message to every queue that is bound, in one commit: queue -> its msg_id there; empty if none is.

        delay: whole seconds (a part of one is rounded up), or the moment, until which nobody sees it.
        """
        sent = await self.send_batch(routing_key, [message], headers=[headers], delay=delay, tx=tx)
        return {queue: msg_id for queue, [msg_id] in sent.items()}

    async def send_batch(
        self,
        routing_key: str,
        messages: Iterable[object],
        *,
        headers: Iterable[Mapping[str, Any] | None] | None = None,
        delay: float | timedelta | datetime = 0,
        tx: object = None,
    ) -> Mapping[str, Sequence[int]]:
        """Send messages to every queue that is bound, in one commit: queue -> their msg_ids there, in their order."""
        bodies, heads = self._encoding.batch(messages, headers)
        texts = [None if head is None else head.decode() for head in heads]
        given = routing_key, [body.decode() for body in bodies], texts
        if isinstance(delay, datetime):
            call = topic_calls.send_at(*given, moment("delay", delay))
        else:
            call = topic_calls.send(*given, ceil(delay_s(delay)))
        sent: dict[str, list[int]] = {}
        for queue, msg_id in await self._database.rows(call, tx=tx):
            sent.setdefault(queue, []).append(msg_id)
        return sent
