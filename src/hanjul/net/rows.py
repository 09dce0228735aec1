"""What is said of requests: their records, attempts, answers and counts."""

import codecs
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Literal

import msgspec

from hanjul.model.errors import InvalidMessage
from hanjul.model.payload import decoded

RequestStatus = Literal["PENDING", "SUCCESS", "ERROR"]

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s";]+)', re.IGNORECASE)


class RequestLine(msgspec.Struct, frozen=True):
    """A request in a list. Credentials in its URL are hidden.

    status_code, error_msg: of the newest attempt.  attempts: that have ended.  locked_until: until when a sender has it.
    finished: when it ended, however it did.
    """

    id: int
    method: str
    url: str
    status: RequestStatus
    status_code: int | None
    error_msg: str | None
    attempts: int
    max_attempts: int
    created: datetime
    next_attempt_at: datetime
    locked_until: datetime | None
    finished: datetime | None
    enqueued_by: str
    ordering_key: str | None
    idempotency_key: str | None
    webhook: str | None


class RequestRecord(msgspec.Struct, frozen=True):
    """A request, and all that is known of it. Credentials in its URL and headers are hidden.

    claims: how often a sender took it; released: how often it was given back unsent.  give_up_at: no attempt begins later.
    """

    id: int
    method: str
    url: str
    headers: Mapping[str, Any] | None
    body: bytes | None
    timeout_milliseconds: int
    status: RequestStatus
    status_code: int | None
    error_msg: str | None
    attempts: int
    max_attempts: int
    created: datetime
    next_attempt_at: datetime
    locked_until: datetime | None
    finished: datetime | None
    give_up_at: datetime | None
    claims: int
    released: int
    enqueued_by: str
    ordering_key: str | None
    idempotency_key: str | None
    sign_with: str | None
    webhook: str | None
    retry: Mapping[str, Any] | None
    options: Mapping[str, Any] | None


class AttemptRecord(msgspec.Struct, frozen=True):
    """One attempt at a request: its phases in ms, as far as it came, and what came of it.  retry_at: None: it was the last."""

    attempt: int
    started: datetime
    duration_ms: float
    dns_ms: float | None
    connect_ms: float | None
    first_byte_ms: float | None
    remote_address: str | None
    status_code: int | None
    response_bytes: int | None
    error_msg: str | None
    retry_at: datetime | None


class ResponseRecord(msgspec.Struct, frozen=True):
    """An answer, or (status_code None) why there is none.  headers: credentials in them are hidden.

    content: the body as text.  body: its bytes, where the text is not exactly they.  truncated: it was longer than allowed.
    """

    id: int
    status_code: int | None
    content_type: str | None
    headers: Mapping[str, Any] | None
    content: str | None
    body: bytes | None
    truncated: bool
    timed_out: bool
    error_msg: str | None
    created: datetime

    @property
    def ok(self) -> bool:
        """Whether its status is one of 200 to 299."""
        return self.status_code is not None and 200 <= self.status_code <= 299

    @property
    def reason(self) -> str:
        """What the status is called; empty if it has no name."""
        return HTTPStatus(self.status_code).phrase if self.status_code in set(HTTPStatus) else ""

    @property
    def text(self) -> str:
        """The body as text; empty if there is none."""
        return self.content or ""

    @property
    def data(self) -> bytes:
        """The bytes of the body."""
        return self.body if self.body is not None else self.text.encode(self._charset, "replace")

    def json(self, into: Any = Any) -> Any:
        """The body, which is JSON, as a value of type `into`; raises InvalidMessage if it does not fit."""
        if self.content is None:
            raise InvalidMessage(f"the answer to request {self.id} has no body")
        return decoded(self.content, into)

    @property
    def _charset(self) -> str:
        found = _CHARSET.search(self.content_type or "")
        try:
            return codecs.lookup(found[1]).name if found else "utf-8"
        except LookupError:
            return "utf-8"


class RequestCounts(msgspec.Struct, frozen=True):
    """How many requests wait or are on their way (pending), how many of these a sender has (sending), how many have failed.

    estimated: there are more than 100,000 of them, so that they were not counted.
    """

    pending: int
    sending: int
    failed: int
    estimated: bool


class SecretRecord(msgspec.Struct, frozen=True):
    """A secret, without its value.  hosts: where it may go.  former_until: until when the one before it signs, too."""

    name: str
    hosts: Sequence[str]
    created: datetime
    changed: datetime
    former_until: datetime | None


class HttpSetting(msgspec.Struct, frozen=True):
    """A setting by the extension's name.  value: what applies; None: none.  source: set_config, server or default."""

    name: str
    value: str | None
    source: str
    says: str


class NewWebhook(msgspec.Struct, frozen=True):
    """A webhook that was created.  signed_with: the secret's name.  signing_secret: its value, if it was made now."""

    name: str
    signed_with: str
    signing_secret: str | None


class WebhookRecord(msgspec.Struct, frozen=True):
    """A webhook, and how it stands.  table: None: it is gone.  state: active, paused or disabled.  pending: requests not ended.

    failing_since: no success since then; None: it does not fail.  failures: attempts since then, exact up to ten.
    """

    name: str
    table: str | None
    events: Sequence[str]
    columns: Sequence[str] | None
    condition: str | None
    url: str
    headers: Mapping[str, Any]
    timeout_ms: int
    retry: Mapping[str, Any]
    ordering: Sequence[str]
    secret: str
    disable_after: timedelta
    state: Literal["active", "paused", "disabled"]
    state_why: str | None
    state_since: datetime
    pending: int
    failing_since: datetime | None
    failures: int
    last_success_at: datetime | None
    last_failure_at: datetime | None
    last_status_code: int | None
    last_error: str | None
    created_by: str
    created_at: datetime


class WebhookEvent(msgspec.Struct, frozen=True):
    """What became of a webhook: created, paused, disabled, resumed, secret rotated, dropped; and why."""

    id: int
    at: datetime
    webhook: str
    what: str
    why: str | None
    created_by: str
