"""A call is written in the tongue of every library."""

import pytest

from hanjul.model.call import Call, colon, dollar, percent

CALL = Call("pgmq.read", {"queue_name text": "mail", "vt integer": 30, "conditional jsonb": "{}"}, row=str, columns="msg_id")


@pytest.mark.parametrize(("placeholder", "first", "third"), [(percent, "%s", "%s"), (dollar, "$1", "$3"), (colon, ":p1", ":p3")])
def test_a_call_has_named_arguments_and_casts_its_parameters(placeholder, first, third) -> None:
    text = CALL.statement(placeholder)

    assert text.startswith(f"select msg_id from pgmq.read(queue_name => cast({first} as text), vt => cast(")
    assert text.endswith(f"conditional => cast(cast({third} as text) as jsonb))")


def test_the_parameters_stand_in_the_order_of_the_placeholders() -> None:
    assert CALL.parameters == ["mail", 30, "{}"]


def test_many_documents_travel_as_text_too() -> None:
    assert "cast(cast($1 as text[]) as jsonb[])" in Call("f.g", {"msgs jsonb[]": ["1"]}, row=str).statement(dollar)
