"""A message that kills the worker which handles it; all others are harmless."""

import os
import signal

import diary

import hanjul

app = hanjul.App()


@app.consumer("mail", concurrency=1, prefetch=1, lease_s=0.5, retry=hanjul.Retry(max_attempts=3))
async def handle(delivery: hanjul.Delivery[str]) -> None:
    diary.write("start", delivery)
    if delivery.body == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
