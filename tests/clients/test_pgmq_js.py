"""The package `pgmq-js` from npm, on Node.js; tests/node/pgmq_js.mjs does as it is told here."""

import json
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from tools import npm

MANAGING = {"list", "create", "createUnlogged", "drop", "purge", "detachArchive", "getMetrics", "getAllMetrics"}
MESSAGING = {"send", "sendBatch", "read", "readBatch", "pop", "archive", "archiveBatch", "delete", "deleteBatch", "setVt"}


class Refused(Exception):
    """The server's refusal, as the client passes it on; the SQLSTATE is its second argument."""


@contextmanager
def client(node, dsn, *options):
    """A function that calls a method: js("msg.send", "mail", {"n": 1})."""
    command = [node, npm.FOLDER / "pgmq_js.mjs", dsn, *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def js(method, *args):
            process.stdin.write(json.dumps([method, *args]) + "\n")
            process.stdin.flush()
            said = json.loads(process.stdout.readline())
            if "error" in said:
                raise Refused(said["error"], said["code"])
            return said["answer"]

        yield js
        process.stdin.close()
        assert process.wait(timeout=20) == 0


@pytest.fixture(scope="session")
def node():
    """The program `node`, with the locked packages in place."""
    try:
        npm.install()
        return npm.node()
    except npm.Unavailable as error:
        pytest.skip(f"no packages from npm: {error}")


@pytest.fixture
def js(node, dsn):
    """A client that does not try CREATE EXTENSION, as our documentation tells to set it up; with a queue `mail`."""
    with client(node, dsn, "skip") as js:
        js("queue.create", "mail")
        yield js


def test_every_method_of_the_client_is_driven_in_this_file(node):
    declared = set(
        re.findall(r"^    (\w+)(?:<T>)?\(", (npm.MODULES / "pgmq-js" / "dist" / "index.d.ts").read_text(), re.MULTILINE)
    )
    driven = set(re.findall(r'js\("\w+\.(\w+)"', Path(__file__).read_text()))

    assert declared - {"constructor", "close"} == MANAGING | MESSAGING
    assert driven >= MANAGING | MESSAGING


def test_its_own_create_extension_succeeds_where_the_server_offers_ours(node, offered, empty_dsn):
    with client(node, empty_dsn) as js:
        js("queue.create", "mail")

        assert js("msg.send", "mail", {"n": 1}) == 1


def test_queues_are_created_listed_and_dropped(js):
    js("queue.createUnlogged", "post")
    listed = js("queue.list")  # it takes the text form of a row apart at the commas: the order of columns is the contract

    assert {found["name"]: (found["isPartitioned"], found["isUnlogged"]) for found in listed} == {
        "mail": (False, False),
        "post": (False, True),
    }
    js("queue.drop", "post")
    assert [found["name"] for found in js("queue.list")] == ["mail"]


def test_detaching_an_archive_changes_nothing(js, look):
    assert js("queue.detachArchive", "mail") is None

    assert look("select count(*) from pgmq.a_mail") == [(0,)]


@pytest.mark.parametrize("delay", [[], [60]])
def test_messages_are_sent_one_by_one_and_in_batches(js, look, delay):
    assert js("msg.send", "mail", {"n": 1, "text": "é"}, *delay) == 1
    assert js("msg.sendBatch", "mail", [{"n": 2}, [3]], *delay) == [2, 3]

    rows = look("select message, vt > now() + '30 s' from pgmq.q_mail order by msg_id")
    assert rows == [({"n": 1, "text": "é"}, bool(delay)), ({"n": 2}, bool(delay)), ([3], bool(delay))]


def test_messages_are_read_in_the_order_of_their_ids_and_hidden(js):
    js("msg.sendBatch", "mail", [{"n": n} for n in range(4)])

    first = js("msg.read", "mail", 60)

    assert (first["msgId"], first["readCount"], first["message"]) == (1, 1, {"n": 0})
    assert first["vt"] > first["enqueuedAt"]
    assert [message["msgId"] for message in js("msg.readBatch", "mail", 60, 2)] == [2, 3]
    assert [message["msgId"] for message in js("msg.readBatch", "mail", 60, 2)] == [4]
    assert js("msg.read", "mail") is None


def test_popping_removes_at_once(js):
    js("msg.send", "mail", {"n": 1})

    assert js("msg.pop", "mail")["message"] == {"n": 1}

    assert js("msg.pop", "mail") is None


def test_deleting_and_archiving_tell_what_was_there(js, look):
    js("msg.sendBatch", "mail", [{"n": n} for n in range(6)])

    assert [js("msg.delete", "mail", 1), js("msg.delete", "mail", 1)] == [True, False]
    assert js("msg.deleteBatch", "mail", [1, 2, 99]) == [2]
    assert [js("msg.archive", "mail", 3), js("msg.archive", "mail", 3)] == [True, False]
    assert sorted(js("msg.archiveBatch", "mail", [3, 4, 5])) == [4, 5]
    assert look("select array_agg(msg_id order by msg_id) from pgmq.a_mail") == [([3, 4, 5],)]


def test_metrics_tell_length_ages_and_totals(js):
    js("queue.create", "post")
    js("msg.sendBatch", "mail", [{"n": n} for n in range(3)])

    mail = js("queue.getMetrics", "mail")

    assert (mail["queueName"], mail["queueLength"], mail["totalMessages"]) == ("mail", 3, 3)
    assert 0 <= mail["newestMsgAgeSec"] <= mail["oldestMsgAgeSec"] < 60
    assert {found["queueName"]: found["queueLength"] for found in js("queue.getAllMetrics")} == {"mail": 3, "post": 0}
    js("queue.purge", "mail")
    assert js("queue.getMetrics", "mail")["queueLength"] == 0


def test_set_vt_works_though_the_client_sends_untyped_parameters(js):
    # set_vt($1, $2, $3): PGMQ 1.13 refuses it with 42725 (contract, fact 4); our overload for text takes it
    js("msg.send", "mail", {"n": 1})
    js("msg.read", "mail", 60)

    assert js("msg.setVt", "mail", 1, 0)["readCount"] == 1

    assert js("msg.read", "mail", 60)["readCount"] == 2
    assert js("msg.setVt", "mail", 99, 0) is None


def test_a_missing_queue_is_the_servers_own_error(js):
    with pytest.raises(Refused, match=r'relation "pgmq\.q_none" does not exist') as refused:
        js("msg.send", "none", {})

    assert refused.value.args[1] == "42P01"
