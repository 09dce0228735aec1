"""What to ask of the SQL family `leases`: claiming and settling deliveries. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from hanjul.model.call import Call
from hanjul.model.delivery import Delivery
from hanjul.model.driver import Refusal

Pairs = Sequence[Delivery[Any]]


def claim(queue: str, lease_s: float, qty: int, row: Callable[..., Delivery[Any]]) -> Call[Delivery[Any]]:
    args = {"queue_name text": queue, "lease_s double precision": lease_s, "qty integer": qty}
    return Call("hanjul.claim", args, row=row, repeatable=True, own="claim")


def claim_groups(queue: str, lease_s: float, qty: int, row: Callable[..., Delivery[Any]]) -> Call[Delivery[Any]]:
    args = {"queue_name text": queue, "lease_s double precision": lease_s, "qty integer": qty}
    return Call("hanjul.claim_groups", args, row=row, repeatable=True, own="claim_groups")


def ack(queue: str, deliveries: Pairs, *, archive: bool) -> Call[Refusal]:
    args = {**_pairs(queue, deliveries), "archive boolean": archive}
    return Call("hanjul.ack", args, row=_refusal(deliveries), own="ack_to_archive" if archive else "ack")


def nack(queue: str, deliveries: Pairs, delays_s: Sequence[float]) -> Call[Refusal]:
    args = {**_pairs(queue, deliveries), "delays_s double precision[]": list(delays_s)}
    return Call("hanjul.nack", args, row=_refusal(deliveries), own="nack")


def release(queue: str, deliveries: Pairs, delays_s: Sequence[float]) -> Call[Refusal]:
    args = {**_pairs(queue, deliveries), "delays_s double precision[]": list(delays_s)}
    return Call("hanjul.release", args, row=_refusal(deliveries), own="release")


def extend(queue: str, deliveries: Pairs, lease_s: float) -> Call[Refusal]:
    args = {**_pairs(queue, deliveries), "lease_s double precision": lease_s}
    return Call("hanjul.extend", args, row=_refusal(deliveries), own="extend")


def reject(queue: str, deliveries: Pairs, kinds: Sequence[str], reasons: Sequence[str]) -> Call[Refusal]:
    args = {**_pairs(queue, deliveries), "reasons text[]": list(kinds), "errors text[]": list(reasons)}
    return Call("hanjul.reject", args, row=_refusal(deliveries), own="reject")


def ready(queues: Sequence[str]) -> Call[tuple[str, float]]:
    return Call("hanjul.ready", {"queue_names text[]": list(queues)}, row=lambda queue, due_in_s: (queue, due_in_s))


def ready_groups(queues: Sequence[str]) -> Call[tuple[str, float]]:
    return Call("hanjul.ready_groups", {"queue_names text[]": list(queues)}, row=lambda queue, due_in_s: (queue, due_in_s))


def bind_topics(
    queues: Sequence[str], patterns: Sequence[str], known: Sequence[datetime | None]
) -> Call[tuple[str, str, datetime]]:
    args = {"queue_names text[]": list(queues), "patterns text[]": list(patterns), "known timestamptz[]": list(known)}
    return Call("hanjul.bind_topics", args, row=lambda queue, pattern, created_at: (queue, pattern, created_at), repeatable=True)


def wait(queues: Sequence[str]) -> Call[object]:
    return Call("hanjul.wait", {"queue_names text[]": list(queues)}, row=lambda *_: None)


def unwait(queues: Sequence[str]) -> Call[object]:
    return Call("hanjul.unwait", {"queue_names text[]": list(queues)}, row=lambda *_: None)


def _pairs(queue: str, deliveries: Pairs) -> dict[str, object]:
    return {
        "queue_name text": queue,
        "msg_ids bigint[]": [delivery.id for delivery in deliveries],
        "attempts integer[]": [delivery.fence for delivery in deliveries],
    }


def _refusal(deliveries: Pairs) -> Callable[..., Refusal]:
    def row(msg_id: int, attempt: int, held_by: int | None) -> Refusal:
        return Refusal(by_pair[msg_id, attempt], held_by)

    by_pair = _ByPair(deliveries)
    return row


class _ByPair:
    """(msg_id, attempt) -> delivery, looked up only when something was refused."""

    def __init__(self, deliveries: Pairs) -> None:
        self._deliveries = deliveries

    def __getitem__(self, pair: tuple[int, int]) -> Delivery[Any]:
        return next(d for d in self._deliveries if (d.id, d.fence) == pair)
