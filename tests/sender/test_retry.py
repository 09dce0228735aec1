"""What the retry policy makes of an answer."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sender.sending import request, sender
from tests.sender.server import Server, answer, stall

from hanjul.model.outcome import MAX_SECONDS, Ack, Nack, Outcome, Reject
from hanjul.model.request import Answer
from hanjul.sender.retry import failed_by, judge, retry_after_s, seconds_of, wait_after

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EXACT = {"jitter": 0}


def _judged(answer: Answer, retry: Mapping[str, Any] | None, *, attempt: int = 1, most: int = 5, **fields: Any) -> Outcome:
    return judge(request("http://a/", retry=retry, attempt=attempt, max_attempts=most, created_at=NOW, **fields), answer, NOW)


def _failure(kind: str = "timeout") -> Answer:
    return Answer(error="why", error_kind=kind)


def _bad(status: int = 503, **headers: str) -> Answer:
    return Answer(
        status, headers={name.replace("_", "-"): value for name, value in headers.items()}, error="why", error_kind="status"
    )


def test_an_answer_is_an_ack() -> None:
    assert type(_judged(Answer(200), None)) is Ack
    assert type(_judged(Answer(200), {})) is Ack


@pytest.mark.parametrize(
    ("retry", "failures"),
    [
        (None, set()), ({}, {408, 425, 429, 500, 502, 503, 504}), ({"statuses": [418]}, {418}), ({"statuses": []}, set()),
        ({"statuses": "non-2xx"}, {100, 301, 304, 400, 404, 408, 410, 418, 425, 429, 500, 501, 502, 503, 504}),
    ],
)  # fmt: skip
def test_which_statuses_are_failures(retry: Mapping[str, Any] | None, failures: set[int]) -> None:
    statuses = {100, 200, 201, 204, 299, 301, 304, 400, 404, 408, 410, 418, 425, 429, 500, 501, 502, 503, 504}

    assert {status for status in statuses if failed_by(retry, status)} == failures


def test_without_a_policy_a_failure_is_final() -> None:
    outcome = _judged(_failure(), None, most=5)

    assert isinstance(outcome, Reject)
    assert outcome.reason == "why"


def test_with_one_it_is_tried_again_until_attempts_run_out() -> None:
    again, last = _judged(_failure(), EXACT, attempt=4), _judged(_failure(), EXACT, attempt=5)

    assert isinstance(again, Nack)
    assert (again.reason, again.delay_s) == ("why", 8)
    assert isinstance(last, Reject)
    assert (last.reason, last.kind) == ("why", "max_attempts")


@pytest.mark.parametrize("kind", ["dns", "connect", "tls", "timeout", "protocol", "too_large"])
def test_which_errors_are_tried_again(kind: str) -> None:
    assert isinstance(_judged(_failure(kind), {"errors": True}), Nack)
    assert isinstance(_judged(_failure(kind), {"errors": [kind]}), Nack)
    assert isinstance(_judged(_failure(kind), {"errors": ["other"]}), Reject)
    assert isinstance(_judged(_failure(kind), {"errors": False}), Reject)


@pytest.mark.parametrize("kind", ["refused", "invalid"])
def test_what_no_attempt_can_mend_is_not_tried_again(kind: str) -> None:
    assert isinstance(_judged(_failure(kind), {"errors": True}), Reject)


def test_a_webhook_that_is_gone_is_not_tried_again() -> None:
    policy = {"statuses": "non-2xx"}

    assert isinstance(_judged(_bad(410), policy, webhook="orders"), Reject)
    assert isinstance(_judged(_bad(410), policy), Nack)
    assert isinstance(_judged(_bad(404), policy, webhook="orders"), Nack)


@pytest.mark.parametrize(
    ("retry", "waits"),
    [
        ({}, [1, 2, 4, 8, 16]), ({"base_s": 3, "cap_s": 10}, [3, 6, 10, 10, 10]), ({"base_s": 0}, [0, 0, 0, 0, 0]),
        ({"schedule_s": [5, 300, 1800]}, [5, 300, 1800, 1800, 1800]), ({"base_s": 7200}, [7200] * 5),
    ],
)  # fmt: skip
def test_waits_double_or_go_by_the_schedule(retry: Mapping[str, Any], waits: list[float]) -> None:
    assert [wait_after({**EXACT, **retry}, attempt, _failure(), NOW) for attempt in range(1, 6)] == waits


def test_the_age_that_a_policy_allows_is_the_databases_to_judge() -> None:
    """It knows when a request was sent again, or held back: its give_up_at is moved by as much."""
    assert isinstance(_judged(_failure(), {"max_age_s": 1, **EXACT}, attempt=3), Nack)


@pytest.mark.parametrize(
    ("retry", "asked", "wait"),
    [
        ({}, "30", 30), ({}, "Thu, 01 Jan 2026 00:02:00 GMT", 120), ({"retry_after": False}, "30", 1), ({"cap_s": 10}, "30", 10),
        ({}, "999999", 86400), ({"schedule_s": [5]}, "30", 30), ({}, "soon", 1), ({}, "-5", 1), ({}, "1.5", 1), ({}, "0", 0),
        ({}, "Wed, 31 Dec 2025 00:00:00 GMT", 0),
    ],
)  # fmt: skip
def test_retry_after_is_honoured_up_to_the_cap(retry: Mapping[str, Any], asked: str, wait: float) -> None:
    assert wait_after({**EXACT, **retry}, 1, _bad(Retry_After=asked), NOW) == wait


def test_retry_after_is_never_cut_short_by_chance() -> None:
    waits = [wait_after({"jitter": 0.5}, 1, _bad(retry_after="100"), NOW) for _ in range(200)]

    assert min(waits) >= 100
    assert max(waits) <= 150
    assert len(set(waits)) > 100


@given(st.text())
def test_any_retry_after_is_a_number_of_seconds_or_nothing(text: str) -> None:
    seconds = seconds_of(text, NOW)

    assert seconds is None or 0 <= seconds <= MAX_SECONDS


@given(st.integers(0, 10**30))
def test_seconds_are_read_and_bounded(seconds: int) -> None:
    assert seconds_of(f" {seconds} ", NOW) == min(seconds, MAX_SECONDS)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1)))
def test_dates_are_read(at: datetime) -> None:
    at = at.replace(microsecond=0, tzinfo=UTC)
    wait_s = max(0.0, (at - NOW).total_seconds())

    assert seconds_of(format_datetime(at, usegmt=True), NOW) == min(wait_s, MAX_SECONDS)


policies = st.fixed_dictionaries({}, optional={
    "base_s": st.floats(0, 1e6), "cap_s": st.floats(0, 1e6), "jitter": st.floats(0, 1), "retry_after": st.booleans(),
    "schedule_s": st.lists(st.floats(0, 1e6), min_size=1, max_size=5),
    "statuses": st.lists(st.integers(100, 599)) | st.just("non-2xx"),
    "errors": st.booleans() | st.lists(st.sampled_from(["dns", "connect", "tls", "timeout", "protocol", "too_large"])),
    "max_age_s": st.floats(0, 1e9),
})  # fmt: skip


@given(
    st.none() | policies, st.integers(1, 20), st.integers(1, 20), st.integers(100, 599), st.text(max_size=10) | st.just("10"),
    st.sampled_from([None, "status", "dns", "timeout", "refused", "invalid"]),
)  # fmt: skip
def test_every_verdict_is_one_that_can_be_kept(
    retry: Mapping[str, Any] | None, attempt: int, most: int, status: int, after: str, kind: str | None
) -> None:
    answer_ = Answer(status, headers={"Retry-After": after}, error=None if kind is None else "why", error_kind=kind)

    outcome = _judged(answer_, retry, attempt=attempt, most=most)

    assert type(outcome) in {Ack, Nack, Reject}
    assert (type(outcome) is Ack) == (kind is None)
    if isinstance(outcome, Nack):
        assert retry is not None
        assert attempt < most
        assert outcome.delay_s is not None


def test_the_newest_retry_after_counts() -> None:
    assert retry_after_s(Answer(headers={"retry-after": "7"}), NOW) == 7
    assert retry_after_s(Answer(), NOW) is None


async def test_a_listed_status_is_a_failure_that_says_so_and_keeps_its_answer(server: Server) -> None:
    asked = request(server.on("/", answer(503, b"busy", {"Retry-After": "7"})), retry=EXACT, max_attempts=2)

    async with sender() as own:
        outcome = await own.send(asked)

    assert isinstance(outcome, Nack)
    assert (outcome.reason, outcome.delay_s) == ("the answer's status is 503", 7)
    assert asked.answer is not None
    assert (asked.answer.status_code, asked.answer.content, asked.answer.error) == (503, "busy", "the answer's status is 503")


async def test_a_timeout_is_tried_again(server: Server) -> None:
    async with sender() as own:
        outcome = await own.send(request(server.on("/", stall), retry=EXACT, max_attempts=2, timeout_ms=100))

    assert isinstance(outcome, Nack)
    assert outcome.reason.startswith("Timeout of 100 ms reached.")


async def test_a_policy_that_is_none_is_the_requests_error_and_the_sender_goes_on(server: Server) -> None:
    async with sender() as own:
        broken = request(server.url(), retry={"statuses": 5})
        outcome = await own.send(broken)
        assert type(await own.send(request(server.url()))) is Ack

    assert isinstance(outcome, Reject)
    assert broken.answer is not None
    assert str(broken.answer.error).startswith("the sender failed: TypeError")
