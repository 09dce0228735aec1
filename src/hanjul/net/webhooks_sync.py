"""Generated from webhooks.py; do not edit. WebhooksSync: events of tables that become requests."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from hanjul.model.database import DatabaseSync
from hanjul.model.errors import BadInput
from hanjul.model.payload import encoded
from hanjul.net import webhook_calls
from hanjul.net.outgoing import HttpRetry
from hanjul.net.rows import NewWebhook, WebhookEvent, WebhookRecord


class WebhooksSync:
    """The webhooks of an HTTP client, as `http.webhooks`. Who may create triggers on a table, may have them on it."""

    def __init__(self, database: DatabaseSync) -> None:
        self._database = database

    def create(
        self,
        table: str,
        events: Sequence[str],
        url: str,
        *,
        name: str | None = None,
        headers: Mapping[str, object] | None = None,
        secret: str | None = None,
        timeout_ms: int = 15_000,
        retry: HttpRetry | None = None,
        ordering: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        condition: str | None = None,
        disable_after: timedelta = timedelta(days=5),
        tx: object = None,
    ) -> NewWebhook:
        """Send what happens to a table's rows to a URL, signed; the secret that signs is told only this once, if it is made here.

        table: as SQL names it.  events: out of insert, update, delete, truncate.  name: None: <table>_<events>.
        headers: may name secrets.  secret: the name of one of set_secret; None: it is made.  retry: None: ten attempts in three
        days.  ordering: columns; events of rows that agree in them arrive in order; None: the primary key; (): no order.
        columns: updates that name one of them, only.  condition: SQL, as in a trigger's WHEN; never from somebody's input.
        disable_after: of nothing but failures.  Raises BadInput, NotFound (no such table), PermissionDenied.
        """
        for what, value in (("events", events), ("ordering", ordering), ("columns", columns)):
            if isinstance(value, str):
                raise BadInput(f"{what} must be a list of names, as in [{value!r}], not {value!r}")
        if retry is not None and not isinstance(retry, HttpRetry):
            raise BadInput(f"retry must be a hanjul.HttpRetry, not {retry!r}")
        policy = None if retry is None else encoded(msgspec.to_builtins(retry)).decode()
        call = webhook_calls.create_webhook(
            table, list(events), url, name, encoded(dict(headers or {})).decode(), secret, timeout_ms, policy,
            None if ordering is None else list(ordering), None if columns is None else list(columns), condition,
            _interval(disable_after),
        )  # fmt: skip
        [created] = self._database.rows(call, tx=tx)
        return created

    def drop(self, name: str, *, tx: object = None) -> None:
        """No more events; what has not been sent ends as an error. Raises NotFound."""
        self._database.rows(webhook_calls.drop_webhook(name), tx=tx)

    def list(self) -> Sequence[WebhookRecord]:
        """Those that the role may see, by name: how they stand, what waits."""
        return self._database.rows(webhook_calls.list_webhooks())

    def events(self, name: str | None = None, *, limit: int = 100) -> Sequence[WebhookEvent]:
        """What became of one, or of all, newest first: paused, disabled, resumed, dropped."""
        return self._database.rows(webhook_calls.webhook_events(name, limit))

    def pause(self, name: str, *, reason: str | None = None) -> None:
        """Keep its events until `resume`. Raises NotFound."""
        self._database.rows(webhook_calls.pause_webhook(name, reason))

    def resume(self, name: str) -> None:
        """Send what waits, in order; one that was disabled, too. Raises NotFound."""
        self._database.rows(webhook_calls.resume_webhook(name))

    def test(self, name: str) -> int:
        """Send `{"type": "TEST", ...}` to it, whatever its state; the request's id. Raises NotFound."""
        [request_id] = self._database.rows(webhook_calls.test_webhook(name))
        return request_id

    def rotate_secret(self, name: str, *, keep: timedelta = timedelta(hours=24)) -> str:
        """Another value for the secret that was made with it; the one before signs, too, for as long as `keep`."""
        [value] = self._database.rows(webhook_calls.rotate_webhook_secret(name, _interval(keep)))
        return value


def _interval(span: timedelta) -> str:
    if not isinstance(span, timedelta):
        raise BadInput(f"a span of time must be a timedelta, not {span!r}")
    return f"{span.total_seconds():f} seconds"
