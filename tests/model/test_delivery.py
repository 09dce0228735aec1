"""A delivery is settled once."""

from datetime import UTC, datetime
from typing import Any

import pytest

from hanjul import AlreadySettled, Delivery, InvalidMessage
from hanjul.model.outcome import Ack, Nack, Outcome, Reject, Release


def _delivery(raw: str | None = "1", headers: str | None = None) -> Delivery[Any]:
    return Delivery("mail", 1, attempt=1, fence=1, enqueued_at=datetime.now(UTC), raw=raw, headers=headers, lease_until=0.0)


@pytest.mark.parametrize(("verb", "outcome"), [("ack", Ack), ("nack", Nack), ("release", Release), ("reject", Reject)])
async def test_each_verb_is_one_outcome_and_comes_once(verb: str, outcome: type[Outcome]) -> None:
    outcomes: list[Outcome] = []

    async def settle(_delivery: Delivery[Any], outcome: Outcome) -> None:
        outcomes.append(outcome)

    delivery = _delivery()
    delivery.attach(int, settle, None)  # type: ignore[arg-type]

    await getattr(delivery, verb)()

    assert [type(outcome) for outcome in outcomes] == [outcome]
    assert delivery.settled
    for again in ("ack", "nack", "release", "reject"):
        with pytest.raises(AlreadySettled, match="message 1 of queue 'mail' is already settled"):
            await getattr(delivery, again)()
    with pytest.raises(AlreadySettled):
        delivery.transaction()


async def test_a_delivery_that_nobody_attached_cannot_be_settled() -> None:
    with pytest.raises(AlreadySettled):
        await _delivery().ack()
    with pytest.raises(AlreadySettled, match="belongs to no consumer"):
        _delivery().transaction()


def test_bodies_and_headers_are_read_when_they_are_looked_at() -> None:
    assert _delivery('{"a": 1}', '{"h": 2}').body == {"a": 1}
    assert _delivery(headers='{"h": 2}').headers == {"h": 2}
    assert (_delivery(None).body, _delivery().headers) == (None, {})
    with pytest.raises(InvalidMessage):
        _ = _delivery("{").body
    with pytest.raises(InvalidMessage):
        _ = _delivery(headers="[1]").headers


def test_a_settlement_that_was_rolled_back_can_be_given_again() -> None:
    delivery = _delivery()
    assert delivery.take_settlement()
    assert not delivery.take_settlement()

    delivery.give_settlement_back()

    assert delivery.take_settlement()
