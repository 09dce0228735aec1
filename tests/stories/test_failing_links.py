"""Links between worker and database that break, stall, or swallow answers: nothing is lost, nothing happens twice."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from tests.proxy import Proxy
from tests.stories.history import Books, History

import hanjul
from hanjul.testing.waiting import pass_time, until

SOON = hanjul.Retry(max_attempts=100, base_s=0.05, cap_s=0.2)


@pytest.fixture
async def books(dsn: str) -> AsyncIterator[Books]:
    async with hanjul.connect(dsn) as queues:
        await queues.create("mail")
    books = Books(dsn)
    yield books
    books.close()


@pytest.fixture
def link(dsn: str) -> Iterator[Proxy]:
    with Proxy(dsn) as link:
        yield link


@asynccontextmanager
async def worker(
    dsn: str, history: History, *, lease_s: float, takes_s: float = 0.01, books: bool = False
) -> AsyncIterator[hanjul.App]:
    """A worker of this process. books: its effect is a row, in one transaction with the ack."""
    app = hanjul.App(dsn)

    @app.consumer("mail", concurrency=8, prefetch=16, lease_s=lease_s, stop_timeout_s=5, retry=SOON)
    async def handle(message: hanjul.Delivery[int]) -> None:
        with history.handling(message):
            await pass_time(takes_s)
            if books:
                async with message.transaction() as conn:
                    await conn.execute("insert into ledger values (%s)", [message.body])

    async with app:
        yield app


async def send(dsn: str, count: int) -> None:
    async with hanjul.connect(dsn) as queues:
        await queues.send_batch("mail", list(range(count)))


async def test_links_that_are_reset_all_the_time_double_no_effect(dsn: str, link: Proxy, books: Books) -> None:
    history = History()
    await send(dsn, 300)

    async with worker(link.dsn, history, lease_s=2, books=True):
        for _ in range(15):
            await pass_time(0.15)
            link.reset()
        await until(lambda: books.in_queue() == 0, within_s=40)

    history.check()
    books.check(sent=300)


async def test_an_ack_whose_answer_is_lost_is_not_repeated_work(dsn: str, link: Proxy, books: Books) -> None:
    history = History()
    await send(dsn, 200)

    async with worker(link.dsn, history, lease_s=4) as app:
        for _ in range(4):
            handled = len(history.handlings)
            await until(lambda handled=handled: len(history.handlings) > handled)
            link.swallow_replies()
            await pass_time(0.3)
            link.reset()
            link.heal()
        await until(lambda: books.in_queue() == 0, within_s=40)
        lost = app.consumers[0].counts.lost

    history.check()
    assert (history.keys, history.handled_again, lost) == (set(range(200)), set(), 0)


async def test_a_stalled_link_costs_the_lease_and_nobody_runs_beside_the_next_holder(dsn: str, link: Proxy, books: Books) -> None:
    history = History()
    await send(dsn, 16)

    async with worker(link.dsn, history, lease_s=1.5, takes_s=4):
        await until(lambda: len(history.handlings) == 8)
        link.blackhole()
        async with worker(dsn, history, lease_s=1.5, takes_s=0.1):
            await until(lambda: books.in_queue() == 0, within_s=40)
        link.reset()
        link.heal()
        await until(lambda: all(handling.ended for handling in history.handlings))

    history.check()
    assert history.keys == set(range(16))


async def test_a_worker_that_stalled_works_again_when_its_link_does(dsn: str, link: Proxy, books: Books) -> None:
    history = History()
    async with worker(link.dsn, history, lease_s=1.5):
        await until(books.somebody_waits)
        link.blackhole()
        await send(dsn, 50)
        await pass_time(2)
        link.reset()
        link.heal()

        await until(lambda: books.in_queue() == 0, within_s=10)
        await until(books.somebody_waits, within_s=10)

    history.check()
    assert history.keys == set(range(50))
