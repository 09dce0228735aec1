"""Installing the schema: safe to race, to repeat, to refuse, and next to others."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from hanjul import (
    App,
    Database,
    Delivery,
    PermissionDenied,
    Queues,
    Release,
    Retry,
    SchemaMismatch,
    Settings,
    Unavailable,
)
from hanjul.postgres.migrate import OLDEST_SERVER, migrate, plan
from hanjul.sql import functions, install_script, migrations

CATALOG = """
    select 'function', p.oid::regprocedure::text, md5(pg_get_functiondef(p.oid)) from pg_proc p
    where p.pronamespace::regnamespace::text in ('pgmq', 'hanjul')
    union all
    select c.relkind::text, c.oid::regclass::text, string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
           || ' ' || a.attnotnull || coalesce(pg_get_expr(d.adbin, d.adrelid), ''), ', ' order by a.attnum)
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace::regnamespace::text in ('pgmq', 'hanjul') group by 1, 2, c.oid
    union all
    select 'index', indexname, indexdef from pg_indexes where schemaname in ('pgmq', 'hanjul')
    union all
    select 'privileges', nspname, nspacl::text from pg_namespace where nspname in ('pgmq', 'hanjul')
    union all
    select 'comment', nspname, obj_description(oid) from pg_namespace where nspname in ('pgmq', 'hanjul')
    union all
    select 'migration', number::text, checksum from hanjul.migration
    order by 1, 2, 3
"""


def _run(dsn: str, statement: str) -> list[Any]:
    with psycopg.connect(dsn, autocommit=True) as conn:
        cursor = conn.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_a_migrate_applies_what_is_pending_and_a_second_one_finds_nothing(empty_dsn: str) -> None:
    told: list[str] = []

    first = migrate(empty_dsn, told.append)
    second = migrate(empty_dsn)

    assert len(first.pending) == len(migrations())
    assert told == [*[f"migration {step.number:04} {step.name}" for step in migrations()], "functions"]
    assert second.pending == []
    assert {step.state for step in second.steps} == {"applied"}


def test_a_second_migrate_changes_nothing(empty_dsn: str) -> None:
    migrate(empty_dsn)
    before = _run(empty_dsn, CATALOG)

    migrate(empty_dsn)

    assert _run(empty_dsn, CATALOG) == before


def test_a_plan_tells_and_changes_nothing(empty_dsn: str) -> None:
    told = plan(empty_dsn)

    assert [step.state for step in told.steps] == ["pending"] * len(migrations())
    assert _run(empty_dsn, "select to_regnamespace('hanjul'), to_regnamespace('pgmq')") == [(None, None)]


def test_pasting_the_script_is_the_same_as_a_migrate(empty_dsn: str, dsn: str) -> None:
    migrate(empty_dsn)

    assert _run(empty_dsn, CATALOG) == _run(dsn, CATALOG)
    assert plan(dsn).pending == []


def test_many_that_migrate_at_once_are_safe(empty_dsn: str) -> None:
    start = Barrier(6)

    def deploy(n: int) -> int:
        start.wait()
        if n == 0:
            _run(empty_dsn, install_script())
            return 0
        return len(migrate(empty_dsn).pending)

    with ThreadPoolExecutor(6) as deploys:
        pending = list(deploys.map(deploy, range(6)))

    assert sum(pending) in {0, len(migrations())}, "one of them did it all, or the script did"
    assert plan(empty_dsn).pending == []


def test_functions_that_were_dropped_or_changed_come_back(dsn: str) -> None:
    before = _run(dsn, CATALOG)
    _run(dsn, "drop function pgmq.send(text, jsonb)")
    _run(dsn, "create or replace function pgmq.attempts(message pgmq.message_record) returns integer language sql as 'select 7'")
    assert _run(dsn, CATALOG) != before

    migrate(dsn)

    assert _run(dsn, CATALOG) == before


def test_a_newer_schema_is_refused(dsn: str) -> None:
    _run(dsn, "insert into hanjul.migration (number, name, checksum) values (99, 'later', '')")
    before = _run(dsn, CATALOG)

    for attempt in (plan, migrate):
        with pytest.raises(SchemaMismatch, match=r"the database has migration 99, this hanjul knows \d+: .* update the package"):
            attempt(dsn)

    assert _run(dsn, CATALOG) == before


def test_an_edited_migration_is_refused(dsn: str) -> None:
    _run(dsn, "update hanjul.migration set checksum = 'edited' where number = 1")

    for attempt in (plan, migrate):
        with pytest.raises(SchemaMismatch, match=r"migration 0001 hanjul is not the one that was applied on \d{4}-\d\d-\d\d"):
            attempt(dsn)


def test_a_migrate_that_fails_changes_nothing(empty_dsn: str) -> None:
    _run(empty_dsn, "create schema pgmq; create table pgmq.meta ()")

    with pytest.raises(Exception, match="already exists"):
        migrate(empty_dsn)

    assert _run(empty_dsn, "select to_regnamespace('hanjul')") == [(None,)]


@pytest.fixture
def tenant(empty_dsn: str) -> Iterator[str]:
    """The empty database as a role sees it that may create schemas there and nothing else."""
    url = urlsplit(empty_dsn)
    database = url.path[1:]
    role = f"tenant_of_{database}"
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(
            sql.SQL("create role {} login nosuperuser nocreatedb nocreaterole password 'x'").format(sql.Identifier(role))
        )
        conn.execute(sql.SQL("grant create, connect on database {} to {}").format(sql.Identifier(database), sql.Identifier(role)))
    yield url._replace(netloc=f"{role}:x@{url.hostname}:{url.port}").geturl()
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(sql.SQL("drop owned by {} cascade").format(sql.Identifier(role)))
        conn.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))


async def test_a_role_that_may_only_create_schemas_can_do_it_all(tenant: str) -> None:
    migrate(tenant)
    migrate(tenant)

    async with Queues(Database(tenant)) as queues:
        await queues.create("mail")
        await queues.send("mail", 1)
        assert [message.message for message in await queues.pop("mail")] == [1]


def test_a_role_that_may_not_is_told(tenant: str, empty_dsn: str) -> None:
    url = urlsplit(tenant)
    _run(empty_dsn, f"revoke create on database {url.path[1:]} from {url.username}")

    with pytest.raises(PermissionDenied, match="permission denied for database"):
        migrate(tenant)


def test_queues_and_messages_survive_a_migrate(dsn: str) -> None:
    _run(dsn, "select pgmq.create('mail'); select pgmq.send('mail', '1')")

    migrate(dsn)

    assert _run(dsn, "select msg_id, message from pgmq.read('mail', 0, 1)") == [(1, 1)]


def test_a_server_too_old_is_refused(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hanjul.postgres.migrate.OLDEST_SERVER", 990000)

    with pytest.raises(SchemaMismatch, match=r"hanjul needs PostgreSQL 14 or newer; this is \d+"):
        migrate(empty_dsn)

    assert OLDEST_SERVER == 140000


def test_a_server_that_is_not_there_is_told(empty_dsn: str) -> None:
    with pytest.raises(Unavailable, match="Connection refused"):
        migrate(urlsplit(empty_dsn)._replace(netloc="postgres@127.0.0.1:1").geturl())


@pytest.fixture
def theirs(empty_dsn: str) -> str:
    """A database with PGMQ's own SQL, 1.11 or later, as its Python client ships it."""
    from pgmq.install import get_embedded_install_sql

    _run(empty_dsn, get_embedded_install_sql())
    return empty_dsn


