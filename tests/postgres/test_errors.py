"""What the server reports, in our words; which of them may be tried again."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from hanjul import (
    ConnectionLost,
    Database,
    DatabaseFailure,
    DatabaseSync,
    HanjulError,
    Interrupted,
    InvalidSettings,
    PermissionDenied,
    Queues,
    QueuesSync,
    SchemaMismatch,
    Unavailable,
)
from hanjul.model.call import Call
from hanjul.postgres.database import Database as Postgres
from hanjul.postgres.errors import translate


@pytest.fixture
async def queues(dsn: str) -> AsyncIterator[Queues]:
    async with Queues(Database(dsn)) as queues:
        await queues.create("mail")
        yield queues


def _with(dsn: str, **options: str) -> str:
    return urlsplit(dsn)._replace(query="&".join(f"{name}={value}" for name, value in options.items())).geturl()


async def test_a_statement_timeout_is_an_interruption_and_changes_nothing(queues: Queues, dsn: str) -> None:
    async with Queues(Database(_with(dsn, options="-c%20statement_timeout%3D100"))) as hasty:
        with psycopg.connect(dsn) as other:
            other.execute("lock table pgmq.q_mail")
            with pytest.raises(Interrupted, match="cancelled: canceling statement due to statement timeout"):
                await hasty.send("mail", 1)

    assert (await queues.metrics("mail")).queue_length == 0


async def test_a_lock_timeout_is_an_interruption(queues: Queues, dsn: str) -> None:
    async with Queues(Database(_with(dsn, options="-c%20lock_timeout%3D100"))) as hasty:
        with psycopg.connect(dsn) as other:
            other.execute("lock table pgmq.q_mail")
            with pytest.raises(Interrupted, match="lock not available"):
                await hasty.send("mail", 1)


async def test_a_deadlock_is_an_interruption(queues: Queues, dsn: str) -> None:
    await queues.create("a")
    await queues.create("b")
    await asyncio.gather(queues.send("a", 1), queues.send("b", 1))

    async def both(first: str, second: str, met: asyncio.Barrier) -> None:
        async with await psycopg.AsyncConnection.connect(dsn, options="-c deadlock_timeout=50") as tx:
            await queues.delete(first, 1, tx=tx)
            await met.wait()
            await queues.delete(second, 1, tx=tx)

    met = asyncio.Barrier(2)
    results = await asyncio.gather(both("a", "b", met), both("b", "a", met), return_exceptions=True)

    [victim] = [result for result in results if result is not None]
    assert isinstance(victim, Interrupted)
    assert "deadlock" in str(victim)


async def test_a_role_without_rights_is_told(queues: Queues, dsn: str) -> None:
    role = f"nobody_of_{urlsplit(dsn).path[1:]}"
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("create role {} login password 'x'").format(sql.Identifier(role)))
    url = urlsplit(dsn)

    async with Queues(Database(url._replace(netloc=f"{role}:x@{url.hostname}:{url.port}").geturl())) as weak:
        with pytest.raises(PermissionDenied, match="permission denied for schema"):
            await weak.send("mail", 1)

    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


async def test_a_database_without_our_schema_says_what_to_do(empty_dsn: str) -> None:
    async with Queues(Database(empty_dsn)) as queues:
        for call in (queues.send("mail", 1), queues.create("mail"), queues.list()):
            with pytest.raises(SchemaMismatch, match="run `hanjul migrate`"):
                await call


async def test_a_server_that_is_full_is_unavailable_and_later_serves(queues: Queues, dsn: str) -> None:
    role = f"few_of_{urlsplit(dsn).path[1:]}"
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("create role {} login password 'x' connection limit 1").format(sql.Identifier(role)))
        conn.execute(sql.SQL("grant usage on schema pgmq to {}").format(sql.Identifier(role)))
        conn.execute(sql.SQL("grant select on pgmq.meta to {}").format(sql.Identifier(role)))
    url = urlsplit(dsn)
    few = url._replace(netloc=f"{role}:x@{url.hostname}:{url.port}").geturl()

    with psycopg.connect(few), pytest.raises(Unavailable, match="too many connections for role"):
        await Queues(Database(few)).open()
    async with Queues(Database(few, timeout_s=0.5)) as late:
        assert await late.list() is not None

    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("drop owned by {}; drop role {}").format(sql.Identifier(role), sql.Identifier(role)))


STATES = {
    "40001": Interrupted,
    "40P01": Interrupted,
    "53100": Interrupted,
    "53200": Interrupted,
    "55P03": Interrupted,
    "57014": Interrupted,
    "53300": Unavailable,
    "57P03": Unavailable,
    "57P01": ConnectionLost,
    "57P02": ConnectionLost,
    "08006": ConnectionLost,
    "42501": PermissionDenied,
    "42883": SchemaMismatch,
    "3F000": SchemaMismatch,
    "XX000": DatabaseFailure,
    "25006": Unavailable,
}


@pytest.mark.parametrize("state", STATES)
async def test_each_state_has_its_error(server: str, state: str) -> None:
    raising = f"do $$ begin raise exception 'for a test of pgmq' using errcode = '{state}'; end $$"

    async with await psycopg.AsyncConnection.connect(server) as conn:
        with pytest.raises(psycopg.Error) as caught:
            await conn.execute(raising.encode())

    error = translate(caught.value)
    assert type(error) is STATES[state]
    assert "for a test of pgmq" in str(error)


ADDRESSES = {
    "mysql://ada:secret@localhost/db": (
        InvalidSettings,
        r"DATABASE_URL 'mysql://ada:\*\*\*@localhost/db' is not",
    ),
    "nonsense": (InvalidSettings, "DATABASE_URL 'nonsense' is not a PostgreSQL address"),
    "postgresql://localhost:many/db": (InvalidSettings, "port 'many' is not a number from 1 to 65535"),
    "postgresql://localhost:99999/db": (InvalidSettings, "port '99999' is not a number from 1 to 65535"),
    "postgresql://localhost/db?nope=1": (InvalidSettings, "invalid URI query parameter"),
    "postgresql://localhost/db?connect_timeout=soon": (InvalidSettings, "connect_timeout='soon' is not a whole number"),
    "postgresql://nobody.invalid/db": (InvalidSettings, "nobody.invalid.*Check DATABASE_URL"),
    "postgresql://ada:secret@127.0.0.1:1/db": (Unavailable, "cannot reach postgresql://ada@127.0.0.1:1/db: .*refused"),
    "postgresql:///db?host=/nowhere": (Unavailable, "cannot reach .*Is the server up, and is DATABASE_URL right"),
}


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize("url", ADDRESSES)
async def test_an_address_that_cannot_work_is_told_without_its_password(url: str, kind: str) -> None:
    error, why = ADDRESSES[url]

    with pytest.raises(error, match=f"(?s){why}") as caught:
        await _opened(url, kind)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_wrong_password_and_a_missing_database_are_told(dsn: str, kind: str) -> None:
    url = urlsplit(dsn)
    wrong = {
        url._replace(netloc=f"postgres:wrong@{url.hostname}:{url.port}").geturl(): "password authentication failed",
        url._replace(path="/missing").geturl(): 'database "missing" does not exist. Check DATABASE_URL',
        url._replace(netloc=f"who:x@{url.hostname}:{url.port}").geturl(): "password authentication failed for user",
    }

    for address, why in wrong.items():
        with pytest.raises(InvalidSettings, match=f"(?s)cannot use postgresql://{urlsplit(address).username}@.*{why}"):
            await _opened(address, kind)


async def _opened(url: str, kind: str) -> None:
    if kind == "async":
        await Queues(Database(url)).open()
    else:
        await asyncio.to_thread(lambda: QueuesSync(DatabaseSync(url)).open())


async def test_a_transaction_commits_at_its_end_and_rolls_back_on_an_error(queues: Queues, dsn: str) -> None:
    database = Postgres(dsn)
    await database.open()

    async with database.transaction() as conn:
        await queues.send("mail", "kept", tx=conn)
    with pytest.raises(psycopg.errors.DivisionByZero):  # noqa: PT012  (the transaction is the block)
        async with database.transaction() as conn:
            await queues.send("mail", "gone", tx=conn)
            await conn.execute("select 1 / 0")

    assert [message.message for message in await queues.peek("mail", qty=9)] == ["kept"]
    assert await database.rows(Call("pg_catalog.pg_is_in_recovery", {}, row=bool)) == [False]
    await database.close()


@pytest.mark.parametrize(
    "raised", [FileNotFoundError("no receipt"), TimeoutError("the shop"), psycopg.errors.UniqueViolation("twice")]
)
async def test_what_the_block_of_a_transaction_raises_leaves_it_unchanged(dsn: str, raised: Exception) -> None:
    database = Postgres(dsn)
    await database.open()

    with pytest.raises(type(raised)) as found:
        async with database.transaction():
            raise raised

    assert found.value is raised
    await database.close()


async def test_a_commit_that_fails_is_told_in_our_words(dsn: str) -> None:
    database = Postgres(dsn)
    await database.open()

    with pytest.raises(HanjulError, match="twice"):  # noqa: PT012  (the transaction is the block)
        async with database.transaction() as conn:
            await conn.execute("create table booked (key int constraint twice unique deferrable initially deferred)")
            await conn.execute("insert into booked values (1), (1)")

    await database.close()
