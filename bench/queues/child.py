"""One process of one system: `python -m bench.queues.child SYSTEM ROLE DSN [NUMBER...]`.

ROLE is install, work, or a way to send, which prints how many messages it has sent, and in how many seconds.
"""

import asyncio
import random
import sys
import time

from bench.harness.child import live
from bench.queues.systems import system
from bench.queues.systems.base import System, body

CALLERS = 50
WARM_UP_S = 0.2
STEP_S = 0.05
"""Between two batches of a steady stream."""
PAUSE_S = (0.02, 0.06)
"""Between two messages for an idle worker."""


async def one_by_one(producer: System, seconds: float) -> int:
    sent, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        await producer.send(body())
        sent += 1
    return sent


async def many_callers(producer: System, seconds: float) -> int:
    if not producer.concurrent:
        return 0
    return sum(await asyncio.gather(*[one_by_one(producer, seconds) for _ in range(CALLERS)]))


async def batches(producer: System, seconds: float, most: float = float("inf")) -> int:
    sent, end = 0, time.monotonic() + seconds
    while sent < most and time.monotonic() < end:
        await producer.send_batch([body() for _ in range(producer.batch)])
        sent += producer.batch
    return sent


async def steadily(producer: System, seconds: float, a_second: float) -> int:
    began, sent = time.monotonic(), 0
    while (now := time.monotonic() - began) < seconds:
        if (due := int(now * a_second) - sent) > 0:
            await producer.send_batch([body() for _ in range(due)])
            sent += due
        await asyncio.sleep(STEP_S)
    return sent


async def trickle(producer: System, count: float) -> int:
    pauses = random.Random(5)
    for _ in range(int(count)):
        await producer.send(body(timed=True))
        await asyncio.sleep(pauses.uniform(*PAUSE_S))
    return int(count)


WAYS = {way.__name__: way for way in (one_by_one, many_callers, batches, steadily, trickle)}


async def main(name: str, role: str, dsn: str, *args: str) -> None:
    one = system(name, dsn)
    if role == "install":
        await one.install()
    elif role == "work":
        await one.work()
    else:
        await one.open()
        await (many_callers if role == "many_callers" else one_by_one)(one, WARM_UP_S)  # connections, plans
        began = time.perf_counter()
        sent = await WAYS[role](one, *map(float, args))
        print(sent, time.perf_counter() - began)
        await one.close()


if __name__ == "__main__":
    live(main(*sys.argv[1:]))
