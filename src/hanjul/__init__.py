"""hanjul: all the background work of an application, in one line, on the PostgreSQL it already has."""

from importlib import import_module
from typing import TYPE_CHECKING

from hanjul.app import App
from hanjul.clients import connect, connect_sync
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
from hanjul.postgres import Database
from hanjul.queues import DeadLetter, Message, Metrics, QueueInfo, QueueRecord, Queues

if TYPE_CHECKING:
    from hanjul.app_sync import AppSync
    from hanjul.model.delivery_sync import DeliverySync
    from hanjul.postgres.database_sync import DatabaseSync
    from hanjul.queues.client_sync import QueuesSync

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

_TWINS = {
    "AppSync": "hanjul.app_sync",
    "DatabaseSync": "hanjul.postgres.database_sync",
    "DeliverySync": "hanjul.model.delivery_sync",
    "QueuesSync": "hanjul.queues.client_sync",
}


def __getattr__(name: str) -> object:
    """The sync twins, imported when somebody asks for them: an async worker does not carry them."""
    if name not in _TWINS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_TWINS[name]), name)
