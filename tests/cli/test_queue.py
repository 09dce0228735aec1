"""hanjul queue: make, fill, watch and empty queues."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

import hanjul

Run = Callable[..., CompletedProcess[str]]


def test_a_queue_is_made_filled_read_and_archived(cli: Run) -> None:
    cli("queue", "create", "mail")

    sent = cli("queue", "send", "mail", '{"to": "가나"}', "[1, 2]")
    read = cli("queue", "read", "mail", "--qty", "5", "--json")
    archived = cli("queue", "archive", "mail", "1", "99")

    assert sent.stdout == "1\n2\n"
    assert [message["message"] for message in json.loads(read.stdout)] == [{"to": "가나"}, [1, 2]]
    assert archived.stdout == "1\n"


def test_headers_and_a_delay_are_sent_along(cli: Run, dsn: str) -> None:
    cli("queue", "create", "mail")

    cli("queue", "send", "mail", "1", "--headers", '{"tenant": 7}', "--delay", "100")

    with hanjul.connect_sync(dsn) as queues:
        assert queues.info("mail").delayed_length == 1
        [message] = queues.set_vt("mail", 1, vt=0)
        assert message.headers == {"tenant": 7}


def test_numbers_larger_than_64_bits_pass_unchanged(cli: Run) -> None:
    cli("queue", "create", "mail")

    cli("queue", "send", "mail", '{"n": 123456789012345678901234567890}')

    assert "123456789012345678901234567890" in cli("queue", "peek", "mail", "--json").stdout


def test_peek_leaves_messages_as_they_are(cli: Run) -> None:
    cli("queue", "create", "mail")
    cli("queue", "send", "mail", "1")

    cli("queue", "peek", "mail")

    assert json.loads(cli("queue", "read", "mail", "--json").stdout)[0]["read_ct"] == 1


def test_metrics_tell_of_one_queue_or_of_all(cli: Run) -> None:
    cli("queue", "create", "mail")
    cli("queue", "create", "sms")
    cli("queue", "send", "mail", "1", "2")

    [mail] = json.loads(cli("queue", "metrics", "mail", "--json").stdout)
    every = json.loads(cli("queue", "metrics", "--json").stdout)

    assert (mail["queue_length"], mail["queue_visible_length"]) == (2, 2)
    assert [queue["queue_name"] for queue in every] == ["mail", "sms"]


def test_purge_and_drop_ask_first(cli: Run) -> None:
    cli("queue", "create", "mail")
    cli("queue", "send", "mail", "1")

    refused = cli("queue", "purge", "mail")
    purged = cli("queue", "purge", "mail", "--yes")
    dropped = cli("queue", "drop", "mail", "--yes")

    assert "throw away the 1 messages" in refused.stdout
    assert refused.returncode == 1
    assert purged.stdout == "1 messages thrown away\n"
    assert dropped.stdout == "queue mail is gone\n"


def test_dead_letters_are_listed_and_put_back(cli: Run, dsn: str) -> None:
    cli("queue", "create", "mail")
    cli("queue", "send", "mail", '{"to": "ada"}')
    with hanjul.connect_sync(dsn) as queues, queues._database.transaction() as conn:
        conn.execute("select hanjul.claim('mail', 30, 1)")
        conn.execute("select hanjul.reject('mail', '{1}', '{1}', '{rejected}', '{no such user}')")

    [listed] = json.loads(cli("queue", "redrive", "mail", "--list", "--json").stdout)
    redriven = cli("queue", "redrive", "mail")

    assert (listed["reason"], listed["error"], listed["message"]) == ("rejected", "no such user", {"to": "ada"})
    assert redriven.stdout == "1 messages put back into mail\n"
    assert json.loads(cli("queue", "read", "mail", "--json").stdout)[0]["read_ct"] == 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["create", ""], 2, "1 to 47 characters"),
        (["create", "a" * 48], 2, "48 characters"),
        (["create", "a;b"], 2, "must not contain"),
        (["send", "nowhere", "1"], 4, "queue 'nowhere' does not exist"),
        (["send", "mail", "{not json"], 2, "is not JSON"),
        (["send", "mail", '"\\u0000"'], 2, "\\u0000"),
        (["send", "mail", "1", "--delay", "-1"], 2, "delay must be"),
        (["read", "mail", "--vt", "-1"], 2, "vt must be"),
        (["read", "mail", "--qty", "0"], 2, "qty must be"),
        (["archive", "mail", "x"], 2, "x"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(cli: Run, arguments: list[str], code: int, said: str) -> None:
    cli("queue", "create", "mail")

    answer = cli("queue", *arguments)

    assert answer.returncode == code
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
    assert json.loads(cli("queue", "metrics", "--json").stdout)[0]["total_messages"] == 0
