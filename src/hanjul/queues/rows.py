"""What queue calls return, in pgmq's own words."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from hanjul.model.errors import InvalidMessage

T = TypeVar("T")


class Message(msgspec.Struct, Generic[T], frozen=True):
    """A message as it was read: `message` is the body, of the type that was asked for.

    A body that is not of that type does not keep the others of its batch from being read: it raises InvalidMessage
    when it is looked at.
    """

    msg_id: int
    read_ct: int
    enqueued_at: datetime
    last_read_at: datetime | None
    vt: datetime
    message: T
    headers: dict[str, Any] | None

    @property
    def attempts(self) -> int:
        """How often it has been read, this time included."""
        return self.read_ct


class UnreadableMessage(Message[Any], frozen=True):
    """A message whose body, or headers, could not be read as they were asked for. Its id and the rest are known."""

    raw: str | None
    why: str

    @property  # type: ignore[misc]  # meant: this one raises where the others have a body
    def message(self) -> Any:
        """Raises InvalidMessage; `raw` is the JSON text as it is stored."""
        raise InvalidMessage(self.why)


class QueueRecord(msgspec.Struct, frozen=True):
    """One queue as `list` tells it."""

    queue_name: str
    is_partitioned: bool
    is_unlogged: bool
    created_at: datetime


class Metrics(msgspec.Struct, frozen=True):
    """How a queue stands. Ages are whole seconds, None when it is empty; total_messages survives deletes and purges."""

    queue_name: str
    queue_length: int
    newest_msg_age_sec: int | None
    oldest_msg_age_sec: int | None
    total_messages: int
    scrape_time: datetime
    queue_visible_length: int
    default_partition_length: int | None


class QueueInfo(Metrics, frozen=True):
    """Metrics, and how the rest of the messages stand. What pgmq's extension cannot tell is None."""

    in_flight_length: int | None
    delayed_length: int | None
    archived_messages: int | None
    is_partitioned: bool | None
    is_unlogged: bool | None
    created_at: datetime | None

    @classmethod
    def of(cls, metrics: Metrics, queues: Sequence[QueueRecord]) -> "QueueInfo":
        """What metrics and the list of queues tell; the rest is None."""
        name = metrics.queue_name.lower()
        queue = next((queue for queue in queues if queue.queue_name.lower() == name), None)
        return cls(
            **msgspec.structs.asdict(metrics),
            in_flight_length=None,
            delayed_length=None,
            archived_messages=None,
            is_partitioned=None if queue is None else queue.is_partitioned,
            is_unlogged=None if queue is None else queue.is_unlogged,
            created_at=None if queue is None else queue.created_at,
        )


class NotifyThrottle(msgspec.Struct, frozen=True):
    """A queue that notifies of inserts, at most once in so many milliseconds."""

    queue_name: str
    throttle_interval_ms: int
    last_notified_at: datetime


class TopicBinding(msgspec.Struct, frozen=True):
    """A queue that gets what is sent with routing keys of a pattern; compiled_regex shows what matches."""

    pattern: str
    queue_name: str
    bound_at: datetime
    compiled_regex: str


class Route(msgspec.Struct, frozen=True):
    """A queue that a routing key leads to, and the pattern that does it."""

    pattern: str
    queue_name: str
    compiled_regex: str


class DeadLetter(msgspec.Struct, Generic[T], frozen=True):
    """A message that left its queue unhandled: why, when, after how many attempts.

    As with Message, a body that is not of the type that was asked for raises InvalidMessage when it is looked at.
    """

    id: int
    queue_name: str
    msg_id: int
    attempts: int
    reason: str
    error: str | None
    enqueued_at: datetime
    died_at: datetime
    message: T
    headers: dict[str, Any] | None


class UnreadableDeadLetter(DeadLetter[Any], frozen=True):
    """A dead letter whose body, or headers, could not be read as they were asked for."""

    raw: str | None
    why: str

    @property  # type: ignore[misc]  # meant: this one raises where the others have a body
    def message(self) -> Any:
        """Raises InvalidMessage; `raw` is the JSON text as it is stored."""
        raise InvalidMessage(self.why)
