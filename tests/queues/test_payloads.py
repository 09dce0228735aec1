"""Bodies and headers: what goes in comes out, as the type that is asked for."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypedDict
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import psycopg
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hanjul import BadInput, DatabaseSync, InvalidMessage, MessageTooLarge, Queues, QueuesSync

WHEN = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


@dataclass
class Letter:
    to: str
    at: datetime


class LetterStruct(msgspec.Struct):
    to: str
    at: datetime


class LetterModel(pydantic.BaseModel):
    to: str
    at: datetime


class LetterDict(TypedDict):
    to: str
    at: datetime


@pytest.mark.parametrize("type_", [Letter, LetterStruct, LetterModel, LetterDict])
async def test_a_body_is_read_as_the_type_it_was_sent_as(mail: Queues, type_: Any) -> None:
    sent = type_(to="ada", at=WHEN)
    await mail.send_batch("mail", [sent, sent, sent])

    [peeked] = await mail.peek("mail", into=type_)
    [read] = await mail.read("mail", into=type_)
    [popped] = await mail.pop("mail", into=type_)
    [moved] = await mail.set_vt("mail", read.msg_id, vt=0, into=type_)

    assert [peeked.message, read.message, popped.message, moved.message] == [sent] * 4
    assert isinstance(read.message, dict if type_ is LetterDict else type_)


async def test_models_may_stand_inside_of_other_types(mail: Queues) -> None:
    await mail.send("mail", [LetterModel(to="ada", at=WHEN)])

    [read] = await mail.read("mail", into=list[LetterModel])

    assert read.message == [LetterModel(to="ada", at=WHEN)]


async def test_common_types_are_written_as_text(mail: Queues) -> None:
    await mail.send("mail", {"id": UUID(int=7), "on": date(2026, 1, 2), "sum": Decimal("1.10"), "raw": b"x", "set": {1}})

    [read] = await mail.read("mail")

    assert read.message == {
        "id": "00000000-0000-0000-0000-000000000007",
        "on": "2026-01-02",
        "sum": "1.10",
        "raw": "eA==",
        "set": [1],
    }


async def test_a_body_of_another_type_is_told_when_it_is_looked_at_and_keeps_nobody_up(mail: Queues) -> None:
    ids = await mail.send_batch("mail", [{"to": "ada", "at": WHEN}, {"to": 7}, {"to": "bob", "at": WHEN}])

    good, bad, better = await mail.pop("mail", qty=3, into=Letter)

    assert [good.message.to, bad.msg_id, better.message.to] == ["ada", ids[1], "bob"]
    with pytest.raises(InvalidMessage, match=r"message 2: the message is no Letter: Expected `str`, got `int` - at `\$\.to`"):
        _ = bad.message


async def test_a_dead_letter_of_another_type_is_told_when_it_is_looked_at(mail: Queues, dsn: str) -> None:
    await mail.send("mail", {"to": 7})
    await mail.read("mail")
    with psycopg.connect(dsn) as conn:
        conn.execute("select hanjul.reject('mail', '{1}', '{1}', '{rejected}', '{no}')")

    [dead] = await mail.dead_letters("mail", into=Letter)

    assert dead.msg_id == 1
    with pytest.raises(InvalidMessage, match="no Letter"):
        _ = dead.message


async def test_what_other_clients_store_is_read(mail: Queues, dsn: str) -> None:
    with psycopg.connect(dsn) as conn:
        conn.execute("select pgmq.send('mail', null, null::jsonb), pgmq.send('mail', '1', '[1]'::jsonb)")

    empty, listed = await mail.read("mail", qty=2, into=int)

    assert (empty.message, empty.headers) == (None, None)
    with pytest.raises(InvalidMessage, match="the headers are no JSON object"):
        _ = listed.message


@pytest.mark.parametrize("into", [3, {}, "Letter"])
async def test_what_is_no_type_is_refused_before_anything_is_read(mail: Queues, into: Any) -> None:
    await mail.send("mail", 1)

    with pytest.raises(BadInput, match="is not a type that a message can be read as"):
        await mail.pop("mail", into=into)

    assert (await mail.metrics("mail")).queue_length == 1


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
numbers = st.integers() | st.integers(-(10**300), 10**300) | st.floats(allow_nan=False, allow_infinity=False)
bodies = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inside: st.lists(inside, max_size=5) | st.dictionaries(texts, inside, max_size=5),
    max_leaves=20,
)


@pytest.fixture(scope="module")
def round_trip(server: str, template: str) -> Iterator[QueuesSync]:
    """One queue for all examples, on a database of this module's own."""
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"create database round_trip template {template}")
    with QueuesSync(DatabaseSync(urlsplit(server)._replace(path="/round_trip").geturl())) as queues:
        queues.create("mail")
        yield queues
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute("drop database round_trip with (force)")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(bodies, min_size=1, max_size=8), headers=st.dictionaries(texts, bodies, max_size=3))
def test_any_json_value_survives(round_trip: QueuesSync, messages: list[Any], headers: dict[str, Any]) -> None:
    ids = round_trip.send_batch("mail", messages, headers=[headers] * len(messages))

    popped = round_trip.pop("mail", qty=10)

    assert [message.msg_id for message in popped] == list(ids)
    assert [_as_jsonb(message.message) for message in popped] == [_as_jsonb(message) for message in messages]
    assert all(_as_jsonb(message.headers) == _as_jsonb(headers) for message in popped)


