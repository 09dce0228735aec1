"""What queue calls return, in pgmq's own words."""

from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Message(msgspec.Struct, Generic[T], frozen=True):
    """A message as it was read: `message` is the body, of the type that was asked for."""

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

    in_flight_length: int
    delayed_length: int
    archived_messages: int
    is_partitioned: bool | None
    is_unlogged: bool | None
    created_at: datetime | None


class DeadLetter(msgspec.Struct, Generic[T], frozen=True):
    """A message that left its queue unhandled: why, when, after how many attempts."""

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
