"""One job as it is asked for: checked, and written as the SQL function reads it."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from hanjul.jobs import checks
from hanjul.jobs.declared import Declared
from hanjul.jobs.rows import Once, Unique
from hanjul.model.errors import BadInput, MessageTooLarge
from hanjul.model.payload import decoded, encoded


class Options(msgspec.Struct, frozen=True):
    """What was said beside kind and payload; None: as the kind was declared. Raises BadInput for what cannot be."""

    queue: str | None
    run_at: datetime | None
    delay: float | timedelta | None
    priority: int | None
    max_retries: int | None
    timeout_s: float | None
    key: str | None
    metadata: object
    unique: Unique | None

    def __post_init__(self) -> None:
        if self.queue is not None:
            checks.name("queue", self.queue)
        if self.priority is not None:
            checks.whole("priority", self.priority, checks.MIN_PRIORITY, checks.MAX_PRIORITY)
        if self.max_retries is not None:
            checks.whole("max_retries", self.max_retries, 0, checks.MAX_RETRIES)
        if self.timeout_s is not None:
            checks.duration("timeout_s", self.timeout_s)
        if self.key is not None:
            checks.text("key", self.key)
        if self.unique is not None:
            checks.instance("unique", self.unique, Unique)


class Limits(msgspec.Struct, frozen=True):
    """What holds for all kinds.  max_retries: of those that do not say."""

    max_retries: int
    max_payload_bytes: int


def written(kind: Declared, payload: object, options: Options, limits: Limits) -> bytes:
    """The job as a JSON object. Raises BadInput, InvalidMessage, MessageTooLarge."""
    body = _body(kind, payload, limits.max_payload_bytes)
    max_retries = kind.max_retries if options.max_retries is None else options.max_retries
    queue = kind.queue if options.queue is None else options.queue
    fields: dict[str, Any] = {
        "kind": kind.name,
        "payload": msgspec.Raw(body),
        "queue": queue,
        "run_at": _moment(options.run_at),
        "delay_s": _seconds(options.delay),
        "priority": kind.priority if options.priority is None else options.priority,
        "max_retries": limits.max_retries if max_retries is None else max_retries,
        "timeout_s": options.timeout_s,
        "key": options.key,
        "metadata": None if options.metadata is None else msgspec.Raw(encoded(options.metadata)),
    }
    if unique := options.unique or kind.unique:
        fields |= {
            "unique_key": unique.of(kind.name, queue, msgspec.json.decode(body)),
            "unique_over": list(unique.over),
            "unique_for_s": unique.for_s,
            "on_conflict": unique.on_conflict,
        }
    return msgspec.json.encode({name: value for name, value in fields.items() if value is not None})


def request_hash(once: Once, kind: Declared, payload: object, options: Options) -> str:
    """What makes two requests the same: what they asked for, not what that comes to by the defaults of the moment."""
    from hashlib import sha256  # here: 4 MiB, which a worker does without

    if once.request is not None:
        return sha256(once.request.encode()).hexdigest()
    said = {field: getattr(options, field) for field in options.__struct_fields__}
    said |= {"kind": kind.name, "payload": payload}
    asked = msgspec.json.encode(
        {name: msgspec.json.decode(encoded(value)) for name, value in said.items()}, order="deterministic"
    )
    return sha256(asked).hexdigest()


def _body(kind: Declared, payload: object, max_payload_bytes: int) -> bytes:
    body = encoded(payload)
    if len(body) > max_payload_bytes:
        raise MessageTooLarge(len(body), max_payload_bytes)
    if kind.into is not Any and not (isinstance(kind.into, type) and isinstance(payload, kind.into)):
        decoded(body.decode(), kind.into)  # its worker would refuse it
    return body


def _moment(run_at: datetime | None) -> str | None:
    if run_at is None:
        return None
    if not isinstance(run_at, datetime) or run_at.tzinfo is None:
        raise BadInput(f"run_at must be a datetime with a time zone, not {run_at!r}")
    return run_at.isoformat()


def _seconds(delay: float | timedelta | None) -> float | None:
    if isinstance(delay, timedelta):
        return delay.total_seconds()
    if delay is not None and (isinstance(delay, bool) or not isinstance(delay, int | float)):
        raise BadInput(f"delay must be seconds or a timedelta, not {delay!r}")
    return None if delay is None else checks.seconds("delay", delay)
