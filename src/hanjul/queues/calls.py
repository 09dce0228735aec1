"""What to ask of the SQL schemas `pgmq` and `hanjul` about queues. Pure: sync and async share every word of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from hanjul.model.call import Call
from hanjul.model.errors import BadInput, InvalidMessage
from hanjul.model.names import queue_name
from hanjul.model.payload import headers_of, reader
from hanjul.queues.rows import (
    DeadLetter,
    Message,
    Metrics,
    NotifyThrottle,
    QueueInfo,
    QueueRecord,
    UnreadableDeadLetter,
    UnreadableMessage,
)

MAX_SECONDS = 2**31 - 1
MAX_BATCH = 1_000_000
PRUNED_AT_ONCE = 10_000

GroupOrder = Literal["groups", "round_robin", "heads"]
"""All of the oldest group, then of the next; the first of each group, then the second of each; the first of each only."""


@dataclass(frozen=True, slots=True)
class Poll:
    """How long the server may wait for messages, and how often it looks."""

    max_poll_seconds: int
    poll_interval_ms: int = 100


_MESSAGE = "msg_id, read_ct, enqueued_at, last_read_at, vt, message::text, headers::text"


def create(queue: str, *, unlogged: bool) -> Call[None]:
    function = "pgmq.create_unlogged" if unlogged else "pgmq.create"
    return Call(function, {"queue_name text": queue_name(queue)}, row=_nothing, repeatable=True)


def create_partitioned(queue: str, partition_interval: str, retention_interval: str, premake: int) -> Call[None]:
    args = {
        "queue_name text": queue_name(queue),
        "partition_interval text": partition_interval,
        "retention_interval text": retention_interval,
        "premake integer": _at_least("premake", premake, 1),
    }
    return Call("pgmq.create_partitioned", args, row=_nothing, repeatable=True)


def convert_archive_partitioned(queue: str, partition_interval: str, retention_interval: str) -> Call[None]:
    args = {"table_name text": queue_name(queue), "partition_interval text": partition_interval}
    return Call("pgmq.convert_archive_partitioned", {**args, "retention_interval text": retention_interval}, row=_nothing)


def create_fifo_index(queue: str) -> Call[None]:
    return Call("pgmq.create_fifo_index", {"queue_name text": queue_name(queue)}, row=_nothing, repeatable=True)


def drop(queue: str) -> Call[bool]:
    return Call("pgmq.drop_queue", {"queue_name text": queue_name(queue)}, row=bool)


def purge(queue: str) -> Call[int]:
    return Call("pgmq.purge_queue", {"queue_name text": queue_name(queue)}, row=int)


def list_queues() -> Call[QueueRecord]:
    return Call("pgmq.list_queues", {}, row=QueueRecord, repeatable=True)


def metrics(queue: str) -> Call[Metrics]:
    return Call("pgmq.metrics", {"queue_name text": queue_name(queue)}, row=Metrics, repeatable=True)


def metrics_all() -> Call[Metrics]:
    return Call("pgmq.metrics_all", {}, row=Metrics, repeatable=True)


def info(queue: str) -> Call[QueueInfo]:
    return Call("pgmq.q_info", {"queue_name text": queue_name(queue)}, row=QueueInfo, repeatable=True)


def send(queue: str, message: str, headers: str | None, delay: datetime) -> Call[int]:
    given = {"queue_name text": queue_name(queue), "msg jsonb": message, "headers jsonb": headers}
    return Call("pgmq.send", {**given, "delay timestamptz": delay}, row=int)


def send_batch(queue: str, messages: list[str], headers: list[str | None], delay: datetime) -> Call[int]:
    given = {"queue_name text": queue_name(queue), "msgs jsonb[]": messages, "headers jsonb[]": headers}
    return Call("pgmq.send_batch", {**given, "delay timestamptz": delay}, row=int)


def send_many(queue: str, batch: str) -> Call[int]:
    """batch: a JSON array of [message], or of [message, headers or null, delay in seconds]."""
    return Call("hanjul.send_many", {"queue_name text": queue_name(queue), "batch jsonb": batch}, row=int, own="send_many")


def read(queue: str, vt: int, qty: int, conditional: str | None, into: Any) -> Call[Message[Any]]:
    args = {**_reading(queue, vt, qty)}
    if conditional is None:
        return Call("pgmq.read", args, row=_message(into), columns=_MESSAGE, repeatable=True, own="read")
    args["conditional jsonb"] = conditional
    return Call("pgmq.read", args, row=_message(into), columns=_MESSAGE, repeatable=True)


def read_with_poll(queue: str, vt: int, qty: int, conditional: str | None, into: Any, poll: Poll) -> Call[Message[Any]]:
    args = {**_reading(queue, vt, qty), **_polling(poll)}
    if conditional is not None:
        args["conditional jsonb"] = conditional
    return Call("pgmq.read_with_poll", args, row=_message(into), columns=_MESSAGE, repeatable=True)


def read_grouped(order: GroupOrder, queue: str, vt: int, qty: int, into: Any) -> Call[Message[Any]]:
    row = _message(into)
    args = _reading(queue, vt, qty)
    if order == "groups":
        return Call("pgmq.read_grouped", args, row=row, columns=_MESSAGE, repeatable=True)
    if order == "round_robin":
        return Call("pgmq.read_grouped_rr", args, row=row, columns=_MESSAGE, repeatable=True)
    return Call("pgmq.read_grouped_head", args, row=row, columns=_MESSAGE, repeatable=True)


def read_grouped_with_poll(order: GroupOrder, queue: str, vt: int, qty: int, into: Any, poll: Poll) -> Call[Message[Any]]:
    row = _message(into)
    args = {**_reading(queue, vt, qty), **_polling(poll)}
    if order == "groups":
        return Call("pgmq.read_grouped_with_poll", args, row=row, columns=_MESSAGE, repeatable=True)
    if order == "round_robin":
        return Call("pgmq.read_grouped_rr_with_poll", args, row=row, columns=_MESSAGE, repeatable=True)
    return Call("pgmq.read_grouped_head_with_poll", args, row=row, columns=_MESSAGE, repeatable=True)


def pop(queue: str, qty: int, into: Any) -> Call[Message[Any]]:
    args = {"queue_name text": queue_name(queue), "qty integer": _quantity(qty)}
    return Call("pgmq.pop", args, row=_message(into), columns=_MESSAGE, own="pop")


def peek(queue: str, qty: int, into: Any) -> Call[Message[Any]]:
    args = {"queue_name text": queue_name(queue), "qty integer": _quantity(qty)}
    return Call("pgmq.peek", args, row=_message(into), columns=_MESSAGE, repeatable=True)


def archive(queue: str, msg_ids: Sequence[int]) -> Call[int]:
    return Call("pgmq.archive", {"queue_name text": queue_name(queue), "msg_ids bigint[]": _ids(msg_ids)}, row=int, own="archive")


def delete(queue: str, msg_ids: Sequence[int]) -> Call[int]:
    return Call("pgmq.delete", {"queue_name text": queue_name(queue), "msg_ids bigint[]": _ids(msg_ids)}, row=int, own="delete")


def set_vt(queue: str, msg_ids: Sequence[int], vt: int | datetime, into: Any) -> Call[Message[Any]]:
    type_, value = ("timestamptz", moment("vt", vt)) if isinstance(vt, datetime) else ("integer", _whole_seconds(vt))
    args = {"queue_name text": queue_name(queue), "msg_ids bigint[]": _ids(msg_ids), f"vt {type_}": value}
    return Call("pgmq.set_vt", args, row=_message(into), columns=_MESSAGE, repeatable=True)


def dead_letters(queue: str, qty: int, into: Any) -> Call[DeadLetter[Any]]:
    read = reader(into)

    def row(
        id_: int,
        name: str,
        msg_id: int,
        attempts: int,
        reason: str,
        error: str,
        enqueued_at: datetime,
        died_at: datetime,
        *text: str,
    ) -> DeadLetter[Any]:
        message, headers = text
        known = (id_, name, msg_id, attempts, reason, error, enqueued_at, died_at)
        try:
            return DeadLetter(*known, None if message is None else read(message), headers_of(headers))
        except InvalidMessage as unfit:
            return UnreadableDeadLetter(*known, None, None, message, str(unfit))

    args = {"queue_name text": queue_name(queue), "qty integer": _quantity(qty)}
    columns = "id, queue_name, msg_id, attempts, reason, error, enqueued_at, died_at, message::text, headers::text"
    return Call("hanjul.dead_letters", args, row=row, columns=columns, repeatable=True)


def redrive(queue: str, qty: int | None) -> Call[int]:
    wanted = None if qty is None else _quantity(qty)
    return Call("hanjul.redrive", {"queue_name text": queue_name(queue), "qty integer": wanted}, row=int)


def enable_notify_insert(queue: str, throttle_interval_ms: int) -> Call[None]:
    args = {"queue_name text": queue_name(queue), "throttle_interval_ms integer": _interval_ms(throttle_interval_ms)}
    return Call("pgmq.enable_notify_insert", args, row=_nothing, repeatable=True)


def update_notify_insert(queue: str, throttle_interval_ms: int) -> Call[None]:
    args = {"queue_name text": queue_name(queue), "throttle_interval_ms integer": _interval_ms(throttle_interval_ms)}
    return Call("pgmq.update_notify_insert", args, row=_nothing, repeatable=True)


def disable_notify_insert(queue: str) -> Call[None]:
    return Call("pgmq.disable_notify_insert", {"queue_name text": queue_name(queue)}, row=_nothing, repeatable=True)


def list_notify_insert_throttles() -> Call[NotifyThrottle]:
    return Call("pgmq.list_notify_insert_throttles", {}, row=NotifyThrottle, repeatable=True)


def prune_archive(queue: str, older_than: timedelta) -> Call[int]:
    args = {"queue_name text": queue_name(queue), "older_than interval": _age(older_than), "qty integer": PRUNED_AT_ONCE}
    return Call("hanjul.prune_archive", args, row=int, repeatable=True)


def prune_dead_letters(queue: str, older_than: timedelta) -> Call[int]:
    args = {"queue_name text": queue_name(queue), "older_than interval": _age(older_than), "qty integer": PRUNED_AT_ONCE}
    return Call("hanjul.prune_dead_letters", args, row=int, repeatable=True)


def delay_s(delay: float | timedelta) -> float:
    """The delay in seconds; raises BadInput if it is negative or longer than 68 years."""
    if type(delay) is int and 0 <= delay <= MAX_SECONDS:  # as nearly all are
        return delay
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_SECONDS:
        raise BadInput(f"delay must be 0 to {MAX_SECONDS} seconds, a timedelta of that length or a datetime, not {delay!r}")
    return seconds


def moment(name: str, when: datetime) -> datetime:
    """The moment itself; raises BadInput if it has no time zone, because then it could be any of forty."""
    if when.tzinfo is None:
        raise BadInput(f"{name} must be a datetime with a time zone, as datetime.now(UTC) is, not {when!r}")
    return when


def _message(into: Any) -> Callable[..., Message[Any]]:
    read = reader(into)

    def row(
        msg_id: int, read_ct: int, enqueued_at: datetime, last_read_at: datetime, vt: datetime, message: str, headers: str
    ) -> Message[Any]:
        try:
            body = None if message is None else read(message)
            return Message(msg_id, read_ct, enqueued_at, last_read_at, vt, body, headers_of(headers))
        except InvalidMessage as error:
            why = f"message {msg_id}: {error}"
            return UnreadableMessage(msg_id, read_ct, enqueued_at, last_read_at, vt, None, None, message, why)

    return row


def _reading(queue: str, vt: int, qty: int) -> dict[str, object]:
    return {"queue_name text": queue_name(queue), "vt integer": _whole_seconds(vt), "qty integer": _quantity(qty)}


def _polling(poll: Poll) -> dict[str, object]:
    return {
        "max_poll_seconds integer": _at_least("max_poll_seconds", poll.max_poll_seconds, 0),
        "poll_interval_ms integer": _at_least("poll_interval_ms", poll.poll_interval_ms, 1),
    }


def _age(older_than: timedelta) -> timedelta:
    if not isinstance(older_than, timedelta) or older_than < timedelta(0):
        raise BadInput(f"older_than must be a timedelta, as in timedelta(days=7), not {older_than!r}")
    return older_than


def _interval_ms(value: int) -> int:
    return _at_least("throttle_interval_ms", value, 0)


def _at_least(name: str, value: int, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MAX_SECONDS:
        raise BadInput(f"{name} must be a whole number from {least} to {MAX_SECONDS}, not {value!r}")
    return value


def _nothing(*_columns: object) -> None:
    return None


def _whole_seconds(vt: int) -> int:
    if isinstance(vt, bool) or not isinstance(vt, int) or not 0 <= vt <= MAX_SECONDS:
        raise BadInput(f"vt must be a whole number of seconds from 0 to {MAX_SECONDS}, not {vt!r}")
    return vt


def _quantity(value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_BATCH:
        raise BadInput(f"qty must be a whole number from 1 to {MAX_BATCH}, not {value!r}")
    return value


def _ids(msg_ids: Sequence[int]) -> list[int]:
    for msg_id in msg_ids:
        if isinstance(msg_id, bool) or not isinstance(msg_id, int) or not 0 <= msg_id < 2**63:
            raise BadInput(f"a msg_id must be a whole number from 0 to {2**63 - 1}, not {msg_id!r}")
    return list(msg_ids)
