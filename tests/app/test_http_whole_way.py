"""The whole way of a request: from a statement, over an app that sends, to nginx, and back to where SQL looks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from tests.websites import site as running_site
from tools.nginx import Nginx

from hanjul import App
from hanjul.config import Settings

MANY = 2_000

Connection = psycopg.AsyncConnection[Any]


@pytest.fixture(scope="module")
def site() -> Iterator[Nginx]:
    with running_site() as found:
        yield found


@pytest.fixture
async def sql(dsn: str) -> AsyncIterator[Connection]:
    """A session on a database whose requests are sent."""
    app = App(dsn, config=Settings(http_allow="127.0.0.1"))
    app.send_http()
    async with app, await Connection.connect(dsn, autocommit=True) as connection:
        yield connection


async def test_what_one_statement_asks_for_is_answered_where_sql_looks(site: Nginx, sql: Connection) -> None:
    before = site.status()

    await sql.execute("select net.http_get(%s) from generate_series(1, %s)", [site.url("/small"), MANY])
    await _until_none_waits(sql)

    answers = await _rows(
        sql, "select status_code, content, error_msg, count(distinct id) from net._http_response group by 1, 2, 3"
    )
    requests = await _rows(
        sql, "select status::text, attempts, status_code, count(*) from net.http_request_queue group by 1, 2, 3"
    )
    assert answers == [(200, "a small answer\n", None, MANY)]
    assert requests == [("SUCCESS", 1, 200, MANY)]
    assert await _rows(sql, "select count(distinct request_id), count(*) from net.http_attempt") == [(MANY, MANY)]
    assert site.status()["requests"] - before["requests"] == MANY + 1  # and this question
    assert site.status()["accepts"] - before["accepts"] < MANY / 10


async def test_large_answers_are_stored_whole(site: Nginx, sql: Connection) -> None:
    await sql.execute("select net.http_get(%s, timeout_milliseconds => 30000) from generate_series(1, 30)", [site.url("/large")])
    await _until_none_waits(sql)

    assert await _rows(sql, "select distinct length(content), left(content, 16) from net._http_response") == [
        (1 << 20, "0000000\n0000001\n")
    ]


async def _until_none_waits(sql: Connection) -> None:
    while await _rows(sql, "select from net.http_request_queue where finished is null limit 1"):
        await asyncio.sleep(0.05)


async def _rows(sql: Connection, asked: Any) -> list[tuple[Any, ...]]:
    return await (await sql.execute(asked)).fetchall()
