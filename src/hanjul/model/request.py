"""An HTTP request leased to a sender: a delivery that says what to send, and that is told what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hanjul.model.delivery import Delivery
from hanjul.model.payload import decoded


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one attempt.

    status_code, content_type, headers: of the answer; None if there was none. headers: the last of each name.
    content: the body as text.  body: its bytes, where the text is not exactly they.  truncated: it was longer than allowed.
    error: why there is no answer, in libcurl's words, or why it is not good enough; None if all is well.
    timed_out: whether time ran out.  The phases in ms, as far as it came: see net.http_attempt.
    error_kind: of what sort the error is: dns, connect, tls, timeout, protocol, too_large, which a policy may name, or status,
    refused, invalid.
    """

    status_code: int | None = None
    content_type: str | None = None
    headers: Mapping[str, str] | None = None
    content: str | None = None
    body: bytes | None = None
    truncated: bool = False
    error: str | None = None
    timed_out: bool = False
    duration_ms: float = 0.0
    dns_ms: float | None = None
    connect_ms: float | None = None
    first_byte_ms: float | None = None
    response_bytes: int = 0
    remote_address: str | None = None
    error_kind: str | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as a sender has it. hosts: where it may go.  former: signs as well, while a rotation lasts."""

    name: str
    value: str = field(repr=False)
    former: str | None = field(repr=False)
    hosts: tuple[str, ...]


class Request(Delivery[Any]):
    """One attempt at one request.

    id: a whole number.  attempt: 1 for the first; what was given back, or died with its sender, does not count.
    fence: of the claim.  timeout_ms: of the whole attempt; 0: none.  retry: the policy as JSON data; None: one attempt.
    secrets: those that it names, by name.  answer: what came of this attempt, once there is something.
    is_over: whether it has been settled.
    """

    __slots__ = (
        "__weakref__", "answer", "enqueued_by", "headers_out", "idempotency_key", "is_over", "max_attempts", "method", "options",
        "ordering_key", "payload", "retry", "secrets", "sign_with", "timeout_ms", "url", "webhook",
    )  # fmt: skip

    def __init__(
        self,
        id: int,  # noqa: A002  (the field's word)
        *,
        attempt: int,
        fence: int,
        max_attempts: int,
        method: str,
        url: str,
        headers_out: Mapping[str, Any] | None,
        payload: bytes | None,
        timeout_ms: int,
        created_at: datetime,
        lease_until: float,
        retry: Mapping[str, Any] | None = None,
        ordering_key: str | None = None,
        idempotency_key: str | None = None,
        sign_with: str | None = None,
        webhook: str | None = None,
        options: Mapping[str, Any] | None = None,
        secrets: Mapping[str, Secret] | None = None,
        enqueued_by: str = "",
    ) -> None:
        super().__init__(
            "http requests", id, attempt=attempt, fence=fence, enqueued_at=created_at, raw=None, headers=None,
            lease_until=lease_until,
        )  # fmt: skip
        self.max_attempts, self.method, self.url, self.headers_out = max_attempts, method, url, headers_out
        self.payload, self.timeout_ms, self.retry = payload, timeout_ms, retry
        self.ordering_key, self.idempotency_key = ordering_key, idempotency_key
        self.sign_with, self.webhook, self.options = sign_with, webhook, options or {}
        self.secrets, self.enqueued_by = secrets or {}, enqueued_by
        self.answer: Answer | None = None
        self.is_over = False

    @property
    def body(self) -> Any:
        """The payload as JSON, as the type that a handler asks for; raises InvalidMessage if it is none."""
        return decoded(None if self.payload is None else self.payload.decode(errors="replace"), self._into)
