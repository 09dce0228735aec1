"""What to ask of the SQL family `jobs` for those who work on them: fetching and settling. Pure."""

from collections.abc import Callable, Sequence
from typing import Any

from hanjul.model.call import Call
from hanjul.model.driver import Refusal
from hanjul.model.job import Job

FETCHED = "id::text, queue, kind, attempt, retry_count, max_retries, timeout_s, created_at, key, payload::text, metadata::text"
"""What a worker needs of a job."""
REFUSED = "id::text, attempt, held_by, status"

Some = Sequence[Job[Any]]


def fetch(worker_id: str, queues: Sequence[str], qty: int, lease_s: float, row: Callable[..., Job[Any]]) -> Call[Job[Any]]:
    args = {"worker_id text": worker_id, "queues text[]": list(queues), "qty integer": qty, "lease_s double precision": lease_s}
    return Call("hanjul.fetch_next_jobs", args, row=row, columns=FETCHED, repeatable=True)


def complete(jobs: Some, results: Sequence[str | None]) -> Call[Refusal]:
    return Call("hanjul.complete_jobs", {**_pairs(jobs), "results jsonb[]": list(results)}, row=_refusal(jobs), columns=REFUSED)


def fail(jobs: Some, errors: Sequence[str], delays_s: Sequence[float | None], reasons: Sequence[str | None]) -> Call[Refusal]:
    args = {
        **_pairs(jobs),
        "error_messages text[]": list(errors),
        "retries_in_s double precision[]": list(delays_s),
        "reasons text[]": list(reasons),
    }
    return Call("hanjul.fail_jobs", args, row=_refusal(jobs), columns=REFUSED)


def release(jobs: Some, delays_s: Sequence[float], reasons: Sequence[str | None]) -> Call[Refusal]:
    args = {**_pairs(jobs), "delays_s double precision[]": list(delays_s), "error_messages text[]": list(reasons)}
    return Call("hanjul.release_jobs", args, row=_refusal(jobs), columns=REFUSED)


def heartbeats(jobs: Some, lease_s: float) -> Call[Refusal]:
    def row(job_id: str, attempt: int, held_by: int | None, status: str | None, cancel: bool) -> Refusal:
        return Refusal(by_pair[job_id, attempt], held_by, cancel, unknown=status == "locked")

    by_pair = {(job.id, job.fence): job for job in jobs}
    args = {**_pairs(jobs), "lease_s double precision": lease_s}
    return Call("hanjul.heartbeats", args, row=row, columns=f"{REFUSED}, cancel")


def heartbeat(job: Job[Any], lease_s: float, progress: float, note: str | None) -> Call[bool]:
    args = {
        "id uuid": job.id,
        "attempt integer": job.fence,
        "lease_s double precision": lease_s,
        "progress double precision": progress,
        "progress_note text": note,
    }
    return Call("hanjul.heartbeat", args, row=lambda cancel: cancel)


def ready(queues: Sequence[str]) -> Call[tuple[str, float]]:
    return Call("hanjul.ready_jobs", {"queues text[]": list(queues)}, row=lambda queue, due_in_s: (queue, due_in_s))


def worker_seen(
    worker_id: str, queues: Sequence[str], kinds: Sequence[str], concurrency: int, host: str, pid: int, version: str
) -> Call[None]:
    args = {
        "id text": worker_id,
        "queues text[]": list(queues),
        "kinds text[]": list(kinds),
        "concurrency integer": concurrency,
        "host text": host,
        "pid integer": pid,
        "version text": version,
    }
    return Call("hanjul.worker_seen", args, row=lambda _nothing: None, repeatable=True)


def worker_stopped(worker_id: str, host: str, pid: int) -> Call[None]:
    args = {"id text": worker_id, "host text": host, "pid integer": pid}
    return Call("hanjul.worker_stopped", args, row=lambda _nothing: None, repeatable=True)


def _pairs(jobs: Some) -> dict[str, object]:
    return {"ids uuid[]": [job.id for job in jobs], "attempts integer[]": [job.fence for job in jobs]}


def _refusal(jobs: Some) -> Callable[..., Refusal]:
    def row(job_id: str, attempt: int, held_by: int | None, status: str | None) -> Refusal:
        job = next(job for job in jobs if (job.id, job.fence) == (job_id, attempt))
        return Refusal(job, held_by if status in {"pending", "processing"} else None)

    return row
