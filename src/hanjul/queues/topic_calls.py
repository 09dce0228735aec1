"""What to ask of schema `pgmq` about topics. Pure: sync and async share every word of it."""

from datetime import datetime

from hanjul.model.call import Call
from hanjul.model.errors import BadInput
from hanjul.model.names import queue_name
from hanjul.queues.rows import Route, TopicBinding


def bind(pattern: str, queue: str) -> Call[None]:
    return Call(
        "pgmq.bind_topic", {"pattern text": _text("pattern", pattern), "queue_name text": queue_name(queue)}, row=_nothing
    )


def unbind(pattern: str, queue: str) -> Call[bool]:
    return Call("pgmq.unbind_topic", {"pattern text": _text("pattern", pattern), "queue_name text": queue_name(queue)}, row=bool)


def bindings() -> Call[TopicBinding]:
    return Call("pgmq.list_topic_bindings", {}, row=TopicBinding, repeatable=True)


def bindings_of(queue: str) -> Call[TopicBinding]:
    return Call("pgmq.list_topic_bindings", {"queue_name text": queue_name(queue)}, row=TopicBinding, repeatable=True)


def routes(routing_key: str) -> Call[Route]:
    return Call("pgmq.test_routing", {"routing_key text": _text("routing_key", routing_key)}, row=Route, repeatable=True)


def send(routing_key: str, messages: list[str], headers: list[str | None], delay_s: int) -> Call[tuple[str, int]]:
    args = {"routing_key text": _text("routing_key", routing_key), "msgs jsonb[]": messages, "headers jsonb[]": headers}
    return Call("pgmq.send_batch_topic", {**args, "delay integer": delay_s}, row=_sent)


def send_at(routing_key: str, messages: list[str], headers: list[str | None], due: datetime) -> Call[tuple[str, int]]:
    args = {"routing_key text": _text("routing_key", routing_key), "msgs jsonb[]": messages, "headers jsonb[]": headers}
    return Call("pgmq.send_batch_topic", {**args, "delay timestamptz": due}, row=_sent)


def _sent(queue: str, msg_id: int) -> tuple[str, int]:
    return queue, msg_id


def _nothing(*_columns: object) -> None:
    return None


def _text(name: str, value: str) -> str:
    if not isinstance(value, str) or not value or "\x00" in value:
        raise BadInput(f"{name} must be a text that is not empty, as 'orders.eu.*' is, not {value!r}")
    return value