IN_PGMQ = CATALOG.replace("in ('pgmq', 'hanjul')", "= 'pgmq'").replace(
    "select 'migration', number::text, checksum from hanjul.migration", "select '', '', ''"
)


def test_where_pgmq_is_in_charge_its_schema_is_left_alone_and_the_plan_says_so(theirs: str) -> None:
    before = _run(theirs, IN_PGMQ)
    told = plan(theirs)

    done = migrate(theirs)
    again = migrate(theirs)

    assert _run(theirs, IN_PGMQ) == before
    assert [step.foreign for step in (told, done, again, plan(theirs))] == [{"pgmq"}] * 4
    assert "left to pgmq" in {step.state for step in told.steps}
    assert again.pending == []
    assert {step.migration.schema for step in again.steps if step.state == "left to pgmq"} == {"pgmq"}


async def test_the_client_works_where_pgmq_is_in_charge(theirs: str) -> None:
    migrate(theirs)
    async with Queues(Database(theirs)) as queues:
        await queues.create("mail")
        await queues.create("fast", unlogged=True)
        sent = [await queues.send("mail", {"n": n}, headers={"h": n}) for n in range(3)]
        sent += await queues.send_batch("mail", [3, 4, 5, 6], delay=0)

        [first] = await queues.read("mail")
        [popped] = await queues.pop("mail")
        deleted = await queues.delete("mail", [sent[2]])
        archived = await queues.archive("mail", [sent[3]])
        [moved] = await queues.set_vt("mail", [first.msg_id], vt=0)
        metrics = await queues.metrics("mail")
        info = await queues.info("mail")

        assert (first.message, first.headers, popped.msg_id) == ({"n": 0}, {"h": 0}, sent[1])
        assert (deleted, archived, moved.msg_id) == ([sent[2]], [sent[3]], first.msg_id)
        assert (metrics.queue_length, metrics.total_messages) == (4, 7)
        assert (info.queue_length, info.is_unlogged, info.in_flight_length, info.archived_messages) == (4, False, None, None)
        assert [queue.queue_name for queue in await queues.list()] == ["fast", "mail"]
        with pytest.raises(SchemaMismatch, match=r"function pgmq.peek\(.*\) does not exist"):
            await queues.peek("mail")
        assert await queues.purge("mail") == 4
        assert await queues.drop("fast") is True


