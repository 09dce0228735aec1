"""hanjul: all the background work of an application, in one line, on the PostgreSQL it already has."""

from hanjul.app import App
from hanjul.app_sync import AppSync
from hanjul.clients import connect, connect_sync
from hanjul.config import Settings
from hanjul.model.backoff import Retry
from hanjul.model.delivery import Delivery
from hanjul.model.delivery_sync import DeliverySync
from hanjul.model.errors import (
    AlreadySettled,
    BadInput,
    ConnectionLost,
    DatabaseFailure,
    HanjulError,
    Interrupted,
    InvalidMessage,
    InvalidQueueName,
    InvalidSettings,
    LeaseLost,
    MessageTooLarge,
    NotFound,
    PermissionDenied,
    QueueNotFound,
    SchemaMismatch,
    Unavailable,
)
from hanjul.model.outcome import Nack, Reject, Release
from hanjul.postgres import Database, DatabaseSync
from hanjul.queues import DeadLetter, Message, Metrics, QueueInfo, QueueRecord, Queues, QueuesSync

__all__ = [
    "AlreadySettled",
    "App",
    "AppSync",
    "BadInput",
    "ConnectionLost",
    "Database",
    "DatabaseFailure",
    "DatabaseSync",
    "DeadLetter",
    "Delivery",
    "DeliverySync",
    "HanjulError",
    "Interrupted",
    "InvalidMessage",
    "InvalidQueueName",
    "InvalidSettings",
    "LeaseLost",
    "Message",
    "MessageTooLarge",
    "Metrics",
    "Nack",
    "NotFound",
    "PermissionDenied",
    "QueueInfo",
    "QueueNotFound",
    "QueueRecord",
    "Queues",
    "QueuesSync",
    "Reject",
    "Release",
    "Retry",
    "SchemaMismatch",
    "Settings",
    "Unavailable",
    "connect",
    "connect_sync",
]
