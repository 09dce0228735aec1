"""Durable jobs: enqueue them, ask for them, wait for their results."""

from hanjul.jobs.client import Handle, Jobs
from hanjul.jobs.client_sync import HandleSync, JobsSync
from hanjul.jobs.rows import JobCount, JobRecord, Unique

__all__ = ["Handle", "HandleSync", "JobCount", "JobRecord", "Jobs", "JobsSync", "Unique"]
