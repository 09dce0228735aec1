"""Jobs that take a while, or kill their worker; each tells who has done it."""

import asyncio
import os
import signal

import diary

import hanjul

SECONDS = float(os.environ.get("STORY_SECONDS", "0.01"))
PREFETCH = int(os.environ.get("STORY_PREFETCH", "10"))
CONCURRENCY = int(os.environ.get("STORY_CONCURRENCY", "5"))
LEASE_S = float(os.environ.get("STORY_LEASE_S", "30"))

app = hanjul.App()
app.job_workers("default", concurrency=CONCURRENCY, prefetch=PREFETCH, lease_s=LEASE_S)


@app.job()
async def deed(job: hanjul.Job[int | str]) -> int:
    diary.write("start", job)
    if job.payload == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    await asyncio.sleep(SECONDS)
    diary.write("end", job)
    return os.getpid()
