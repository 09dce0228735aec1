"""Books each message in a table of the same database, in one transaction with the ack."""

import asyncio
import os

import diary

import hanjul

app = hanjul.App()


@app.consumer("mail", concurrency=1, prefetch=1, lease_s=float(os.environ["STORY_LEASE_S"]))
async def book(delivery: hanjul.Delivery[int]) -> None:
    diary.write("start", delivery)
    try:
        async with delivery.transaction() as conn:
            await conn.execute("insert into ledger (key, pid) values (%s, %s)", [delivery.body, os.getpid()])
            await asyncio.sleep(float(os.environ["STORY_SECONDS"]))
    except BaseException as error:
        diary.write(f"failed: {type(error).__name__}", delivery)
        raise
    diary.write("end", delivery)
