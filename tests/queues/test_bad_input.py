"""What cannot be asked is refused with a clear text, and changes nothing."""

import math
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from hanjul import BadInput, InvalidQueueName, QueueNotFound, Queues

NAMES = {
    "": "1 to 47 characters",
    "q" * 48: "it has 48 characters, the maximum is 47",
    "a$b": r"must not contain \$",
    "a;b": "must not contain",
    "a--b": "must not contain",
    "a'b": "must not contain",
    "a\x00b": "must not contain",
    "줄" * 21: "it has 63 bytes in UTF-8, the maximum is 61",
    "\ud800": "text that UTF-8 can write",
}


async def _refuse(calls: list[Coroutine[Any, Any, Any]], error: type[Exception], why: str) -> None:
    for call in calls:
        with pytest.raises(error, match=why):
            await call


def _every_call(queues: Queues, queue: Any) -> list[Coroutine[Any, Any, Any]]:
    return [
        queues.send(queue, 1),
        queues.send(queue, 1, delay=datetime.now(UTC)),
        queues.send_batch(queue, [1]),
        queues.read(queue),
        queues.pop(queue),
        queues.peek(queue),
        queues.delete(queue, 1),
        queues.archive(queue, 1),
        queues.set_vt(queue, 1, vt=0),
        queues.metrics(queue),
        queues.info(queue),
        queues.purge(queue),
    ]


async def test_names_that_no_queue_can_have(queues: Queues) -> None:
    for name, why in NAMES.items():
        calls = [queues.create(name), queues.drop(name), queues.dead_letters(name), queues.redrive(name)]
        await _refuse([*calls, *_every_call(queues, name)], InvalidQueueName, why)
    for name in (None, 7, b"mail", ["mail"]):
        await _refuse(_every_call(queues, name), InvalidQueueName, "1 to 47 characters")

    assert await queues.list() == []


async def test_names_that_are_unusual_and_good(queues: Queues) -> None:
    for name in ("q" * 47, "줄" * 20, 'a"b', "a b", "Ärger", "select", "a.b", "a%sb", "a:p1b", "\\", "🙂"):
        await queues.create(name)

        msg_id = await queues.send(name, 1)

        [read] = await queues.read(name)
        assert (read.msg_id, await queues.archive(name, msg_id)) == (msg_id, [msg_id])
        assert (await queues.info(name)).archived_messages == 1
        assert await queues.drop(name)


async def test_a_queue_that_does_not_exist_is_named(queues: Queues) -> None:
    await _refuse(
        _every_call(queues, "nobody"), QueueNotFound, r"queue 'nobody' does not exist; create it with queues.create\('nobody'\)"
    )


async def test_numbers_that_cannot_be(mail: Queues) -> None:
    await mail.send("mail", 1)
    too_long = 2**31

    for vt in (-1, too_long, 1.5, True, "30", None, math.nan):
        why = rf"vt must be a whole number of seconds from 0 to 2147483647, not {vt!r}"
        await _refuse([mail.read("mail", vt=vt), mail.set_vt("mail", 1, vt=vt)], BadInput, why)  # type: ignore[arg-type]
    for qty in (0, -1, 10**9, 1.5, True, "1"):
        why = rf"qty must be a whole number from 1 to 1000000, not {qty!r}"
        calls = [mail.read("mail", qty=qty), mail.pop("mail", qty=qty), mail.peek("mail", qty=qty)]  # type: ignore[arg-type]
        await _refuse([*calls, mail.dead_letters("mail", qty=qty), mail.redrive("mail", qty=qty)], BadInput, why)  # type: ignore[arg-type]
    for delay in (-1, -0.001, too_long, math.inf, math.nan, True, "1", None):
        why = rf"delay must be 0 to 2147483647 seconds, a timedelta of that length or a datetime, not {delay!r}"
        await _refuse([mail.send("mail", 1, delay=delay), mail.send_batch("mail", [1], delay=delay)], BadInput, why)  # type: ignore[arg-type]
    for msg_id in (-1, 2**63, True, [1.5], ["1"], [None]):
        wrong = msg_id[0] if isinstance(msg_id, list) else msg_id
        why = rf"a msg_id must be a whole number from 0 to 9223372036854775807, not {wrong!r}"
        calls = [mail.delete("mail", msg_id), mail.archive("mail", msg_id), mail.set_vt("mail", msg_id, vt=0)]  # type: ignore[arg-type]
        await _refuse(calls, BadInput, why)

    [untouched] = await mail.read("mail")
    assert (untouched.msg_id, untouched.read_ct) == (1, 1)


async def test_a_moment_without_a_time_zone_is_refused(mail: Queues) -> None:
    moment = datetime(2030, 1, 1)

    calls = [mail.send("mail", 1, delay=moment), mail.send_batch("mail", [1], delay=moment), mail.set_vt("mail", 1, vt=moment)]

    await _refuse(calls, BadInput, r"must be a datetime with a time zone, as datetime.now\(UTC\) is")


async def test_lists_that_are_none(mail: Queues) -> None:
    await _refuse([mail.delete("mail", "12"), mail.archive("mail", None)], BadInput, "msg_ids must be a list, not")  # type: ignore[arg-type]
    await _refuse([mail.send_batch("mail", "ab"), mail.send_batch("mail", {"a": 1})], BadInput, "messages must be a list")
    await _refuse([mail.send_batch("mail", [])], BadInput, "a batch needs messages")
    await _refuse([mail.send_batch("mail", [1], headers=[None, None])], BadInput, "as many headers if any: not 1 and 2")
    await _refuse([mail.send("mail", 1, headers=[1])], BadInput, "headers must be a dict")  # type: ignore[arg-type]


async def test_text_in_a_payload_stays_text(mail: Queues, sql: Callable[..., Any]) -> None:
    hostile = ["'; drop table pgmq.q_mail; --", "$1", "%s", "%(a)s", ":p1", "\\u0041", "{}", '"', "]", "[1,2"]

    ids = await mail.send_batch("mail", [*hostile, dict.fromkeys(hostile, hostile)])

    read = await mail.read("mail", qty=20)
    assert [message.message for message in read] == [*hostile, dict.fromkeys(hostile, hostile)]
    assert len(ids) == sql("select count(*) from pgmq.q_mail")[0][0]
