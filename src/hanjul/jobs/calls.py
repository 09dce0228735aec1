"""What to ask of the SQL family `jobs`. Pure."""

from typing import Any
from uuid import UUID

from hanjul.jobs.rows import Cause, JobCount, JobRecord, ProcessingJob, QueueStatus, WorkerRecord
from hanjul.model.call import Call

PRUNED_AT_ONCE = 10_000
"""Unique keys that a call forgets: about a second's work."""


def _itself(value: Any) -> Any:
    return value


def enqueue_jobs(jobs: str) -> Call[UUID]:
    return Call("hanjul.enqueue_jobs", {"jobs jsonb": jobs}, row=_itself)


def enqueue_job_once(idempotency_key: str, request_hash: str, job: str) -> Call[UUID]:
    args = {"idempotency_key text": idempotency_key, "request_hash text": request_hash, "job jsonb": job}
    return Call("hanjul.enqueue_job_once", args, row=_itself, repeatable=True)


def find_job(job_id: UUID) -> Call[JobRecord]:
    return Call("hanjul.find_job", {"id uuid": job_id}, row=JobRecord, repeatable=True)


def list_jobs(
    status: str, queue: str | None, kind: str | None, key: str | None, qty: int, before: UUID | None
) -> Call[JobRecord]:
    only = {"status text": status, "queue text": queue, "kind text": kind, "key text": key}
    args = {**only, "qty integer": qty, "before uuid": before}
    return Call("hanjul.list_jobs", args, row=JobRecord, repeatable=True)


def job_counts() -> Call[JobCount]:
    return Call("hanjul.job_counts", {}, row=JobCount, repeatable=True)


def queue_status() -> Call[QueueStatus]:
    return Call("hanjul.queue_status", {}, row=QueueStatus, repeatable=True)


def processing_jobs(of_queue: str | None, qty: int, before: UUID | None) -> Call[ProcessingJob]:
    args = {"of_queue text": of_queue, "qty integer": qty, "before uuid": before}
    return Call("hanjul.processing_jobs", args, row=ProcessingJob, repeatable=True)


def explain_job(job_id: UUID) -> Call[Cause]:
    return Call("hanjul.explain_job", {"id uuid": job_id}, row=Cause, repeatable=True)


def workers() -> Call[WorkerRecord]:
    return Call("hanjul.workers", {}, row=WorkerRecord, repeatable=True)


def cancel_job(job_id: UUID) -> Call[str]:
    return Call("hanjul.cancel_job", {"id uuid": job_id}, row=_itself)


def retry_job(job_id: UUID) -> Call[None]:
    return Call("hanjul.retry_job", {"id uuid": job_id}, row=_itself)


def pause_queue(queue: str, reason: str | None) -> Call[None]:
    return Call("hanjul.pause_queue", {"queue text": queue, "reason text": reason}, row=_itself)


def resume_queue(queue: str) -> Call[None]:
    return Call("hanjul.resume_queue", {"queue text": queue}, row=_itself)


def rescue_stale_jobs() -> Call[int]:
    return Call("hanjul.rescue_stale_jobs", {}, row=_itself)


def prune(older_than: str) -> Call[int]:
    return Call("hanjul.prune", {"older_than interval": older_than}, row=_itself)


def prune_unique_keys(older_than: str) -> Call[int]:
    args = {"older_than interval": older_than, "qty integer": PRUNED_AT_ONCE}
    return Call("hanjul.prune_unique_keys", args, row=_itself)
