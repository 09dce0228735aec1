"""HTTP requests and webhooks: what comes in and what goes out, as OpenAPI shows it."""

from base64 import b64decode, b64encode
from binascii import Error
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, model_validator

from hanjul.api.schemas import Json, Name, Shown
from hanjul.net.outgoing import HttpRetry
from hanjul.net.rows import RequestStatus

Statuses = list[Annotated[int, Field(ge=100, le=599)]] | Literal["non-2xx"]
Failure = Literal["dns", "connect", "tls", "timeout", "protocol", "too_large"]
Seconds = Annotated[FiniteFloat, Field(ge=0, le=315_360_000)]
Url = Annotated[str, Field(min_length=1, max_length=8000)]
TimeoutMs = Annotated[int, Field(ge=0, lt=2**31)]
Headers = dict[Annotated[str, Field(max_length=200)], str | int | float | bool | None]


def _bytes(text: str) -> str:
    try:
        b64decode(text, validate=True)
    except (Error, ValueError):
        raise ValueError("it is not base64") from None
    return text


def _text(body: Any) -> Any:
    """Bytes as text, if they are one."""
    if not isinstance(body, bytes):
        return body
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _base64(body: Any) -> Any:
    return b64encode(body).decode() if isinstance(body, bytes) else body


class RetryBody(BaseModel):
    """When to send again, as hanjul.HttpRetry says it."""

    model_config = ConfigDict(extra="forbid")

    max_attempts: Annotated[int, Field(ge=1, le=1000)] | None = None
    base_s: Annotated[FiniteFloat, Field(ge=0, le=31_536_000)] | None = None
    cap_s: Annotated[FiniteFloat, Field(ge=0, le=31_536_000)] | None = None
    jitter: Annotated[FiniteFloat, Field(ge=0, le=1)] | None = None
    schedule_s: Annotated[list[Seconds], Field(min_length=1, max_length=999)] | None = None
    statuses: Statuses | None = None
    errors: bool | list[Failure] | None = None
    max_age_s: Seconds | None = None
    retry_after: bool | None = None

    def policy(self) -> HttpRetry:
        """The same for the client."""
        return HttpRetry(**self.model_dump())


class RequestBody(BaseModel):
    """A request to be sent. json, text, bytes: its body, one of them; bytes is base64."""

    model_config = ConfigDict(extra="forbid")

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"] = "GET"
    url: Url
    json_: Annotated[Json, Field(alias="json")] = None
    text: str | None = None
    bytes_: Annotated[Annotated[str, AfterValidator(_bytes)] | None, Field(alias="bytes")] = None
    params: Headers | None = None
    headers: Headers | None = None
    timeout_ms: TimeoutMs = 5000
    retry: RetryBody | None = None
    ordering_key: Annotated[str, Field(min_length=1, max_length=500)] | None = None
    not_before: AwareDatetime | None = None
    delay_s: Seconds | None = None
    sign_with: Name | None = None
    max_response_bytes: Annotated[int, Field(ge=0, le=268_435_456)] | None = None
    max_redirects: Annotated[int, Field(ge=0, le=50)] | None = None

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if sum(body is not None for body in (self.json_, self.text, self.bytes_)) > 1:
            raise ValueError("a request has one body: json, text or bytes")
        return self

    def options(self) -> dict[str, Any]:
        """All but method and URL, as Http.request takes it."""
        inner = {"method", "url", "json_", "bytes_", "retry"}
        own = {field: getattr(self, field) for field in type(self).model_fields if field not in inner}
        data = None if self.bytes_ is None else b64decode(self.bytes_)
        return own | {"json": self.json_, "data": data, "retry": self.retry and self.retry.policy()}


class RequestEnqueued(Shown):
    """The answer of 202: the request, and where to ask how it stands."""

    id: int
    status: RequestStatus
    status_url: str


class RequestLineShown(Shown):
    """A request in a list; credentials in its URL are hidden."""

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


class RequestPage(Shown):
    """Requests, newest first. next: where the next page is; null: this was the last."""

    requests: list[RequestLineShown]
    next: str | None


class ResponseShown(Shown):
    """An answer, or why there is none. content: the body as text.  body: its bytes, in base64, where the text is not they."""

    status_code: int | None
    content_type: str | None
    headers: dict[str, Any] | None
    content: str | None
    body: Annotated[str | None, BeforeValidator(_base64)]
    truncated: bool
    timed_out: bool
    error_msg: str | None
    created: datetime


class RequestShown(RequestLineShown):
    """A request, and all that is known of it. body: as text; null if it is none.  response: the newest; null: there is none."""

    headers: dict[str, Any] | None
    body: Annotated[str | None, BeforeValidator(_text)]
    timeout_milliseconds: int
    give_up_at: datetime | None
    sign_with: str | None
    retry: dict[str, Any] | None
    options: dict[str, Any] | None
    response: ResponseShown | None = None


class AttemptShown(Shown):
    """One attempt at a request: its phases in ms, as far as it came, and what came of it."""

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


class AttemptList(Shown):
    """Every attempt, the first first."""

    attempts: list[AttemptShown]


class WebhookBody(BaseModel):
    """A webhook on a table. retry: ten attempts in three days if not given.  ordering: the primary key if not given."""

    model_config = ConfigDict(extra="forbid")

    table: Name
    events: Annotated[list[Literal["insert", "update", "delete", "truncate"]], Field(min_length=1, max_length=4)]
    url: Url
    name: Name | None = None
    headers: Headers = {}
    secret: Name | None = None
    timeout_ms: TimeoutMs = 15_000
    retry: RetryBody | None = None
    ordering: Annotated[list[Name], Field(max_length=32)] | None = None
    columns: Annotated[list[Name], Field(min_length=1, max_length=1600)] | None = None
    disable_after_s: Annotated[FiniteFloat, Field(gt=0, le=315_360_000)] = 432_000.0

    def options(self) -> dict[str, Any]:
        """All but table, events and URL, as Webhooks.create takes it."""
        own = {field: getattr(self, field) for field in ("name", "headers", "secret", "timeout_ms", "ordering", "columns")}
        return own | {"retry": self.retry and self.retry.policy(), "disable_after": timedelta(seconds=self.disable_after_s)}


class WebhookCreated(Shown):
    """A webhook that was created. signing_secret: told only this once, if it was made with the webhook."""

    name: str
    signed_with: str
    signing_secret: str | None


class WebhookShown(Shown):
    """A webhook, and how it stands; credentials are hidden."""

    name: str
    table: str | None
    events: list[str]
    columns: list[str] | None
    condition: str | None
    url: str
    headers: dict[str, Any]
    timeout_ms: int
    retry: dict[str, Any]
    ordering: list[str]
    secret: str
    state: str
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


class WebhookList(Shown):
    """All webhooks, by name."""

    webhooks: list[WebhookShown]


class PauseBody(BaseModel):
    """Why a webhook is paused."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(max_length=1000)] | None = None
