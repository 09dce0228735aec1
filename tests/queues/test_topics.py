"""One send that reaches every queue bound to a pattern."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from hanjul import BadInput, Queues


@pytest.fixture
async def news(queues: Queues) -> Queues:
    for queue in ("all", "eu"):
        await queues.create(queue)
    await queues.topics.bind("orders.#", "all")
    await queues.topics.bind("orders.eu.*", "eu")
    return queues


async def test_a_message_reaches_every_queue_whose_pattern_matches(news: Queues) -> None:
    sent = await news.topics.send("orders.eu.paid", {"id": 7}, headers={"trace": "1"})

    assert sent == {"all": 1, "eu": 1}
    for queue in sent:
        [message] = await news.read(queue)
        assert (message.message, message.headers) == ({"id": 7}, {"trace": "1"})


async def test_a_key_that_nobody_is_bound_to_reaches_nobody(news: Queues) -> None:
    assert await news.topics.send("payments.eu", 1) == {}


async def test_a_batch_goes_to_each_queue_in_its_order(news: Queues) -> None:
    sent = await news.topics.send_batch("orders.us", ["a", "b", "c"], headers=[None, {"n": 1}, None])

    assert sent == {"all": [1, 2, 3]}
    assert [(m.message, m.headers) for m in await news.read("all", qty=5)] == [("a", None), ("b", {"n": 1}), ("c", None)]


@pytest.mark.parametrize("delay", [60, 59.5, timedelta(minutes=1), datetime.now(UTC) + timedelta(hours=1)])
async def test_a_delay_counts_for_every_queue(news: Queues, delay: object) -> None:
    await news.topics.send("orders.eu.paid", 1, delay=delay)  # type: ignore[arg-type]  # one of its types each

    assert await news.read("all") == []
    assert (await news.info("eu")).delayed_length == 1


@pytest.mark.parametrize("kind", ["async"])
async def test_a_send_in_the_callers_transaction_ends_with_it(news: Queues, dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn) as conn:
        assert await news.topics.send("orders.eu.paid", 1, tx=conn) == {"all": 1, "eu": 1}
        await conn.rollback()

    assert (await news.metrics("all")).queue_length == 0


async def test_bindings_are_listed_and_taken_back(news: Queues) -> None:
    assert {(b.pattern, b.queue_name) for b in await news.topics.bindings()} == {("orders.#", "all"), ("orders.eu.*", "eu")}
    assert [b.pattern for b in await news.topics.bindings("eu")] == ["orders.eu.*"]

    assert await news.topics.unbind("orders.eu.*", "eu") is True

    assert await news.topics.unbind("orders.eu.*", "eu") is False
    assert await news.topics.bindings("eu") == []


async def test_the_way_of_a_key_can_be_asked_for(news: Queues) -> None:
    assert [(r.pattern, r.queue_name) for r in await news.topics.routes("orders.eu.paid")] == [
        ("orders.#", "all"),
        ("orders.eu.*", "eu"),
    ]


@pytest.mark.parametrize("key", ["", "a..b", ".a", "a b", "a\x00", "x" * 256])
async def test_a_key_that_cannot_be_is_refused_and_nothing_is_sent(news: Queues, key: str) -> None:
    with pytest.raises(BadInput, match=r"routing.key"):
        await news.topics.send(key, 1)

    assert (await news.metrics("all")).queue_length == 0


async def test_a_pattern_that_cannot_be_is_refused(news: Queues) -> None:
    with pytest.raises(BadInput, match="consecutive stars"):
        await news.topics.bind("a.**", "all")
