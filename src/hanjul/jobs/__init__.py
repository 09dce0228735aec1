"""Durable jobs: enqueue them, ask for them, wait for their results. The sync twin is in jobs.client_sync."""

from hanjul.jobs.client import Handle, Jobs
from hanjul.jobs.declared import Declared
from hanjul.jobs.rows import Cause, JobCount, JobRecord, Once, ProcessingJob, QueueStatus, Unique, WorkerRecord
from hanjul.jobs.schedule import Cron, Schedule, next_ticks

__all__ = [
    "Cause",
    "Cron",
    "Declared",
    "Handle",
    "JobCount",
    "JobRecord",
    "Jobs",
    "Once",
    "ProcessingJob",
    "QueueStatus",
    "Schedule",
    "Unique",
    "WorkerRecord",
    "next_ticks",
]
