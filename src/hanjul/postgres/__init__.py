"""The only room that knows psycopg: connections, notifications, migrations."""

from hanjul.postgres.database import Database

__all__ = ["Database"]
