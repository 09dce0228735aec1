"""The rules of queue names, before a round trip, are those of the SQL side."""

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hanjul import InvalidQueueName
from hanjul.model.names import MAX_BYTES, MAX_CHARACTERS, queue_name


@pytest.mark.parametrize("name", ["a", "q" * MAX_CHARACTERS, "줄" * 20, "Mixed_Case-1", "a b", 'a"b', "a-b", "-"])
def test_a_good_name_is_itself(name: str) -> None:
    assert queue_name(name) == name


@pytest.mark.parametrize(
    "name", ["", None, 1, b"a", "q" * (MAX_CHARACTERS + 1), "줄" * 21, "a$", "a;", "a--", "a'", "a\x00", "\udc80"]
)
def test_a_bad_name_is_told_with_what_is_wrong(name: object) -> None:
    with pytest.raises(InvalidQueueName, match="is not a queue name: it") as caught:
        queue_name(name)

    assert caught.value.queue == name


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=60))
def test_the_server_accepts_what_is_accepted_here(server_rules: psycopg.Connection, name: str) -> None:
    try:
        queue_name(name)
    except InvalidQueueName:
        return

    server_rules.execute("select pgmq.validate_queue_name(%s), pgmq.format_table_name(%s, 'q')", [name, name])


@pytest.fixture
def server_rules(dsn: str):
    with psycopg.connect(dsn, autocommit=True) as conn:
        yield conn


def test_the_bytes_leave_room_for_the_prefix() -> None:
    assert MAX_BYTES + len("q_") == 63
