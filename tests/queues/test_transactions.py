"""`tx=`: calls inside the transaction of a connection that is the user's, of whatever library."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import django
import django.conf
import django.db
import psycopg
import psycopg.rows
import pytest
import sqlalchemy as sa
from psycopg.types.json import set_json_dumps, set_json_loads
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from hanjul import BadInput, Database, DatabaseSync, InvalidMessage, InvalidQueueName, QueueNotFound, Queues, QueuesSync

LATER = datetime(2050, 1, 1, tzinfo=UTC)


class TakeItBack(Exception):
    """Ends a transaction by a rollback."""


@asynccontextmanager
async def psycopg_async(dsn: str) -> AsyncIterator[Any]:
    async with await psycopg.AsyncConnection.connect(dsn) as conn:
        yield conn


@asynccontextmanager
async def psycopg_async_cursor_of_dicts(dsn: str) -> AsyncIterator[Any]:
    conn = await psycopg.AsyncConnection.connect(dsn, row_factory=psycopg.rows.dict_row, cursor_factory=psycopg.AsyncRawCursor)
    async with conn, conn.cursor() as cursor:
        yield cursor


@asynccontextmanager
async def asyncpg_connection(dsn: str) -> AsyncIterator[Any]:
    conn = await asyncpg.connect(dsn)
    try:
        async with conn.transaction():
            yield conn
    finally:
        await conn.close()


@asynccontextmanager
async def asyncpg_from_pool_with_json_codec(dsn: str) -> AsyncIterator[Any]:
    async def decode_json(conn: Any) -> None:
        for name in ("json", "jsonb"):
            await conn.set_type_codec(name, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")

    async with asyncpg.create_pool(dsn, min_size=1, init=decode_json) as pool, pool.acquire() as conn, conn.transaction():
        yield conn


def sqlalchemy_async(library: str, kind: str) -> Callable[[str], AbstractAsyncContextManager[Any]]:
    @asynccontextmanager
    async def begun(dsn: str) -> AsyncIterator[Any]:
        engine = create_async_engine(urlsplit(dsn)._replace(scheme=f"postgresql+{library}").geturl())
        try:
            async with engine.begin() if kind == "connection" else AsyncSession(engine) as conn:
                if kind == "connection":
                    yield conn
                else:
                    async with conn.begin():
                        yield conn
        finally:
            await engine.dispose()

    return begun


@contextmanager
def psycopg_sync(dsn: str) -> Iterator[Any]:
    with psycopg.connect(dsn, row_factory=psycopg.rows.namedtuple_row) as conn:
        yield conn


@contextmanager
def psycopg_cursor(dsn: str) -> Iterator[Any]:
    with psycopg.connect(dsn, cursor_factory=psycopg.ClientCursor, row_factory=psycopg.rows.dict_row) as conn:
        set_json_loads(str, conn)
        set_json_dumps(repr, conn)
        with conn.cursor() as cursor:
            yield cursor


@contextmanager
def sqlalchemy_connection(dsn: str) -> Iterator[Any]:
    with _engine(dsn).begin() as conn:
        yield conn


@contextmanager
def sqlalchemy_session(dsn: str) -> Iterator[Any]:
    with Session(_engine(dsn)) as session, session.begin():
        yield session


def _engine(dsn: str) -> sa.Engine:
    return sa.create_engine(urlsplit(dsn)._replace(scheme="postgresql+psycopg").geturl(), poolclass=sa.NullPool)


@contextmanager
def django_connection(dsn: str) -> Iterator[Any]:
    url = urlsplit(dsn)
    login = {"USER": url.username, "PASSWORD": url.password, "HOST": url.hostname, "PORT": url.port}
    described = {"ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], **login}
    if not django.conf.settings.configured:
        django.conf.settings.configure(USE_TZ=True)
        django.setup()
    django.db.connections.settings = django.db.connections.configure_settings({"default": described})
    try:
        with django.db.transaction.atomic():
            yield django.db.connection
    finally:
        django.db.connection.close()
        del django.db.connections["default"]


ASYNC = {
    "psycopg": psycopg_async,
    "psycopg cursor of dicts": psycopg_async_cursor_of_dicts,
    "asyncpg": asyncpg_connection,
    "asyncpg from a pool, with a JSON codec": asyncpg_from_pool_with_json_codec,
    "SQLAlchemy connection, asyncpg": sqlalchemy_async("asyncpg", "connection"),
    "SQLAlchemy session, asyncpg": sqlalchemy_async("asyncpg", "session"),
    "SQLAlchemy connection, psycopg": sqlalchemy_async("psycopg", "connection"),
    "SQLAlchemy session, psycopg": sqlalchemy_async("psycopg", "session"),
}
SYNC = {
    "psycopg": psycopg_sync,
    "psycopg client cursor": psycopg_cursor,
    "SQLAlchemy connection": sqlalchemy_connection,
    "SQLAlchemy session": sqlalchemy_session,
    "Django": django_connection,
}


class Doors:
    """One face for both clients and all libraries."""

    def __init__(self, dsn: str, client: Any, begin: Callable[[str], Any]) -> None:
        self._dsn, self.client, self._begin = dsn, client, begin

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Any]:
        """A transaction of the library, committed at the end."""
        manager: AbstractContextManager[Any] | AbstractAsyncContextManager[Any] = self._begin(self._dsn)
        if isinstance(manager, AbstractAsyncContextManager):
            async with manager as tx:
                yield tx
        else:
            with manager as tx:
                yield tx

    async def ask(self, name: str, *args: Any, **named: Any) -> Any:
        """A call of the client."""
        answer = getattr(self.client, name)(*args, **named)
        return await answer if isinstance(answer, Awaitable) else answer


@pytest.fixture(params=[*[("async", name) for name in ASYNC], *[("sync", name) for name in SYNC]], ids=" ".join)
async def doors(request: pytest.FixtureRequest, dsn: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Doors]:
    kind, name = request.param
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # the sync client is called from the test's own loop
    if kind == "async":
        async with Queues(Database(dsn, max_connections=2)) as queues:
            await queues.create("mail")
            yield Doors(dsn, queues, ASYNC[name])
    else:
        with QueuesSync(DatabaseSync(dsn, max_connections=2)) as sync:
            sync.create("mail")
            yield Doors(dsn, sync, SYNC[name])


async def _bodies(doors: Doors) -> list[Any]:
    return [message.message for message in await doors.ask("peek", "mail", qty=99)]


async def test_what_is_sent_in_a_transaction_is_seen_after_its_commit(doors: Doors) -> None:
    async with doors.begin() as tx:
        first = await doors.ask("send", "mail", {"to": "ada", "when": None}, headers={"a": [1]}, tx=tx)
        second = await doors.ask("send", "mail", "now", delay=datetime(2020, 1, 1, tzinfo=UTC), tx=tx)
        batch = await doors.ask("send_batch", "mail", [1, 2], delay=0, headers=[None, {"b": 1}], tx=tx)
        dated = await doors.ask("send_batch", "mail", ['"', "%s :p1 $1"], delay=datetime(2020, 1, 1, tzinfo=UTC), tx=tx)
        assert await _bodies(doors) == []

    assert [first, second, *batch, *dated] == [1, 2, 3, 4, 5, 6]
    assert await _bodies(doors) == [{"to": "ada", "when": None}, "now", 1, 2, '"', "%s :p1 $1"]


async def test_everything_in_a_transaction_is_gone_after_its_rollback(doors: Doors) -> None:
    await doors.ask("send_batch", "mail", ["a", "b", "c", "d", "e"])

    with pytest.raises(TakeItBack):  # noqa: PT012  (the transaction is the block)
        async with doors.begin() as tx:
            await doors.ask("send", "mail", "new", tx=tx)
            [read] = await doors.ask("read", "mail", vt=60, qty=1, into=str, tx=tx)
            [condition] = await doors.ask("read", "mail", conditional="b", tx=tx)
            [popped] = await doors.ask("pop", "mail", tx=tx)
            deleted = await doors.ask("delete", "mail", [4], tx=tx)
            archived = await doors.ask("archive", "mail", 5, tx=tx)
            [moved] = await doors.ask("set_vt", "mail", 1, vt=90, tx=tx)
            [dated] = await doors.ask("set_vt", "mail", [1], vt=LATER, tx=tx)
            assert [read.message, condition.message, popped.message, moved.message] == ["a", "b", "c", "a"]
            assert (deleted, archived, dated.vt, read.read_ct) == ([4], [5], LATER, 1)
            raise TakeItBack

    assert await _bodies(doors) == ["a", "b", "c", "d", "e"]
    assert (await doors.ask("info", "mail")).archived_messages == 0


async def test_what_is_done_in_a_transaction_stays_after_its_commit(doors: Doors) -> None:
    await doors.ask("send_batch", "mail", ["a", "b", "c", "d"])

    async with doors.begin() as tx:
        await doors.ask("read", "mail", vt=60, tx=tx)
        await doors.ask("pop", "mail", tx=tx)
        await doors.ask("delete", "mail", 3, tx=tx)
        await doors.ask("archive", "mail", [4], tx=tx)

    info = await doors.ask("info", "mail")
    assert (info.queue_length, info.in_flight_length, info.archived_messages) == (1, 1, 1)


async def test_errors_have_our_names_there_too(doors: Doors) -> None:
    for call, error in [
        (("send", "none", 1), QueueNotFound),
        (("send", "mail", "a\x00b"), InvalidMessage),
        (("read", "a$b"), InvalidQueueName),
    ]:
        with pytest.raises(error):
            async with doors.begin() as tx:
                await doors.ask(*call, tx=tx)

    assert await _bodies(doors) == []


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_what_is_no_connection_of_the_clients_kind_is_refused(dsn: str, kind: str) -> None:
    url = urlsplit(dsn)._replace(scheme="postgresql+psycopg").geturl()
    engine, async_engine = sa.create_engine(url), create_async_engine(url)
    wrong: list[Any] = [object(), "tx", 7, dsn, engine, async_engine, json]
    async with psycopg_async(dsn) as a, asyncpg.create_pool(dsn, min_size=1) as pool, async_engine.connect() as b:
        with psycopg_sync(dsn) as c, engine.connect() as d:
            if kind == "async":
                async with Queues(Database(dsn)) as queues:
                    for tx in [*wrong, pool, c, c.cursor(), d, django.db.connection]:
                        with pytest.raises(BadInput, match=r"^tx=\S+ cannot be used here; an open connection can: psycopg.Async"):
                            await queues.send("mail", 1, tx=tx)
            else:
                with QueuesSync(DatabaseSync(dsn)) as sync:
                    for tx in [*wrong, pool, a, a.cursor(), b]:
                        with pytest.raises(BadInput, match=r"^tx=\S+ cannot be used here; an open connection can: psycopg.Conn"):
                            await asyncio.to_thread(sync.send, "mail", 1, tx=tx)
    await async_engine.dispose()
    engine.dispose()
