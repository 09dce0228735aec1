"""What a consumer may be declared with; told at the declaration, not when the first message comes."""

import math
from typing import Any

import pytest

from hanjul import App, BadInput, InvalidSettings, Nack, Release


@pytest.mark.parametrize(
    "wrong",
    [
        {"retry": 3},
        {"archive": "x"},
        {"concurrency": 1.5},
        {"concurrency": 0},
        {"prefetch": 2.5},
        {"prefetch": 10_001},
        {"lease_s": 0},
        {"timeout_s": -1},
        {"stop_timeout_s": "soon"},
    ],
    ids=str,
)
def test_a_setting_that_cannot_work_is_refused_by_name(wrong: dict[str, Any]) -> None:
    [name] = wrong

    with pytest.raises(InvalidSettings, match=name):
        App(driver="memory").consumer("mail", **wrong)(print_body)


@pytest.mark.parametrize(
    "outcome", [lambda delay: Nack(delay_s=delay), lambda delay: Release(delay_s=delay)], ids=["nack", "release"]
)
@pytest.mark.parametrize("delay", [math.nan, math.inf, -1, 1e12, "x", True], ids=str)
def test_a_delay_that_cannot_be_kept_is_refused_by_value(outcome: Any, delay: Any) -> None:
    with pytest.raises(BadInput, match="delay_s must be a number of seconds"):
        outcome(delay)


async def print_body(body: object) -> None:
    print(body)
