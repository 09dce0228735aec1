"""A producer: every form of sending, delays, and transactions that commit or roll back."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tests.torture.journal import Journal
from tests.torture.messages import body_of, checksum, headers_of
from tests.torture.scene import GROUPED, IN_GROUPS, LEASED, ORDERED, PARKED_S, PARTITIONED, QUEUES, ROUTES, TOPICS, WORKED, Scene
from tests.torture.session import NOW, Lost, Session, Undo

SEND = "select * from pgmq.send(%s, %s::jsonb, %s::jsonb) s (msg_id)"
SEND_DELAY = "select * from pgmq.send(%s, %s::jsonb, %s::jsonb, %s::integer) s (msg_id)"
SEND_AT = f"select * from pgmq.send(%s, %s::jsonb, %s::jsonb, to_timestamp({NOW} + %s)) s (msg_id)"
SEND_BATCH = "select * from pgmq.send_batch(%s, %s::jsonb[], %s::jsonb[], %s::integer) s (msg_id)"
SEND_MANY = "select * from hanjul.send_many(%s, %s::jsonb) s (msg_id)"
SEND_TOPIC = "select * from pgmq.send_topic(%s, %s::jsonb, %s::jsonb, %s::integer) s (reached)"
SEND_BATCH_TOPIC = "select * from pgmq.send_batch_topic(%s, %s::jsonb[], %s::jsonb[], %s::integer) s"

PAUSE_S = 0.15
"""Between two messages to one queue, on average: what consumers keep up with."""
FLOOD = 100
DEEDS = {"ack": 60, "book": 60, "raise": 8, "nack": 8, "release": 8, "reject": 3, "slow": 1, "poison": 0.4}
"""What a worker is to do with a message, and how often."""


class Producer:
    """Sends until the round drains."""

    def __init__(self, scene: Scene) -> None:
        self._scene, self._rng = scene, scene.rng
        self._session = Session(scene.dsn, Journal(scene.directory, scene.actor))
        self._queues = scene.among(queue for queue in QUEUES if queue not in TOPICS)
        self._count = 0

    def run(self) -> None:
        """Send, in one form after the other."""
        alone = bool(self._queues)
        topics = 5 * len(self._scene.among(TOPICS))
        forms: dict[Callable[[], object], float] = {
            self.one: 40 * alone,
            self.delayed: 12 * alone,
            self.batch: 15 * alone,
            self.many: 15 * alone,
            self.transaction: 12,
            self.flood: 0.7 * alone,
            self.topic: topics,
            self.topic_batch: topics / 2,
        }
        while self._scene.sending:
            with suppress(Lost):
                self._rng.choices(list(forms), list(forms.values()))[0]()
            time.sleep(self._rng.expovariate(len(self._scene.queues) / PAUSE_S))
        self._scene.rest()

    def one(self, queue: str | None = None) -> bool:
        """One message, due now; whether the server took it."""
        queue = queue or self._queue()
        return self._send(queue, SEND, [self._message(queue)])

    def delayed(self) -> None:
        """One message, due later."""
        queue = self._queue()
        often = 0.5 if queue in PARTITIONED else 0.1  # what is parked must outlast its partition's time
        parked = self._rng.random() < often and queue not in IN_GROUPS  # there it would stop its group
        delay_s = PARKED_S if parked else 1
        if self._rng.random() < 0.5:
            self._send(queue, SEND_DELAY, [self._message(queue)], delay_s)
        else:
            self._send(queue, SEND_AT, [self._message(queue)], delay_s - self._rng.random() / 2)

    def batch(self) -> None:
        """Some messages in one statement."""
        self._batch(self._queue(), self._rng.randint(1, 8), self._rng.choice((0, 0, 1)))

    def flood(self) -> None:
        """More than readers can take at once."""
        if (queue := self._queue()) not in ORDERED:
            self._batch(queue, FLOOD, 0)

    def _batch(self, queue: str, size: int, delay: int) -> None:
        messages = [self._message(queue) for _ in range(size)]
        self._ask(queue, SEND_BATCH, [queue, *_texts(messages), delay], messages, delay)

    def many(self) -> None:
        """What our client sends: one text."""
        queue = self._queue()
        messages = [self._message(queue) for _ in range(self._rng.randint(1, 8))]
        batch = [[body, headers, None] for _, body, headers in messages]
        self._ask(queue, SEND_MANY, [queue, json.dumps(batch)], messages, 0)

    def transaction(self) -> None:
        """Messages to several queues, all or none."""
        topical = len(self._scene.among(TOPICS)) / len(self._scene.queues)
        with self._session.transaction():
            for _ in range(self._rng.randint(1, 3)):
                if not (self.topic() if self._rng.random() < topical else self.one()):
                    raise Undo
                time.sleep(self._rng.uniform(0, self._rng.choice((0.03, 0.3))))
            if self._rng.random() < 0.35:
                raise Undo

    def topic(self) -> bool:
        """A copy to each queue that is bound; the answer is how many."""
        [(_, body, headers)] = messages = [self._message(TOPICS[0])]
        route, delay = self._rng.choice(ROUTES), self._rng.choice((0, 0, 1))
        values = [route, _json(body), _json(headers), delay]
        return self._ask(None, SEND_TOPIC, values, messages, delay, op="send_topic", route=route)

    def topic_batch(self) -> None:
        """The same for some messages; the answer is where each copy is."""
        messages = [self._message(TOPICS[0]) for _ in range(self._rng.randint(1, 4))]
        route, delay = self._rng.choice(ROUTES), self._rng.choice((0, 0, 1))
        values = [route, *_texts(messages), delay]
        self._ask(None, SEND_BATCH_TOPIC, values, messages, delay, op="send_batch_topic", route=route)

    def _send(self, queue: str, query: str, messages: list[Any], *delay: float) -> bool:
        [(_, body, headers)] = messages
        return self._ask(queue, query, [queue, _json(body), _json(headers), *delay], messages, *delay)

    def _ask(
        self,
        queue: str | None,
        query: str,
        values: list[Any],
        messages: list[Any],
        delay: float = 0,
        *,
        op: str = "send",
        **more: Any,
    ) -> bool:
        told = {
            **({} if queue is None else {"queue": queue}),
            "keys": [key for key, _, _ in messages],
            "sums": [checksum(body, headers) for _, body, headers in messages],
            "groups": [(headers or {}).get("x-pgmq-group") for _, _, headers in messages],
            "deeds": [body.get("do") for _, body, _ in messages],
            "delay": delay,
            **more,
        }
        tell = list if op == "send_batch_topic" else _first
        return self._session.ask(op, query, values, tell, **told) is not None

    def _message(self, queue: str) -> tuple[str, Any, Any]:
        self._count += 1
        key = f"{self._scene.actor}-{self._count}"
        group = self._group(0.5 if queue in GROUPED else 0.1) if queue in IN_GROUPS else None
        more = (
            {"do": self._rng.choices(list(DEEDS), list(DEEDS.values()))[0] if queue in WORKED else "ack"}
            if queue in LEASED
            else {}
        )
        return key, body_of(key, self._rng, **more), headers_of(self._rng, group)

    def _queue(self) -> str:
        return self._rng.choice(self._queues)

    def _group(self, flood: float) -> str | None:
        """Many to one group, but no more than are taken one at a time, some to the group of those that name none."""
        chance = self._rng.random()
        return "flood" if chance < flood else None if chance < flood + 0.05 else f"g{self._rng.randrange(12)}"


def _first(row: Any) -> int:
    return int(row[0])


def _texts(messages: list[Any]) -> list[list[str | None]]:
    """Bodies, and headers."""
    return [[_json(part) for part in parts] for parts in zip(*[message[1:] for message in messages], strict=True)]


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def main(scene: Scene) -> None:
    """Be a producer."""
    Producer(scene).run()
