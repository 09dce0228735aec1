"""Reading groups in order, waiting on the server, notifications: the rest of pgmq's operations in the client."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from hanjul import BadInput, Queues


async def sent_to_groups(queues: Queues, groups: str) -> None:
    await queues.send_batch("mail", list(range(1, len(groups) + 1)), headers=[{"x-pgmq-group": group} for group in groups])


@pytest.mark.parametrize(("order", "expected"), [("groups", [1, 2, 4, 5]), ("round_robin", [1, 3, 6, 2]), ("heads", [1, 3, 6])])
async def test_groups_are_read_in_the_order_that_is_asked_for(mail: Queues, order: str, expected: list[int]) -> None:
    await sent_to_groups(mail, "AABAAC" if order == "groups" else "AABBAC")

    messages = await mail.read_grouped("mail", order=order, qty=4)  # type: ignore[call-overload]  # a text by its name

    assert [message.msg_id for message in messages] == expected


async def test_a_group_waits_for_its_messages_in_flight(mail: Queues) -> None:
    await sent_to_groups(mail, "AAB")
    [first] = await mail.read_grouped("mail")

    assert [message.message for message in await mail.read_grouped("mail", qty=5)] == [3]
    await mail.delete("mail", first.msg_id)
    assert [message.message for message in await mail.read_grouped("mail", qty=5)] == [2]


async def test_bodies_come_as_their_type(mail: Queues) -> None:
    @dataclass
    class Order:
        id: int

    await mail.send("mail", {"id": 7})

    [message] = await mail.read_grouped("mail", into=Order)

    assert message.message == Order(7)


async def test_the_server_waits_for_messages_as_long_as_it_is_asked_to(mail: Queues) -> None:
    asked = time.monotonic()

    assert await mail.read("mail", max_poll_seconds=1) == []
    assert await mail.read_grouped("mail", max_poll_seconds=1) == []

    assert time.monotonic() - asked >= 2


async def test_a_message_that_is_there_ends_the_wait(mail: Queues) -> None:
    await mail.send("mail", {"a": 1})

    assert await mail.read("mail", conditional={"b": 1}, max_poll_seconds=1) == []
    [message] = await mail.read("mail", conditional={"a": 1}, max_poll_seconds=60)

    assert message.message == {"a": 1}


async def test_a_wait_that_cannot_be_is_refused(mail: Queues) -> None:
    with pytest.raises(BadInput, match="max_poll_seconds must be a whole number from 0"):
        await mail.read("mail", max_poll_seconds=-1)


async def test_notifications_are_listed_and_changed(mail: Queues) -> None:
    await mail.enable_notify_insert("mail", throttle_interval_ms=100)
    await mail.update_notify_insert("mail", throttle_interval_ms=500)

    [throttle] = await mail.list_notify_insert_throttles()

    assert (throttle.queue_name, throttle.throttle_interval_ms) == ("mail", 500)
    await mail.disable_notify_insert("mail")
    assert await mail.list_notify_insert_throttles() == []
    with pytest.raises(BadInput, match="does not have notify_insert enabled"):
        await mail.update_notify_insert("mail", throttle_interval_ms=1)


async def test_the_index_of_groups_can_be_asked_for_again(mail: Queues) -> None:
    await mail.create_fifo_index("mail")

    await sent_to_groups(mail, "A")
    assert len(await mail.read_grouped("mail")) == 1


async def test_what_is_old_is_pruned(mail: Queues, sql: Callable[..., list[Any]]) -> None:
    await mail.send_batch("mail", [1, 2, 3])
    await mail.archive("mail", [1, 2, 3])
    sql("update pgmq.a_mail set archived_at = now() - interval '8 days' where msg_id < 3")

    assert await mail.prune_archive("mail", older_than=timedelta(days=7)) == 2
    assert await mail.prune_dead_letters("mail", older_than=timedelta(0)) == 0
    with pytest.raises(BadInput, match="older_than must be a timedelta"):
        await mail.prune_archive("mail", older_than=7)  # type: ignore[arg-type]  # wrong on purpose
