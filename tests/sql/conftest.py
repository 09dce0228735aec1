"""Sessions that speak SQL; psycopg is only the pipe."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

LONGEST_WAIT_S = 20.0
_numbers = count(1)


class Session:
    """One connection in autocommit mode; a transaction is `run("begin")` and `run("commit")`."""

    def __init__(self, dsn: str) -> None:
        self.connection = psycopg.connect(dsn, autocommit=True, prepare_threshold=None)
        self.pid = self.connection.info.backend_pid
        self.notices: list[str] = []
        self.connection.add_notice_handler(lambda notice: self.notices.append(f"{notice.severity}: {notice.message_primary}"))
        self._thread = ThreadPoolExecutor(1)

    def run(self, query: str, *args: Any) -> None:
        self.connection.execute(query, args or None)

    def rows(self, query: str, *args: Any) -> list[Any]:
        cursor = self.connection.execute(query, args or None)
        return cursor.fetchall() if cursor.description else []

    def column(self, query: str, *args: Any) -> list[Any]:
        return [row[0] for row in self.rows(query, *args)]

    def one(self, query: str, *args: Any) -> Any:
        [[value]] = self.rows(query, *args)
        return value

    def later(self, query: str, *args: Any) -> "Future[list[Any]]":
        """Run it in a thread of this session's own, because it may have to wait for somebody."""
        return self._thread.submit(self.rows, query, *args)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.connection.cancel_safe()
        self._thread.shutdown()
        self.connection.close()


@pytest.fixture
def connect(dsn: str) -> Iterator[Callable[[], Session]]:
    """Open one more session on the test's database."""
    sessions: list[Session] = []

    def connect() -> Session:
        sessions.append(Session(dsn))
        return sessions[-1]

    yield connect
    for session in sessions:
        session.close()


@pytest.fixture
def db(connect: Callable[[], Session]) -> Session:
    """A session on the test's own database."""
    return connect()


@pytest.fixture(scope="session")
def open_session() -> type[Session]:
    """Open a session on any database; to be used in a `with`."""
    return Session


@pytest.fixture(scope="session")
def open_database(server: str, template: str) -> Callable[[], AbstractContextManager[Session]]:
    """Open a session on a database of its own, for a fixture that lives longer than one test."""

    @contextmanager
    def open_database() -> Iterator[Session]:
        name = f"shared_{next(_numbers)}"
        with Session(server) as admin:
            admin.run(f"create database {name} template {template}")
            with Session(urlsplit(server)._replace(path=f"/{name}").geturl()) as session:
                yield session
            admin.run(f"drop database {name} with (force)")

    return open_database


@pytest.fixture(scope="module")
def shared(open_database: Callable[[], AbstractContextManager[Session]]) -> Iterator[Session]:
    """A session that the tests of one module share, because they only look, or are refused."""
    with open_database() as session:
        yield session


@pytest.fixture
def mail(db: Session) -> Session:
    """A session on a database with one queue, `mail`."""
    db.run("select pgmq.create('mail')")
    return db


@pytest.fixture
def blocked(connect: Callable[[], Session]) -> Callable[[Session], None]:
    """Return when the session waits for a lock; fail if it never does."""
    watch = connect()

    def blocked(session: Session) -> None:
        deadline = time.monotonic() + LONGEST_WAIT_S
        while not watch.one("select cardinality(pg_blocking_pids(%s)) > 0", session.pid):
            assert time.monotonic() < deadline, "the session does not wait for anybody"
            time.sleep(0.002)

    return blocked


@pytest.fixture
def refused() -> Callable[..., Any]:
    """Expect the server to refuse, with this SQLSTATE and, if given, exactly this message."""
    return expect_refusal


class expect_refusal:  # noqa: N801  reads as a verb: with refused("P0001", "..."):
    def __init__(self, sqlstate: str, message: str | None = None) -> None:
        self._sqlstate, self._message = sqlstate, message

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _at: object) -> bool:
        assert isinstance(error, psycopg.Error), f"expected SQLSTATE {self._sqlstate}, got {error!r}"
        assert (error.sqlstate, self._message or error.diag.message_primary) == (self._sqlstate, error.diag.message_primary)
        return True
