"""The simulation is itself tested: with a mistake built in, it must find a promise broken."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.runtime.test_simulation import Simulation
from tests.runtime.virtual import run

from hanjul.drivers import memory
from hanjul.model.outcome import Ack, Release
from hanjul.runtime.consumer import Consumer
from hanjul.runtime.leases import Leases
from hanjul.runtime.pool import Pool

real_take, real_apply = Consumer._take, memory._apply


def forget_what_comes_during_a_stop(self: Any, deliveries: Any) -> None:
    if not self._stopping:
        real_take(self, deliveries)


def charge_releases(place: Any, message: Any, outcome: Any) -> None:
    real_apply(place, message, outcome)
    message.released -= isinstance(outcome, Release)


MISTAKES: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "a lost lease is not told": (Leases, "_look", lambda self: None),
    "a lost lease is told to nobody": (Pool, "lose", lambda self, delivery: None),
    "a cancelled handler acks": (Pool, "_cancelled", lambda self, delivery: Ack()),
    "no fence": (memory._Message, "is_held_by", lambda self, delivery: True),
    "a fetch under way at the stop is forgotten": (Consumer, "_take", forget_what_comes_during_a_stop),
    "a release charges an attempt": (memory, "_apply", charge_releases),
}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found(monkeypatch: pytest.MonkeyPatch, mistake: str) -> None:
    owner, name, wrong = MISTAKES[mistake]
    monkeypatch.setattr(owner, name, wrong)

    assert any(_fails(seed) for seed in range(300))


def _fails(seed: int) -> bool:
    try:
        run(Simulation(seed).run())
    except (AssertionError, asyncio.CancelledError, RuntimeError):
        return True
    return False
