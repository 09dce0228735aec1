"""For tests of applications that have jobs: run what is due, look what was enqueued, let time pass.

await sign_up("ada")                                    # the application enqueues
await assert_enqueued(jobs, "welcome", {"to": "ada"})
[welcome] = await run_jobs(app)                         # in this process, to the end
assert welcome.status == "completed"
"""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from hanjul.jobs.rows import JobRecord
from hanjul.model.database import Database
from hanjul.model.payload import encoded

MOST = 1000
"""How many waiting jobs assert_enqueued looks at, the newest."""

JOBS_AGE = """
    update hanjul.job
    set run_at = run_at - make_interval(secs => %(seconds)s), leased_until = leased_until - make_interval(secs => %(seconds)s)"""
KEYS_AGE = "update hanjul.job_unique set created_at = created_at - make_interval(secs => %(seconds)s)"


class WorksOff(Protocol):
    """An app that has jobs: hanjul.App."""

    async def work_off(self) -> Sequence[JobRecord]:
        """Run the jobs that are due."""


class Lists(Protocol):
    """A job client: hanjul.Jobs."""

    async def list(
        self, status: Any, *, queue: str | None = None, kind: str | None = None, key: str | None = None, limit: int = 100
    ) -> Sequence[JobRecord]:
        """Jobs of a status."""


async def run_jobs(app: WorksOff) -> list[JobRecord]:
    """Run every job that is due, and what those enqueue, one at a time; those that ran, as they stand then.

    The app must not run. A job that fails is not raised: its record has status and error_message; it runs again
    in a later call, when it is due (see move_time).
    """
    return list(await app.work_off())


async def assert_enqueued(
    jobs: Lists,
    kind: str,
    payload: object = ...,
    *,
    queue: str | None = None,
    key: str | None = None,
    count: int | None = None,
) -> list[JobRecord]:
    """The waiting jobs of the kind, with this payload (`...`: any; as it is enqueued), queue and key, newest first.

    count: how many there must be; None: one or more. Raises AssertionError, which tells what waits instead.
    """
    stored = payload if payload is ... else msgspec.json.decode(encoded(payload))
    waiting = await jobs.list("pending", limit=MOST)
    found = [
        job
        for job in waiting
        if job.kind == kind
        and (payload is ... or job.payload == stored)
        and (queue is None or job.queue == queue)
        and (key is None or job.key == key)
    ]
    if len(found) != count if count is not None else not found:
        wanted = "a job" if count is None else f"{count} jobs"
        there = "".join(f"\n  {job.kind} {job.payload!r}, queue {job.queue!r}, key {job.key!r}" for job in waiting) or " nothing"
        raise AssertionError(f"{wanted} of kind {kind!r} should be waiting as asked, not {len(found)}; there waits:{there}")
    return found


async def move_time(database: Database, seconds: float) -> None:
    """Let jobs believe that so many seconds have passed: what was to run within them is due, and leases have aged.

    database: an open hanjul.Database. A worker that runs already may need a second to see it. Schedules keep their time.
    """
    async with database.transaction() as conn:
        for statement in JOBS_AGE, KEYS_AGE:
            await conn.execute(statement, {"seconds": seconds})
