"""Back-pressure: what one consumer holds and runs at most, and that it does so."""

import threading
from typing import Any

import pytest

from hanjul.model.outcome import Nack, Release
from hanjul.testing.driver_suite.harness import QUEUE, Harness, consuming, sent
from hanjul.testing.handlers import Gate
from hanjul.testing.recording import RecordedSource
from hanjul.testing.waiting import until


class Limits:
    """Give it a fixture `harness`."""

    @pytest.mark.parametrize(("concurrency", "prefetch"), [(1, 1), (1, 3), (4, 4), (3, 10)])
    async def test_a_consumer_holds_prefetch_and_runs_concurrency_and_no_more(
        self, harness: Harness, concurrency: int, prefetch: int
    ) -> None:
        await sent(harness, 25)
        source, handler = RecordedSource(harness.source(QUEUE)), Gate()

        async with consuming(source, handler, concurrency=concurrency, prefetch=prefetch) as consumer:
            await until(lambda: handler.inside == concurrency and source.held == prefetch)
            handler.open()
            await until(lambda: consumer.counts.acked == 25)

        assert (source.most_held, handler.most_inside) == (prefetch, concurrency)

    async def test_prefetch_below_concurrency_is_what_runs(self, harness: Harness) -> None:
        await sent(harness, 10)
        handler = Gate()

        async with consuming(harness.source(QUEUE), handler, concurrency=8, prefetch=3) as consumer:
            await until(lambda: handler.inside == 3)
            handler.open()
            await until(lambda: consumer.counts.acked == 10)

        assert handler.most_inside == 3

    async def test_a_settlement_under_way_still_counts_as_held(self, harness: Harness) -> None:
        await sent(harness, 10)
        source, handler = RecordedSource(harness.source(QUEUE)), Gate()
        source.settles_answer.clear()
        handler.open()

        async with consuming(source, handler, concurrency=2, prefetch=4) as consumer:
            await until(lambda: len(handler.seen) == 4 and len(source.settled) == 1)
            assert sum(source.fetched) == 4
            source.settles_answer.set()
            await until(lambda: consumer.counts.acked == 10)

        assert source.most_held == 4

    @pytest.mark.parametrize("outcome", [Nack(delay_s=0), Release()], ids=["nack", "release"])
    async def test_what_comes_back_is_counted_anew(self, harness: Harness, outcome: Any) -> None:
        await sent(harness, 6)
        source = RecordedSource(harness.source(QUEUE))
        ends = [outcome] * 12

        async def handler(_body: Any) -> object:
            return ends.pop() if ends else None

        async with consuming(source, handler, concurrency=3, prefetch=3) as consumer:
            await until(lambda: consumer.counts.acked == 6)

        assert source.most_held == 3

    async def test_plain_functions_run_in_exactly_as_many_threads_as_the_concurrency(self, harness: Harness) -> None:
        await sent(harness, 12)
        together, threads = threading.Barrier(3, timeout=10), set()

        def handler(_body: Any) -> None:
            threads.add(threading.get_ident())
            together.wait()

        async with consuming(harness.source(QUEUE), handler, concurrency=3) as consumer:
            await until(lambda: consumer.counts.acked == 12)

        assert len(threads) == 3
        assert threading.main_thread().ident not in threads
