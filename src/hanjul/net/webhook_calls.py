"""What to ask of the SQL family `webhooks`. Pure."""

from collections.abc import Sequence
from typing import Any

from hanjul.model.call import Call
from hanjul.net.rows import NewWebhook, WebhookEvent, WebhookRecord


def _itself(value: Any) -> Any:
    return value


def create_webhook(
    table: str,
    events: Sequence[str],
    url: str,
    name: str | None,
    headers: str,
    secret: str | None,
    timeout_ms: int,
    retry: str | None,
    ordering: Sequence[str] | None,
    columns: Sequence[str] | None,
    condition: str | None,
    disable_after: str,
) -> Call[NewWebhook]:
    args = {
        '"table" regclass': table,
        "events text[]": events,
        "url text": url,
        "name text": name,
        "headers jsonb": headers,
        "secret text": secret,
        "timeout_ms integer": timeout_ms,
        "retry jsonb": retry,
        "ordering text[]": ordering,
        "columns text[]": columns,
        "condition text": condition,
        "disable_after interval": disable_after,
    }
    return Call("hanjul.create_webhook", args, row=NewWebhook)


def drop_webhook(name: str) -> Call[None]:
    return Call("hanjul.drop_webhook", {"name text": name}, row=_itself)


def list_webhooks() -> Call[WebhookRecord]:
    return Call("hanjul.list_webhooks", {}, row=WebhookRecord, repeatable=True)


def webhook_events(name: str | None, qty: int) -> Call[WebhookEvent]:
    return Call("hanjul.webhook_events", {"name text": name, "qty integer": qty}, row=WebhookEvent, repeatable=True)


def pause_webhook(name: str, reason: str | None) -> Call[None]:
    return Call("hanjul.pause_webhook", {"name text": name, "reason text": reason}, row=_itself, repeatable=True)


def resume_webhook(name: str) -> Call[None]:
    return Call("hanjul.resume_webhook", {"name text": name}, row=_itself, repeatable=True)


def test_webhook(name: str) -> Call[int]:
    return Call("hanjul.test_webhook", {"name text": name}, row=_itself)


def rotate_webhook_secret(name: str, keep: str) -> Call[str]:
    return Call("hanjul.rotate_webhook_secret", {"name text": name, "keep interval": keep}, row=_itself)
