"""A worker of jobs: our own loop, with a witness between it and the driver, and handlers that do what their job says."""

import asyncio
import json
import logging
import os
import random
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

from tests.torture.journal import Journal
from tests.torture.scene import Scene

import hanjul
from hanjul.drivers.jobs import JobRenewer, JobSource
from hanjul.model.driver import Refusal, Settlement
from hanjul.model.errors import HanjulError

LEASE_S = 1.0
FREEZE = 0.01
"""How likely a worker is frozen between the end of its handlers and their settlement: the worst moment."""
QUEUES = {"urgent": 3, "default": 1}
"""The queues, and how often each is asked first."""
KIND = "deed"
Job = hanjul.Job[Any]


class Witness:
    """Writes down what passes between the loop and the driver."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._fetch, self._settle, self._extend = JobSource.fetch, JobSource.settle, JobRenewer.extend

    def attend(self) -> None:
        """Take place."""
        witness = self

        async def fetch(source: JobSource, limit: int, lease_s: float) -> list[Any]:
            return await witness.fetch(source, limit, lease_s)

        async def settle(source: JobSource, settlements: Sequence[Settlement]) -> Sequence[Refusal]:
            return await witness.settle(source, settlements)

        def extend(renewer: JobRenewer, jobs: Sequence[Any], lease_s: float) -> Sequence[Refusal]:
            return witness.extend(renewer, jobs, lease_s)

        for owner, method in ((JobSource, fetch), (JobSource, settle), (JobRenewer, extend)):
            setattr(owner, method.__name__, method)

    async def fetch(self, source: JobSource, limit: int, lease_s: float) -> list[Any]:
        """Jobs that are handed out."""
        n = self._journal.invoke("fetch", lease=lease_s)
        try:
            jobs = await self._fetch(source, limit, lease_s)
        except BaseException as error:
            self._unknown(n, error)
            raise
        self._journal.complete(n, ok=True, rows=[[job.id, job.fence, job.attempt] for job in jobs])
        return jobs

    async def settle(self, source: JobSource, settlements: Sequence[Settlement]) -> Sequence[Refusal]:
        """Settlements: of each kind one statement."""
        kinds = {type(outcome) for _, outcome in settlements}
        asked = [
            self._journal.invoke(kind.__name__.lower(), **_pairs([job for job, outcome in settlements if type(outcome) is kind]))
            for kind in kinds
        ]
        if random.random() < FREEZE:
            _freeze(random.uniform(1.1, 2.5) * LEASE_S)
        try:
            refusals = await self._settle(source, settlements)
        except BaseException as error:
            for n in asked:
                self._unknown(n, error)
            raise
        for n in asked:
            self._journal.complete(n, ok=True, rows=[_refused(refusal) for refusal in refusals])
        return refusals

    def extend(self, renewer: JobRenewer, jobs: Sequence[Any], lease_s: float) -> Sequence[Refusal]:
        """Renewals, in the thread of their own."""
        n = self._journal.invoke("extend", lease=lease_s, **_pairs(jobs))
        try:
            refusals = self._extend(renewer, jobs, lease_s)
        except BaseException as error:
            self._unknown(n, error)
            raise
        self._journal.complete(n, ok=True, rows=[_refused(refusal) for refusal in refusals])
        return refusals

    def _unknown(self, n: int, error: BaseException) -> None:
        self._journal.complete(n, ok=False, sure=False, error=type(error).__name__)


def _freeze(seconds: float) -> None:
    """Stop this process, all its threads, until somebody else lets it go on, unless it was killed meanwhile."""
    subprocess.Popen(["sh", "-c", f"sleep {seconds}; kill -CONT {os.getpid()} 2>/dev/null"])
    os.kill(os.getpid(), signal.SIGSTOP)


def _pairs(jobs: Sequence[Any]) -> dict[str, Any]:
    return {"pairs": [[job.id, job.fence] for job in jobs]}


def _refused(refusal: Refusal) -> list[Any]:
    return [refusal.delivery.id, refusal.delivery.fence]


def job(n: int) -> dict[str, Any]:
    """The job of a number, as enqueue_jobs takes it: most are harmless; some fail, last long, or kill their worker."""
    deed = "square"
    if n % 1000 == 500:
        deed = "poison"
    elif n % 100 == 1:
        deed = "fail"
    elif n % 250 == 3:
        deed = "slow"
    elif n % 20 == 2:
        deed = "fail once"
    options = {"queue": "urgent" if n % 3 else "default", "priority": n % 2, "max_retries": 1 if deed == "poison" else 4}
    return {"kind": KIND, "key": str(n), "payload": {"n": n, "do": deed}, **options}


def right_result(payload: dict[str, Any]) -> str | None:
    """What a job returns when it is done; None if it cannot be."""
    return None if payload["do"] in {"fail", "poison"} else json.dumps({"square": payload["n"] ** 2})


def _app(scene: Scene, journal: Journal) -> hanjul.App:
    app = hanjul.App(scene.dsn)

    @app.job(KIND, retry=hanjul.Retry(base_s=0.05, cap_s=0.2))
    async def handle(job: Job) -> dict[str, int]:
        journal.invoke("run", id=job.id, ct=job.fence, attempt=job.attempt)
        await _do(job.payload["do"], job.attempt)
        return {"square": job.payload["n"] ** 2}

    app.job_workers(QUEUES, concurrency=4, prefetch=8, lease_s=LEASE_S)
    return app


async def _do(deed: str, attempt: int) -> None:
    match deed:
        case "fail":
            raise RuntimeError("this job fails")
        case "fail once" if attempt == 1:
            raise RuntimeError("this job fails at first")
        case "slow":
            await asyncio.sleep(LEASE_S * 2.5)
        case "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        case _:
            await asyncio.sleep(0.005 if attempt == 1 else LEASE_S / 3)  # so that who was frozen meets who has the job now


async def _work(scene: Scene, journal: Journal) -> None:
    while True:
        try:
            async with _app(scene, journal):
                await asyncio.Event().wait()
        except HanjulError:  # only a start may fail: the server is down
            await asyncio.sleep(0.1)


def main(scene: Scene) -> None:
    """Be a worker of jobs."""
    logging.basicConfig(filename=f"{scene.directory}/workers.log", level=logging.ERROR)
    journal = Journal(scene.directory, scene.actor, synced=False)
    Witness(journal).attend()
    asyncio.run(_work(scene, journal))