async def test_after_pgmq_has_left_a_migrate_takes_its_schema_over(theirs: str) -> None:
    migrate(theirs)
    _run(theirs, "drop schema pgmq cascade")

    done = migrate(theirs)

    assert {step.schema for step in done.pending} == {"pgmq"}
    async with Queues(Database(theirs)) as queues:
        await queues.create("mail")
        assert await queues.send("mail", 1) == 1


async def test_a_consumer_works_where_pgmq_is_in_charge(theirs: str) -> None:
    migrate(theirs)
    _run(theirs, "select pgmq.create('mail')")
    app = App(theirs, config=Settings(max_connections=4))
    attempts: list[tuple[object, int]] = []
    done = asyncio.Event()

    @app.consumer("mail", archive=True, retry=Retry(max_attempts=2, base_s=0, cap_s=0))
    async def handle(delivery: Delivery[str]) -> None:
        attempts.append((delivery.body, delivery.attempt))
        if delivery.body == "release" and len(attempts) == 1:
            raise Release
        if delivery.body == "bad":
            raise ValueError("bad")
        if delivery.body == "last":
            done.set()

    async with app, asyncio.timeout(20):
        for body in ("release", "bad", "last"):
            await app.queues.send("mail", body)
            while body not in [seen for seen, _ in attempts]:
                await asyncio.sleep(0.01)
        await done.wait()
        while (await app.queues.metrics("mail")).queue_length:
            await asyncio.sleep(0.01)
        dead = await app.queues.dead_letters("mail")

    assert [attempt for attempt in attempts if attempt[0] == "release"] == [("release", 1), ("release", 1)]
    assert [letter.message for letter in dead] == ["bad"]
    assert _run(theirs, "select message from pgmq.a_mail order by msg_id") == [("release",), ("last",)]


def test_each_function_file_stands_on_its_own(dsn: str) -> None:
    for file in functions():
        with psycopg.connect(dsn) as conn:
            conn.execute(file.text.encode())


@pytest.fixture
def beside_pg_net(empty_dsn: str) -> str:
    """A database with a schema net of somebody else's, as pg_net makes it."""
    _run(
        empty_dsn,
        "create schema net; create table net.http_request_queue (id bigint);"
        "create function net.http_get(url text) returns bigint language sql as 'select 7::bigint'",
    )
    return empty_dsn


IN_NET = IN_PGMQ.replace("= 'pgmq'", "= 'net'")


def test_where_pg_net_is_in_charge_its_schema_is_left_alone_and_the_plan_says_so(beside_pg_net: str) -> None:
    before = _run(beside_pg_net, IN_NET)
    told = plan(beside_pg_net)

    done = migrate(beside_pg_net)
    again = migrate(beside_pg_net)

    assert _run(beside_pg_net, IN_NET) == before
    assert [step.foreign for step in (told, done, again)] == [{"net"}] * 3
    assert {step.migration.schema for step in again.steps if step.state == "left to pg_net"} == {"net"}
    assert again.pending == []
    assert again.is_current


async def test_messages_and_jobs_work_beside_pg_net(beside_pg_net: str) -> None:
    migrate(beside_pg_net)

    async with Queues(Database(beside_pg_net)) as queues:
        await queues.create("mail")
        assert await queues.send("mail", 1) == 1
    assert _run(beside_pg_net, "select hanjul.enqueue_job('k') is not null") == [(True,)]


def test_beside_both_extensions_both_schemas_are_left_alone(theirs: str) -> None:
    _run(theirs, "create schema net; create function net.wake() returns void language sql as ''")

    done = migrate(theirs)

    assert done.foreign == {"pgmq", "net"}
    assert {step.state for step in done.steps} == {"left to pgmq", "left to pg_net", "pending"}


def test_after_pg_net_has_left_a_migrate_takes_its_schema_over(beside_pg_net: str) -> None:
    migrate(beside_pg_net)
    _run(beside_pg_net, "drop schema net cascade")

    done = migrate(beside_pg_net)

    assert {step.schema for step in done.pending} == {"net"}
    assert _run(beside_pg_net, "select net.http_get('http://x/')") == [(1,)]
