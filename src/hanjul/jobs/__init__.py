"""Durable jobs: enqueue them, ask for them, wait for their results. The sync twin is in jobs.client_sync."""

from hanjul.jobs.client import Handle, Jobs
from hanjul.jobs.declared import Declared
from hanjul.jobs.rows import Cause, JobCount, JobRecord, Once, ProcessingJob, QueueStatus, Unique, WorkerRecord

__all__ = [
    "Cause",
    "Declared",
    "Handle",
    "JobCount",
    "JobRecord",
    "Jobs",
    "Once",
    "ProcessingJob",
    "QueueStatus",
    "Unique",
    "WorkerRecord",
]
