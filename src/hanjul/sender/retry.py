"""What becomes of a request after an attempt, by its retry policy."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from hanjul.model.backoff import delay_s
from hanjul.model.outcome import MAX_SECONDS, Ack, Nack, Outcome, Reject
from hanjul.model.request import Answer, Request
from hanjul.sender.failures import INVALID, REFUSED

STATUS = "status"
"""The kind of an answer that the policy takes for a failure."""
STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
NON_2XX = "non-2xx"
GONE = 410
LONGEST_RETRY_AFTER_S = 86400.0


def failed_by(retry: Mapping[str, Any] | None, status: int) -> bool:
    """Whether the policy takes an answer of this status for a failure; without a policy, none is.

    >>> failed_by(None, 500), failed_by({}, 500), failed_by({"statuses": "non-2xx"}, 302)
    (False, True, True)
    """
    if retry is None:
        return False
    statuses = retry.get("statuses", STATUSES)
    return not 200 <= status < 300 if statuses == NON_2XX else status in statuses


def judge(request: Request, answer: Answer, now: datetime) -> Outcome:
    """Ack for an answer, Nack for a failure that is tried again, Reject for the last one.

    answer.error: set wherever it is a failure.  now: with its time zone, as the request's enqueued_at has one.
    """
    if answer.error is None:
        return Ack()
    retry, reason = request.retry, answer.error
    if retry is None or not _may_be_retried(request, retry, answer):
        return Reject(reason)
    if request.attempt >= request.max_attempts:
        return Reject(reason, kind="max_attempts")
    wait_s = wait_after(retry, request.attempt, answer, now)
    return Nack(reason, delay_s=wait_s)


def wait_after(retry: Mapping[str, Any], attempt: int, answer: Answer, now: datetime) -> float:
    """Seconds until the next attempt: what the answer's Retry-After asks for, or else the schedule or the backoff.

    What was asked for is never cut short by chance, only prolonged, and never beyond cap_s (a day where the policy has none).
    """
    jitter = float(retry.get("jitter", 0.1))
    cap_s = float(retry.get("cap_s", 3600.0))
    if retry.get("retry_after", True):
        asked_s = retry_after_s(answer, now)
        if asked_s is not None:
            longest_s = float(retry.get("cap_s", LONGEST_RETRY_AFTER_S))
            return min(asked_s, longest_s) * (1 + jitter * random.random())  # noqa: S311  (spread, not secrecy)
    schedule_s = retry.get("schedule_s")
    if schedule_s:
        wait_s = float(schedule_s[min(attempt, len(schedule_s)) - 1])
        return wait_s * (1 + jitter * random.uniform(-1, 1))  # noqa: S311
    base_s = float(retry.get("base_s", 1.0))
    return min(float(MAX_SECONDS), delay_s(attempt, base_s=base_s, cap_s=max(cap_s, base_s), jitter=jitter))


def retry_after_s(answer: Answer, now: datetime) -> float | None:
    """Seconds that the answer asks to wait, whether it gives a number or a date; None if it does not, or not clearly."""
    values = [value for name, value in (answer.headers or {}).items() if name.lower() == "retry-after"]
    return seconds_of(values[-1], now) if values else None


def seconds_of(retry_after: str, now: datetime) -> float | None:
    """A value of Retry-After as seconds from now, 0 for what is past; None if it is neither a number nor a date.

    >>> seconds_of("120", datetime(2026, 1, 1, tzinfo=UTC))
    120.0
    >>> seconds_of("Thu, 01 Jan 2026 00:01:00 GMT", datetime(2026, 1, 1, tzinfo=UTC))
    60.0
    """
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return float(min(int(text[:20]), MAX_SECONDS))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    try:
        return min(max(0.0, (at - now).total_seconds()), float(MAX_SECONDS))
    except OverflowError:
        return None


def _may_be_retried(request: Request, retry: Mapping[str, Any], answer: Answer) -> bool:
    if answer.error_kind == STATUS:
        return not (request.webhook is not None and answer.status_code == GONE)  # who answers so wants no more of it
    if answer.error_kind in {REFUSED, INVALID}:
        return False
    errors = retry.get("errors", True)
    return errors if isinstance(errors, bool) else answer.error_kind in errors
