"""The only room that knows psycopg: connections, notifications, migrations."""

from hanjul.postgres.database import Database
from hanjul.postgres.database_sync import DatabaseSync

__all__ = ["Database", "DatabaseSync"]
