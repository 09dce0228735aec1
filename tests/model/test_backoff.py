"""How long to wait before the next attempt."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hanjul import Retry
from hanjul.model.backoff import delay_s


def test_the_wait_doubles_up_to_its_cap() -> None:
    assert [delay_s(attempt, jitter=0, cap_s=10) for attempt in range(1, 7)] == [1, 2, 4, 8, 10, 10]


@given(attempt=st.integers(1, 10**9), jitter=st.floats(0, 1))
def test_the_wait_stays_within_its_spread(attempt: int, jitter: float) -> None:
    exact = delay_s(attempt, jitter=0)

    assert exact * (1 - jitter) - 1e-9 <= delay_s(attempt, jitter=jitter) <= exact * (1 + jitter) + 1e-9


def test_an_attempt_before_the_first_is_refused() -> None:
    with pytest.raises(ValueError, match="attempt must be 1 or more, not 0"):
        delay_s(0)


@pytest.mark.parametrize(
    "values",
    [
        {"max_attempts": 0},
        {"base_s": -1},
        {"base_s": nan},
        {"cap_s": 0.5},
        {"cap_s": inf},
        {"cap_s": nan},
        {"jitter": 1.1},
        {"jitter": nan},
    ],
)
def test_a_retry_that_cannot_work_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be|needs"):
        Retry(**values)  # type: ignore[arg-type]
