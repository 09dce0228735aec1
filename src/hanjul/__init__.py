"""hanjul: all the background work of an application, in one line, on the PostgreSQL it already has."""

from importlib import import_module
from typing import TYPE_CHECKING

from hanjul.app import App
from hanjul.clients import connect, connect_http, connect_http_sync, connect_jobs, connect_jobs_sync, connect_sync
from hanjul.config import Settings
from hanjul.model.backoff import Retry
from hanjul.model.delivery import Delivery
from hanjul.model.errors import (
    AlreadySettled,
    BadInput,
    ConnectionLost,
    DatabaseFailure,
    HanjulError,
    Interrupted,
    InvalidEntries,
    InvalidMessage,
    InvalidQueueName,
    InvalidSettings,
    InvalidSignature,
    InvalidStatus,
    JobConflict,
    JobFailed,
    JobNotFound,
    LeaseLost,
    MessageTooLarge,
    NotFound,
    PermissionDenied,
    QueueNotFound,
    RequestFailed,
    RequestNotFound,
    SchemaMismatch,
    Unavailable,
)
from hanjul.model.outcome import Nack, Reject, Release
from hanjul.postgres import Database
from hanjul.queues import DeadLetter, Message, Metrics, QueueInfo, QueueRecord, Queues

if TYPE_CHECKING:
    from hanjul.app_entries import load_app
    from hanjul.app_sync import AppSync
    from hanjul.jobs import Cause, Handle, JobCount, JobRecord, Jobs, Once, ProcessingJob, QueueStatus, Unique, WorkerRecord
    from hanjul.jobs.client_sync import HandleSync, JobsSync
    from hanjul.model.delivery_sync import DeliverySync
    from hanjul.model.job import Job
    from hanjul.net.client import Http, RequestHandle
    from hanjul.net.client_sync import HttpSync, RequestHandleSync
    from hanjul.net.outgoing import HttpRequest, HttpRetry
    from hanjul.net.rows import (
        AttemptRecord,
        NewWebhook,
        RequestCounts,
        RequestLine,
        RequestRecord,
        ResponseRecord,
        WebhookRecord,
    )
    from hanjul.postgres.database_sync import DatabaseSync
    from hanjul.queues.client_sync import QueuesSync

__all__ = [
    "AlreadySettled",
    "App",
    "AppSync",
    "AttemptRecord",
    "BadInput",
    "Cause",
    "ConnectionLost",
    "Database",
    "DatabaseFailure",
    "DatabaseSync",
    "DeadLetter",
    "Delivery",
    "DeliverySync",
    "Handle",
    "HandleSync",
    "HanjulError",
    "Http",
    "HttpRequest",
    "HttpRetry",
    "HttpSync",
    "Interrupted",
    "InvalidEntries",
    "InvalidMessage",
    "InvalidQueueName",
    "InvalidSettings",
    "InvalidSignature",
    "InvalidStatus",
    "Job",
    "JobConflict",
    "JobCount",
    "JobFailed",
    "JobNotFound",
    "JobRecord",
    "Jobs",
    "JobsSync",
    "LeaseLost",
    "Message",
    "MessageTooLarge",
    "Metrics",
    "Nack",
    "NewWebhook",
    "NotFound",
    "Once",
    "PermissionDenied",
    "ProcessingJob",
    "QueueInfo",
    "QueueNotFound",
    "QueueRecord",
    "QueueStatus",
    "Queues",
    "QueuesSync",
    "Reject",
    "Release",
    "RequestCounts",
    "RequestFailed",
    "RequestHandle",
    "RequestHandleSync",
    "RequestLine",
    "RequestNotFound",
    "RequestRecord",
    "ResponseRecord",
    "Retry",
    "SchemaMismatch",
    "Settings",
    "Unavailable",
    "Unique",
    "WebhookRecord",
    "WorkerRecord",
    "connect",
    "connect_http",
    "connect_http_sync",
    "connect_jobs",
    "connect_jobs_sync",
    "connect_sync",
    "load_app",
]

_ON_DEMAND = {
    "AppSync": "hanjul.app_sync",
    "AttemptRecord": "hanjul.net.rows",
    "Cause": "hanjul.jobs.rows",
    "DatabaseSync": "hanjul.postgres.database_sync",
    "DeliverySync": "hanjul.model.delivery_sync",
    "Handle": "hanjul.jobs.client",
    "HandleSync": "hanjul.jobs.client_sync",
    "Http": "hanjul.net.client",
    "HttpRequest": "hanjul.net.outgoing",
    "HttpRetry": "hanjul.net.outgoing",
    "HttpSync": "hanjul.net.client_sync",
    "Job": "hanjul.model.job",
    "JobCount": "hanjul.jobs.rows",
    "JobRecord": "hanjul.jobs.rows",
    "Jobs": "hanjul.jobs.client",
    "JobsSync": "hanjul.jobs.client_sync",
    "NewWebhook": "hanjul.net.rows",
    "Once": "hanjul.jobs.rows",
    "ProcessingJob": "hanjul.jobs.rows",
    "QueueStatus": "hanjul.jobs.rows",
    "QueuesSync": "hanjul.queues.client_sync",
    "RequestCounts": "hanjul.net.rows",
    "RequestHandle": "hanjul.net.client",
    "RequestHandleSync": "hanjul.net.client_sync",
    "RequestLine": "hanjul.net.rows",
    "RequestRecord": "hanjul.net.rows",
    "ResponseRecord": "hanjul.net.rows",
    "Unique": "hanjul.jobs.rows",
    "WebhookRecord": "hanjul.net.rows",
    "WorkerRecord": "hanjul.jobs.rows",
    "load_app": "hanjul.app_entries",
}


def __getattr__(name: str) -> object:
    """The sync twins, and jobs, imported when somebody asks for them: a worker without does not carry them."""
    if name not in _ON_DEMAND:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ON_DEMAND[name]), name)
