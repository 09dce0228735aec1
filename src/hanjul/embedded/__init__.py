"""The embedded PostgreSQL: one server per data directory, started by its first user and stopped after its last."""

from .binaries import Binaries, locate
from .errors import BadDataDirectory, BinariesNotFound, EmbeddedError, StartFailed, Unsupported
from .server import Server, attach

__all__ = [
    "BadDataDirectory",
    "Binaries",
    "BinariesNotFound",
    "EmbeddedError",
    "Server",
    "StartFailed",
    "Unsupported",
    "attach",
    "locate",
]
