"""What to ask of the SQL family `net` for those who send: claiming and settling. Pure."""

from collections.abc import Callable, Sequence

from hanjul.model.call import Call
from hanjul.model.driver import Refusal
from hanjul.model.request import Request, Secret

CLAIMED = (
    "id, claims, attempts, max_attempts, method::text, url, headers::text, body, timeout_milliseconds, created, retry::text, "
    "ordering_key, idempotency_key, sign_with, webhook, options::text, enqueued_by::text"
)
"""What a sender needs of a request."""


def claim(qty: int, lease_s: float, row: Callable[..., Request], *, anew: bool) -> Call[Request]:
    args = {"qty integer": qty, "lease_s double precision": lease_s, "anew boolean": anew}
    return Call("net.claim_requests", args, row=row, columns=CLAIMED)


def settle(requests: Sequence[Request], answers: str) -> Call[Refusal]:
    return Call("net.settle_requests", {"answers json": answers}, row=_refusal(requests), columns="id, claim, held_by")


def extend(requests: Sequence[Request], lease_s: float) -> Call[Refusal]:
    args = {
        "ids bigint[]": [request.id for request in requests],
        "claims integer[]": [request.fence for request in requests],
        "lease_s double precision": lease_s,
    }
    return Call("net.extend_requests", args, row=_refusal(requests), columns="id, claim, held_by")


def ready(lines: Sequence[str]) -> Call[tuple[str, float]]:
    return Call("net.ready_requests", {"lines text[]": list(lines)}, row=lambda line, due_in_s: (line, due_in_s), repeatable=True)


def secrets_for(names: Sequence[str]) -> Call[Secret]:
    def row(name: str, value: str, former: str | None, hosts: list[str]) -> Secret:
        return Secret(name, value, former, tuple(hosts))

    return Call("net.secrets_for", {"names text[]": list(names)}, row=row, columns="name, value, former, hosts", repeatable=True)


def sender_settings() -> Call[int | None]:
    return Call("net.sender_settings", {}, row=lambda batch_size: batch_size, columns="batch_size", repeatable=True)


def expire(max_rows: int) -> Call[tuple[int, float | None]]:
    return Call(
        "net.expire", {"max_rows integer": max_rows}, row=lambda deleted, next_in_s: (deleted, next_in_s), repeatable=True
    )


def mend_lines() -> Call[int]:
    return Call("net.mend_lines", {}, row=lambda mended: mended, repeatable=True)


def _refusal(requests: Sequence[Request]) -> Callable[..., Refusal]:
    def row(request_id: int, claim: int, held_by: int | None) -> Refusal:
        return Refusal(next(r for r in requests if (r.id, r.fence) == (request_id, claim)), held_by)

    return row
