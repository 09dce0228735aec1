"""Handles each message by sleeping for a while."""

import asyncio
import os

import diary

import hanjul

SECONDS = float(os.environ.get("STORY_SECONDS", "0.01"))

app = hanjul.App()


@app.consumer(
    "mail",
    concurrency=int(os.environ.get("STORY_CONCURRENCY", "5")),
    prefetch=int(os.environ.get("STORY_PREFETCH", "20")),
    lease_s=float(os.environ.get("STORY_LEASE_S", "30")),
)
async def handle(delivery: hanjul.Delivery[int]) -> None:
    diary.write("start", delivery)
    await asyncio.sleep(SECONDS)
    diary.write("end", delivery)
