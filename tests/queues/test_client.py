"""What each operation of the queue client does."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hanjul import Message, QueueNotFound, Queues


@pytest.fixture(params=["async", "sync", "pooled"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_message_is_read_as_it_was_sent(mail: Queues) -> None:
    msg_id = await mail.send("mail", {"to": "ada"}, headers={"trace": "7"})

    [message] = await mail.read("mail")

    assert (message.msg_id, message.message, message.headers) == (msg_id, {"to": "ada"}, {"trace": "7"})
    assert (message.read_ct, message.attempts) == (1, 1)


async def test_a_read_message_has_its_moments(mail: Queues) -> None:
    await mail.send("mail", 1)

    [message] = await mail.read("mail", vt=60)

    assert message.last_read_at is not None
    assert message.enqueued_at <= message.last_read_at
    assert message.vt - message.last_read_at == timedelta(seconds=60)


async def test_a_leased_message_is_not_read_again(mail: Queues) -> None:
    await mail.send("mail", 1)
    await mail.read("mail", vt=30)

    assert await mail.read("mail") == []


async def test_an_expired_lease_makes_the_message_visible_again(mail: Queues) -> None:
    await mail.send("mail", {"to": "ada"})
    [first] = await mail.read("mail", vt=30)

    await mail.set_vt("mail", first.msg_id, vt=0)

    [again] = await mail.read("mail")
    assert (again.msg_id, again.read_ct) == (first.msg_id, 2)


async def test_messages_are_read_oldest_first(mail: Queues) -> None:
    sent = [await mail.send("mail", n) for n in range(5)]

    read = await mail.read("mail", qty=3)

    assert [message.msg_id for message in read] == sent[:3]


async def test_a_conditional_read_takes_only_what_contains_the_condition(mail: Queues) -> None:
    await mail.send_batch("mail", [{"kind": "a"}, {"kind": "b", "to": 1}])

    read = await mail.read("mail", qty=10, conditional={"kind": "b"})

    assert [message.message for message in read] == [{"kind": "b", "to": 1}]


async def test_the_ids_of_a_batch_are_in_the_order_of_its_messages(mail: Queues) -> None:
    ids = await mail.send_batch("mail", [{"n": n} for n in range(1000)])

    read = await mail.read("mail", qty=1000)

    assert [(message.msg_id, message.message) for message in read] == [(ids[n], {"n": n}) for n in range(1000)]


async def test_a_batch_gives_each_message_its_own_headers(mail: Queues) -> None:
    await mail.send_batch("mail", [1, 2, 3], headers=[{"a": 1}, None, {}])

    assert [message.headers for message in await mail.read("mail", qty=3)] == [{"a": 1}, None, {}]


async def test_a_batch_that_is_to_appear_at_a_moment_has_headers_too(mail: Queues) -> None:
    await mail.send_batch("mail", [1, 2], headers=[None, {"a": 1}], delay=datetime.now(UTC) - timedelta(seconds=1))

    assert [message.headers for message in await mail.read("mail", qty=3)] == [None, {"a": 1}]


DELAYS = {0: 0.0, 90: 90.0, 0.25: 0.25, timedelta(minutes=2, milliseconds=500): 120.5, datetime(2050, 1, 1, tzinfo=UTC): None}


async def test_a_delayed_message_appears_when_it_is_due(mail: Queues, sql: Callable[..., Any]) -> None:
    for delay, seconds in DELAYS.items():
        sent = [await mail.send("mail", 1, delay=delay), *await mail.send_batch("mail", [1], delay=delay)]

        for vt, sent_at in sql("select vt, enqueued_at from pgmq.q_mail where msg_id = any (%s)", sent):
            due = delay if seconds is None else sent_at + timedelta(seconds=seconds)
            assert abs((vt - due).total_seconds()) < 0.2


async def test_a_delayed_message_is_not_read_before(mail: Queues) -> None:
    await mail.send("mail", 1, delay=timedelta(hours=1))

    assert await mail.read("mail") == []


async def test_pop_takes_messages_out_of_the_queue(mail: Queues) -> None:
    ids = await mail.send_batch("mail", ["a", "b", "c"])

    popped = await mail.pop("mail", qty=2)

    assert [(message.msg_id, message.message) for message in popped] == [(ids[0], "a"), (ids[1], "b")]
    assert (await mail.metrics("mail")).queue_length == 1


async def test_peek_looks_and_leaves_all_as_it_is(mail: Queues) -> None:
    await mail.send("mail", 1)

    [seen] = await mail.peek("mail", qty=5)

    assert (seen.message, seen.read_ct) == (1, 0)
    assert await mail.peek("mail", qty=5) == [seen]


async def test_delete_forgets_messages_and_tells_which_were_there(mail: Queues) -> None:
    first, second = await mail.send_batch("mail", [1, 2])

    assert await mail.delete("mail", first) == [first]
    assert await mail.delete("mail", [first, second, 99]) == [second]
    assert await mail.delete("mail", []) == []


async def test_archive_keeps_messages_elsewhere(mail: Queues, sql: Callable[..., Any]) -> None:
    first, second = await mail.send_batch("mail", [1, 2])

    archived = await mail.archive("mail", iter([second, first]))

    assert archived == [first, second]
    assert sql("select msg_id from pgmq.a_mail order by 1") == [(first,), (second,)]
    assert (await mail.metrics("mail")).queue_length == 0


async def test_set_vt_takes_seconds_or_a_moment(mail: Queues) -> None:
    first, second = await mail.send_batch("mail", [1, 2])
    moment = datetime(2050, 1, 1, 12, tzinfo=UTC)

    moved = await mail.set_vt("mail", [second, first, 99], vt=moment)
    [soon] = await mail.set_vt("mail", first, vt=100)

    assert [(message.msg_id, message.vt) for message in moved] == [(first, moment), (second, moment)]
    assert timedelta(seconds=90) < soon.vt - datetime.now(UTC) < timedelta(seconds=110)


async def test_purge_empties_the_queue_and_ids_go_on(mail: Queues) -> None:
    await mail.send_batch("mail", [1, 2, 3])

    assert await mail.purge("mail") == 3
    assert await mail.send("mail", 4) == 4


async def test_drop_says_whether_there_was_a_queue(mail: Queues) -> None:
    assert await mail.drop("mail") is True
    assert await mail.drop("mail") is False
    with pytest.raises(QueueNotFound, match="'mail' does not exist"):
        await mail.send("mail", 1)


async def test_creating_a_queue_that_exists_keeps_its_messages(mail: Queues) -> None:
    await mail.send("mail", 1)

    await mail.create("mail")

    assert (await mail.metrics("mail")).queue_length == 1


async def test_queues_are_listed_by_name_with_their_kind(mail: Queues) -> None:
    await mail.create("fast", unlogged=True)

    listed = await mail.list()

    assert [(queue.queue_name, queue.is_unlogged, queue.is_partitioned) for queue in listed] == [
        ("fast", True, False),
        ("mail", False, False),
    ]


async def test_metrics_count_what_is_visible_and_what_was_ever_sent(mail: Queues) -> None:
    await mail.send_batch("mail", [1, 2, 3])
    await mail.read("mail")
    await mail.pop("mail")

    metrics = await mail.metrics("mail")

    assert (metrics.queue_name, metrics.queue_length, metrics.queue_visible_length, metrics.total_messages) == ("mail", 2, 1, 3)
    assert [queue.total_messages for queue in await mail.metrics_all()] == [3]


async def test_the_age_of_an_empty_queue_is_none(mail: Queues) -> None:
    metrics = await mail.metrics("mail")

    assert (metrics.newest_msg_age_sec, metrics.oldest_msg_age_sec) == (None, None)


async def test_info_tells_in_flight_delayed_and_archived(mail: Queues) -> None:
    await mail.send_batch("mail", [1, 2])
    await mail.send("mail", 3, delay=60)
    [read] = await mail.read("mail")
    await mail.archive("mail", await mail.send("mail", 4))

    info = await mail.info("mail")

    assert (info.in_flight_length, info.delayed_length, info.archived_messages) == (1, 1, 1)
    assert read.msg_id == 1


async def test_names_that_differ_only_in_case_are_one_queue(mail: Queues) -> None:
    await mail.create("MAIL")
    await mail.send("Mail", 1)

    assert [queue.queue_name for queue in await mail.list()] == ["mail"]
    assert [message.message for message in await mail.read("mAIl")] == [1]


async def test_dead_letters_are_listed_and_put_back(mail: Queues, sql: Callable[..., Any]) -> None:
    await mail.send("mail", {"n": 1}, headers={"h": 1})
    [read] = await mail.read("mail")
    sql("select * from hanjul.reject('mail', %s, %s, %s, %s)", [read.msg_id], [read.read_ct], ["rejected"], ["no such user"])

    [dead] = await mail.dead_letters("mail")
    [new_id] = await mail.redrive("mail")

    assert (dead.msg_id, dead.attempts, dead.reason, dead.error) == (read.msg_id, 1, "rejected", "no such user")
    assert (dead.message, dead.headers) == ({"n": 1}, {"h": 1})
    [back] = await mail.read("mail")
    assert (back.msg_id, back.message, back.headers) == (new_id, {"n": 1}, {"h": 1})
    assert await mail.dead_letters("mail") == []


async def test_redrive_takes_a_limit(mail: Queues, sql: Callable[..., Any]) -> None:
    await mail.send_batch("mail", [1, 2, 3])
    for read in await mail.read("mail", qty=3):
        sql("select * from hanjul.reject('mail', %s, %s, %s, %s)", [read.msg_id], [1], ["rejected"], ["no"])

    assert len(await mail.redrive("mail", qty=2)) == 2
    assert [dead.msg_id for dead in await mail.dead_letters("mail")] == [3]


async def test_a_message_can_be_compared_and_shown(mail: Queues) -> None:
    await mail.send("mail", {"to": "ada"})

    [message] = await mail.peek("mail")

    assert isinstance(message, Message)
    assert "'to': 'ada'" in repr(message)


async def test_calls_go_to_the_queues_own_functions(mail: Queues, sql: Callable[..., list[Any]]) -> None:
    sql("drop function hanjul.send_many, pgmq.read, pgmq.pop, pgmq.delete(text, bigint[]), pgmq.archive(text, bigint[])")

    await mail.send_batch("mail", [1, 2, 3, 4])
    [first] = await mail.read("mail")
    await mail.delete("mail", first.msg_id)
    await mail.archive("mail", 2)
    [last] = await mail.pop("mail")

    assert (first.message, last.message) == (1, 3)


async def test_a_queue_without_functions_of_its_own_is_served_all_the_same(mail: Queues, sql: Callable[..., list[Any]]) -> None:
    sql('drop function pgmq."send_many.mail"')

    for number in range(3):
        await mail.send("mail", number)

    assert [message.message for message in await mail.read("mail", qty=5)] == [0, 1, 2]
