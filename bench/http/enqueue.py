"""How fast can requests be enqueued in SQL: by one statement, each in its transaction, by a trigger?"""

import time
from collections.abc import Callable

import psycopg

from bench.harness.report import Figure, Goal
from bench.http.bench import OURS, Bench

STATEMENT = Figure("enqueue, one statement", "requests/s", goal=Goal(number=15_000))
TRIGGER = Figure("enqueue, trigger on an insert", "requests/s")
COMMITS = Figure("enqueue, one per transaction", "requests/s")

_TRIGGER = """
    create table orders (id bigint primary key, customer text not null, total numeric not null);
    create function tell() returns trigger language plpgsql as $$
    begin
        perform net.http_post(%(url)s, jsonb_build_object('record', new));
        return null;
    end $$;
    create trigger tell after insert on orders for each row execute function tell();
"""
_INSERT = "insert into orders select n, 'customer ' || n, n from generate_series(%s, %s) n"


def measure(bench: Bench, name: str) -> dict[Figure, float]:
    """Nobody sends meanwhile; one connection, which has done each once before."""
    if name != OURS:
        return {}
    url, count, commits = bench.site.url("/small"), bench.sizes.enqueued, bench.sizes.commits
    with bench.installed() as dsn, psycopg.ClientCursor(psycopg.connect(dsn, autocommit=True)) as sql:
        sql.execute(_TRIGGER, {"url": url})

        def statement(requests: int) -> None:
            sql.execute("select count(net.http_get(%s)) from generate_series(1, %s)", [url, requests])

        def each_alone(requests: int) -> None:
            for _ in range(requests):
                sql.execute("select net.http_get(%s)", [url])

        statement(100), sql.execute(_INSERT, [1, 100]), each_alone(20)
        found = {STATEMENT: count / _seconds(lambda: statement(count))}
        found[TRIGGER] = count / _seconds(lambda: sql.execute(_INSERT, [101, 100 + count]))
        found[COMMITS] = commits / _seconds(lambda: each_alone(commits))
        sql.connection.close()
    return found


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
