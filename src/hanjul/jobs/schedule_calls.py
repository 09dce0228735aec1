"""What to ask of the SQL functions about schedules. Pure."""

from typing import Any

import msgspec

from hanjul.jobs.schedule import Schedule
from hanjul.model.call import Call


def _itself(value: Any) -> Any:
    return value


def set_schedule(name: str, cron: str, timezone: str, job: bytes, missed: str, max_missed: int) -> Call[None]:
    """job: what it enqueues, as enqueue_jobs takes it."""
    options = msgspec.json.decode(job, type=dict[str, msgspec.Raw])
    kind, payload, queue = (options.pop(field) for field in ("kind", "payload", "queue"))
    args = {
        "name text": name,
        "cron text": cron,
        "kind text": msgspec.json.decode(kind),
        "payload jsonb": bytes(payload).decode(),
        "queue text": msgspec.json.decode(queue),
        "timezone text": timezone,
        "missed text": missed,
        "max_missed integer": max_missed,
        "options jsonb": msgspec.json.encode(options).decode(),
    }
    return Call("hanjul.set_schedule", args, row=_itself)


def enable_schedule(name: str, enabled: bool) -> Call[bool]:
    return Call("hanjul.enable_schedule", {"name text": name, "enabled boolean": enabled}, row=_itself)


def remove_schedule(name: str) -> Call[bool]:
    return Call("hanjul.remove_schedule", {"name text": name}, row=_itself)


def list_schedules() -> Call[Schedule]:
    return Call("hanjul.list_schedules", {}, row=Schedule, repeatable=True)
