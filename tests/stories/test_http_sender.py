"""Senders that die, freeze, lose their PostgreSQL: a committed request is sent, one that was rolled back is not."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.sender.server import Server, serving

import hanjul
from hanjul.embedded import Server as PostgreSQL
from hanjul.local import embedded_server
from hanjul.postgres.migrate import migrate

LEASE_S = 2.0


@pytest.fixture
async def receiver() -> AsyncIterator[Server]:
    async with serving() as receiver:
        yield receiver


@pytest.fixture
def senders(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Start a sender on a database; all are ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(dsn: str, **settings: object) -> "subprocess.Popen[bytes]":
        settings = {"http_allow": "127.0.0.1", "http_lease_s": LEASE_S} | settings
        over = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        command = [sys.executable, "-m", "hanjul", "net", "worker", "--log-level", "WARNING", *over]
        with (tmp_path / "log").open("ab") as log:
            started.append(subprocess.Popen(command, env={**os.environ, "DATABASE_URL": dsn}, cwd=tmp_path, stderr=log))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()


async def until(condition: Callable[[], Any], *, seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.01)


def post(conn: psycopg.Connection[Any], url: str, numbers: range) -> list[int]:
    found = conn.execute(
        "select net.http_post(%s, jsonb_build_object('n', n)) from generate_series(%s::int, %s) n",
        [url, numbers.start, numbers.stop - 1],
    )
    return [request_id for (request_id,) in found]


def depth(conn: psycopg.Connection[Any]) -> int:
    [count] = conn.execute("select net.queue_depth()").fetchone() or [0]
    return int(count)


def arrived(receiver: Server) -> Counter[int]:
    return Counter(int(seen.body.decode().split(":")[1].strip(" }")) for seen in list(receiver.seen))


async def slowly(seen: Any, writer: asyncio.StreamWriter) -> None:
    """Answer after a moment, so that there is always something on its way."""
    await asyncio.sleep(0.05)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


async def test_what_a_killed_sender_had_on_its_way_is_sent_by_another(dsn: str, receiver: Server, senders: Any) -> None:
    url = receiver.on("/hook", slowly)
    with psycopg.connect(dsn, autocommit=True) as conn:
        post(conn, url, range(400))
        victim = senders(dsn, http_concurrency=20)
        await until(lambda: len(receiver.seen) > 100)
        victim.send_signal(signal.SIGKILL)
        killed_at = time.monotonic()

        senders(dsn, http_concurrency=20)
        await until(lambda: depth(conn) == 0)
        took_s = time.monotonic() - killed_at

        counts = arrived(receiver)
        assert sorted(counts) == list(range(400))
        twice = [n for n, times in counts.items() if times > 1]
        assert len(twice) <= 20  # those that were on their way, and no other
        ended = conn.execute("select status::text, count(*), max(attempts) from net.http_request_queue group by 1").fetchall()
        assert ended == [("SUCCESS", 400, 1)]
        assert took_s < LEASE_S + 20


async def test_two_senders_and_five_kills_send_everything(dsn: str, receiver: Server, senders: Any) -> None:
    url = receiver.on("/hook", slowly)
    with psycopg.connect(dsn, autocommit=True) as conn:
        post(conn, url, range(1000))
        team = [senders(dsn, http_concurrency=10) for _ in range(2)]
        for kill in range(5):
            await until(lambda kill=kill: len(receiver.seen) > 100 * (kill + 1))
            victim = team.pop(0)
            victim.send_signal(signal.SIGKILL)
            team.append(senders(dsn, http_concurrency=10))
        await until(lambda: depth(conn) == 0)

        counts = arrived(receiver)
        assert sorted(counts) == list(range(1000))
        assert sum(counts.values()) - 1000 <= 5 * 10


async def test_nothing_leaves_before_its_commit_and_nothing_after_a_rollback(dsn: str, receiver: Server, senders: Any) -> None:
    url = receiver.on("/hook", slowly)
    senders(dsn)
    with psycopg.connect(dsn, autocommit=True) as conn, psycopg.connect(dsn) as other, psycopg.connect(dsn) as third:
        post(conn, url, range(1))
        await until(lambda: len(receiver.seen) == 1)
        post(other, url, range(100, 110))
        post(third, url, range(200, 210))
        post(conn, url, range(300, 301))
        await until(lambda: len(receiver.seen) == 2)
        await asyncio.sleep(1.5)  # longer than any sweep or poll takes
        assert sorted(arrived(receiver)) == [0, 300]

        other.commit()
        third.rollback()
        await until(lambda: depth(conn) == 0)

    assert sorted(arrived(receiver)) == [0, *range(100, 110), 300]


async def test_a_sender_frozen_beyond_its_lease_settles_nothing(dsn: str, receiver: Server, senders: Any) -> None:
    gate = asyncio.Event()

    async def held(seen: Any, writer: asyncio.StreamWriter) -> None:
        if len(receiver.seen) == 1:
            await gate.wait()
            writer.write(b"HTTP/1.1 500 Late\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    url = receiver.on("/hook", held)
    with psycopg.connect(dsn, autocommit=True) as conn:
        post(conn, url, range(1))
        frozen = senders(dsn)
        await until(lambda: len(receiver.seen) == 1)
        frozen.send_signal(signal.SIGSTOP)
        other = senders(dsn)
        await until(lambda: depth(conn) == 0)
        gate.set()
        frozen.send_signal(signal.SIGCONT)
        other.terminate()
        assert await asyncio.to_thread(other.wait, 20) == 0
        frozen.terminate()
        await asyncio.to_thread(frozen.wait, 30)

        ended = conn.execute("select status::text, status_code, attempts, claims from net.http_request_queue").fetchall()
        assert ended == [("SUCCESS", 200, 1, 2)]
        assert conn.execute("select count(*) from net._http_response").fetchone() == (1,)


async def test_a_stopped_sender_leaves_nothing_half_done(dsn: str, receiver: Server, senders: Any) -> None:
    url = receiver.on("/hook", slowly)
    with psycopg.connect(dsn, autocommit=True) as conn:
        post(conn, url, range(300))
        first = senders(dsn, http_concurrency=10)
        await until(lambda: len(receiver.seen) > 50)
        first.terminate()
        assert await asyncio.to_thread(first.wait, 30) == 0
        assert conn.execute("select count(*) from net.http_request_queue where locked_until is not null").fetchone() == (0,)

        senders(dsn)
        await until(lambda: depth(conn) == 0)

    assert arrived(receiver) == Counter(range(300))  # each once


async def test_a_request_that_kills_its_senders_is_given_up(dsn: str, receiver: Server, senders: Any) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        [request_id] = post(conn, receiver.on("/hook", slowly), range(1))
        for _ in range(10):  # what ten senders leave behind that died of it
            conn.execute("select set_config('hanjul.net_walk', '', false)")
            assert conn.execute("select count(*) from net.claim_requests(1, 1)").fetchone() == (1,)
            conn.execute("update net.http_request_queue set locked_until = clock_timestamp()")

        senders(dsn)
        await until(lambda: depth(conn) == 0)

        ended = conn.execute("select status::text, error_msg from net.http_request_queue where id = %s", [request_id]).fetchone()
        assert ended == ("ERROR", "given up: 10 senders died while they had it")
    assert receiver.seen == []


async def test_of_an_ordering_key_everything_arrives_in_order_though_senders_die(
    dsn: str, receiver: Server, senders: Any
) -> None:
    url = receiver.on("/hook", slowly)
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "select net.http_request('POST', %s, json_body => jsonb_build_object('n', n), ordering_key => (n %% 5)::text)"
            " from generate_series(0, 99) n",
            [url],
        )
        team = [senders(dsn) for _ in range(2)]
        await until(lambda: len(receiver.seen) > 30)
        team[0].send_signal(signal.SIGKILL)
        await until(lambda: depth(conn) == 0)

    order: list[int] = [int(seen.body.decode().split(":")[1].strip(" }")) for seen in receiver.seen]
    assert sorted(set(order)) == list(range(100))
    for key in range(5):
        firsts = list(dict.fromkeys(n for n in order if n % 5 == key))
        assert firsts == sorted(firsts)


@pytest.fixture
def postgresql() -> Iterator[PostgreSQL]:
    """A server of this story's own, to be killed."""
    place = Path(tempfile.mkdtemp(prefix="hanjul-crash-"))
    place.chmod(0o755)
    with embedded_server(hanjul.Settings(data_dir=str(place / "data"))) as server:
        migrate(server.dsn)
        yield server
    shutil.rmtree(place, ignore_errors=True)


async def test_a_crash_of_postgresql_loses_no_committed_request(postgresql: PostgreSQL, receiver: Server, senders: Any) -> None:
    url, dsn = receiver.on("/hook", slowly), postgresql.dsn
    with psycopg.connect(dsn, autocommit=True) as conn:
        post(conn, url, range(600))
    sender = senders(dsn, http_concurrency=20)
    for crash in range(3):
        await until(lambda crash=crash: len(receiver.seen) > 100 * (crash + 1))
        os.kill(int((postgresql.data_dir / "data" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        await until(lambda: _answers(dsn))
    with psycopg.connect(dsn, autocommit=True) as conn:
        await until(lambda: depth(conn) == 0)
        [highest] = conn.execute("select max(id) from net.http_request_queue").fetchone() or [0]
        [after, *_] = post(conn, url, range(600, 601))
        await until(lambda: depth(conn) == 0)

    assert sender.poll() is None
    assert sorted(arrived(receiver)) == list(range(601))
    assert after > highest


def _answers(dsn: str) -> bool:
    try:
        with psycopg.connect(dsn, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False
