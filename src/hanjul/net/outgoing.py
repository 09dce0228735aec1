"""One HTTP request as it is asked for, written as net.http_request_many reads it. PostgreSQL checks it."""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, TypedDict

import msgspec

from hanjul.model.errors import BadInput, MessageTooLarge
from hanjul.model.payload import encoded

_NUMBER = re.compile(r"\brequest (\d+): ")  # of net.http_request_many, from 1


class HttpRetry(msgspec.Struct, frozen=True, omit_defaults=True):
    """When a request is sent again. What is not given is as net.http_request has it.

    max_attempts: 5, the first included.  base_s, cap_s, jitter: 1, 3600, 0.1: the pauses double; jitter is the share that is
    left to chance.  schedule_s: the pauses themselves, instead; one more than they is the default of max_attempts.
    statuses: that are not good enough (408, 425, 429, 500, 502, 503, 504), or "non-2xx".  errors: whether to try again where
    there was no answer, or of which kinds: dns, connect, tls, timeout, protocol, too_large.
    max_age_s: no attempt begins later.  retry_after: whether the server's Retry-After is heeded.
    """

    max_attempts: int | None = None
    base_s: float | None = None
    cap_s: float | None = None
    jitter: float | None = None
    schedule_s: Sequence[float] | None = None
    statuses: Sequence[int] | str | None = None
    errors: bool | Sequence[str] | None = None
    max_age_s: float | None = None
    retry_after: bool | None = None


class Options(TypedDict, total=False):
    """What can be said of a request beside its method and URL: see HttpRequest."""

    params: Mapping[str, object] | None
    headers: Mapping[str, object] | None
    timeout_ms: int
    retry: HttpRetry | None
    idempotency_key: str | None
    ordering_key: str | None
    not_before: datetime | None
    delay_s: float | timedelta | None
    sign_with: str | None
    max_response_bytes: int | None
    max_redirects: int | None


class OptionsWithBody(Options, total=False):
    """The same, and a body: one of the three."""

    json: object
    text: str | None
    data: bytes | None


class HttpRequest(msgspec.Struct, frozen=True):
    """A request to be sent.

    json, text, data: its body, one of them: anything with a JSON form, a text, or bytes. json=None is none: JSON's null is
    data=b"null".  params: added to the query.  headers: their values may name secrets: "Bearer ${secret:crm}".
    timeout_ms: of one attempt in all; 0: none.  retry: None: one attempt, and any HTTP status is an answer.
    idempotency_key: a second request with it is the first; sent along as a header.
    ordering_key: of each key one at a time, in the order of enqueueing.
    not_before, delay_s: when; one of them; by this machine's clock.
    sign_with: the name of the secret that signs it (Standard Webhooks).
    max_response_bytes: what is longer is cut off (10 MiB).  max_redirects: 0: none is followed (10).
    Raises BadInput for what cannot be, here or when it is enqueued.
    """

    method: str
    url: str
    json: object = None
    text: str | None = None
    data: bytes | None = None
    params: Mapping[str, object] | None = None
    headers: Mapping[str, object] | None = None
    timeout_ms: int = 5000
    retry: HttpRetry | None = None
    idempotency_key: str | None = None
    ordering_key: str | None = None
    not_before: datetime | None = None
    delay_s: float | timedelta | None = None
    sign_with: str | None = None
    max_response_bytes: int | None = None
    max_redirects: int | None = None

    def __post_init__(self) -> None:
        for what in ("method", "url"):
            if not isinstance(getattr(self, what), str):
                raise BadInput(f"{what} must be text, not {getattr(self, what)!r}")
        if sum(body is not None for body in (self.json, self.text, self.data)) > 1:
            raise BadInput("a request has one body: json, text or data")
        if self.text is not None and not isinstance(self.text, str):
            raise BadInput(f"text must be text, not {type(self.text).__name__}; data= takes bytes, json= anything else")
        if self.data is not None and not isinstance(self.data, bytes | bytearray | memoryview):
            raise BadInput(f"data must be bytes, not {type(self.data).__name__}; text= takes text, json= anything else")
        if self.retry is not None and not isinstance(self.retry, HttpRetry):
            raise BadInput(f"retry must be a hanjul.HttpRetry, not {self.retry!r}")
        if self.not_before is not None and self.delay_s is not None:
            raise BadInput("not_before and delay_s exclude each other")

    def written(self, max_bytes: int) -> bytes:
        """Itself as a JSON object. Raises BadInput, InvalidMessage, MessageTooLarge."""
        limits = {"max_response_bytes": self.max_response_bytes, "max_redirects": self.max_redirects}
        fields: dict[str, Any] = {
            "method": self.method,
            "url": self.url,
            "body": self.text,
            "bytes": None if self.data is None else b64encode(self.data).decode(),
            "params": self.params,
            "headers": self.headers,
            "timeout_milliseconds": self.timeout_ms,
            "retry": None if self.retry is None else _said(msgspec.to_builtins(self.retry)),
            "idempotency_key": self.idempotency_key,
            "ordering_key": self.ordering_key,
            "not_before": self._moment(),
            "sign_with": self.sign_with,
            "options": _said(limits) or None,
        }
        text = encoded(_said(fields))
        if self.json is not None:
            text = text[:-1] + b',"json_body":' + encoded(self.json) + b"}"
        if len(text) > max_bytes:
            raise MessageTooLarge(len(text), max_bytes)
        return text

    def _moment(self) -> str | None:
        moment = self.not_before
        if self.delay_s is not None:
            moment = datetime.now(UTC) + _delay(self.delay_s)
        if moment is None:
            return None
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise BadInput(f"not_before must be a datetime with a time zone, not {moment!r}")
        return moment.isoformat()


def all_written(requests: Iterable[HttpRequest], max_bytes: int) -> Iterator[bytes]:
    """Each as a JSON object. What is raised says which one it is about, 1 for the first."""
    for before, request in enumerate(requests):
        with numbered_after(before):
            text = request.written(max_bytes)
        yield text


@contextmanager
def numbered_after(before: int) -> Iterator[None]:
    """Errors about the requests that are enqueued here, which follow so many others, call them by their numbers among all."""
    try:
        yield
    except BadInput as error:
        said, told = _NUMBER.subn(lambda number: f"request {int(number[1]) + before}: ", str(error), count=1)
        error.args = (said if told else f"request {before + 1}: {said}",)
        raise


def _delay(delay_s: float | timedelta) -> timedelta:
    if isinstance(delay_s, timedelta):
        return delay_s
    if (
        isinstance(delay_s, bool)
        or not isinstance(delay_s, int | float)
        or not isfinite(delay_s)
        or not 0 <= delay_s <= 315_360_000
    ):
        raise BadInput(f"delay_s must be from 0 to 315360000 seconds, or a timedelta, not {delay_s!r}")
    return timedelta(seconds=delay_s)


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