def _as_jsonb(value: Any) -> Any:
    """Equal for what jsonb holds to be the same: it keeps numbers exactly, and knows neither -0 nor 1.0 apart from 1."""
    if isinstance(value, dict):
        return {name: _as_jsonb(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_as_jsonb(part) for part in value]
    if isinstance(value, float) and value.is_integer():
        return int(Decimal(repr(value)))
    return value if isinstance(value, bool) or not isinstance(value, int) else int(value)


async def test_huge_numbers_are_kept_exactly(mail: Queues) -> None:
    sent = [10**1000 + 1, -(2**63) - 1, 2**64, 5e-324, 0.1]
    await mail.send("mail", sent)

    [read] = await mail.read("mail")

    assert read.message == sent


REFUSED = {
    "NaN": (math.nan, "nan is not a JSON number"),
    "NaN inside": ({"a": [1, {"b": -math.inf}]}, "-inf is not a JSON number"),
    "NaN in a model": (pydantic.create_model("M", x=(float, ...))(x=math.nan), "nan is not a JSON number"),
    "a lone surrogate": ("\ud800", "surrogates not allowed"),
    "a lone surrogate as a key": ({"\udfff": 1}, "surrogates not allowed"),
    "NUL": ("a\x00b", "u0000"),
    "an object": (object(), "object has no JSON form"),
    "a function": ({"f": print}, "has no JSON form"),
    "a key that is no text": ({(1, 2): 3}, "tuple has no JSON form"),
}


async def test_what_is_no_json_is_refused_and_nothing_is_sent(mail: Queues) -> None:
    for message, why in REFUSED.values():
        for send in (
            mail.send("mail", message),
            mail.send("mail", 1, headers={"h": message}),
            mail.send("mail", message, delay=WHEN),
            mail.send_batch("mail", [1, message]),
            mail.send_batch("mail", [1, 2], headers=[None, {"h": message}]),
        ):
            with pytest.raises(InvalidMessage, match=why):
                await send

    assert (await mail.metrics("mail")).queue_length == 0


async def test_json_that_is_sent_as_it_is_must_be_whole(mail: Queues) -> None:
    await mail.send("mail", msgspec.Raw(b' {"a": [1, 2]} '))
    with pytest.raises(InvalidMessage, match="JSON is malformed"):
        await mail.send("mail", msgspec.Raw(b"1],[2"))

    assert [read.message for read in await mail.read("mail", qty=9)] == [{"a": [1, 2]}]


async def test_a_message_that_contains_itself_is_refused(mail: Queues) -> None:
    message: list[Any] = []
    message.append(message)

    with pytest.raises(InvalidMessage, match="nested too deeply, or contains itself"):
        await mail.send("mail", message)


async def test_a_message_over_the_limit_is_refused_before_it_is_sent(mail: Queues) -> None:
    with pytest.raises(MessageTooLarge, match=r"the message is 100,000,002 bytes of JSON; the limit is 16,777,216"):
        await mail.send("mail", "x" * 100_000_000)
    with pytest.raises(BadInput, match="raise max_message_bytes"):
        await mail.send("mail", 1, headers={"h": "x" * (17 << 20)})

    assert (await mail.metrics("mail")).queue_length == 0


def test_the_limit_can_be_set(dsn: str) -> None:
    with QueuesSync(DatabaseSync(dsn), max_message_bytes=8) as queues:
        queues.create("mail")

        assert queues.send("mail", "123456") == 1
        with pytest.raises(BadInput, match="9 bytes of JSON; the limit is 8"):
            queues.send("mail", "1234567")
