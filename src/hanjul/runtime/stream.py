"""Messages one by one, in an `async for`: a consumer whose handler is the body of the caller's loop."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

from hanjul.model.delivery import Delivery
from hanjul.model.driver import Source
from hanjul.model.outcome import Nack, Outcome
from hanjul.runtime.consumer import Consumer
from hanjul.runtime.handlers import Handler
from hanjul.runtime.spec import ConsumerSpec

Offer = tuple[Delivery[Any], "asyncio.Future[Outcome | None]"]


async def stream(source: Source, spec: Callable[[Handler], ConsumerSpec]) -> AsyncGenerator[Delivery[Any], None]:
    """Deliveries of the source, each acked when the next is asked for. Their leases are renewed meanwhile.

    A loop that is left, by `break` or by an exception, has failed the message it was at, unless it had settled it; what
    was fetched beyond it goes back at once.
    """
    offers: asyncio.Queue[Offer] = asyncio.Queue()

    async def hand_over(delivery: Delivery[Any]) -> Outcome | None:
        through: asyncio.Future[Outcome | None] = asyncio.get_running_loop().create_future()
        offers.put_nowait((delivery, through))
        return await through

    consumer = Consumer(spec(Handler(hand_over)), source)
    await consumer.start()
    try:
        while True:
            delivery, through = await offers.get()
            outcome: Outcome | None = Nack("the loop over the messages was left")
            try:
                yield delivery
                outcome = None
            finally:
                if not through.done():  # done: its lease was lost
                    through.set_result(outcome)
    finally:
        await consumer.stop()
