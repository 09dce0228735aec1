"""The workers that docs/jobs.md shows in SQL and in Node, as they stand there; and the script that starts one."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tools import npm

PAGE = (npm.ROOT / "docs" / "jobs.md").read_text()
Sql = Callable[..., list[Any]]


def blocks(heading: str, language: str) -> list[str]:
    """The blocks of code of a language below a heading."""
    [section] = re.findall(rf"\n#+ {heading}\n(.*?)(?=\n##)", PAGE, re.DOTALL)
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def shown(heading: str, language: str) -> str:
    """The first of them."""
    return blocks(heading, language)[0]


@pytest.fixture
def sql(dsn: str) -> Iterator[Sql]:
    with psycopg.connect(dsn, autocommit=True) as conn:

        def sql(query: str) -> list[Any]:
            cursor = conn.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

        yield sql


def until_ended(sql: Sql) -> None:
    going = "status = 'pending' and run_at <= now() or status = 'processing'"
    until(sql, f"select 1 where not exists (select from hanjul.job where {going})")


def until(sql: Sql, query: str) -> None:
    deadline = time.monotonic() + 20
    while not sql(query):
        assert time.monotonic() < deadline, query
        time.sleep(0.05)


def causes(sql: Sql, queue: str) -> set[str]:
    """Why jobs of a queue wait, as `explain_job` tells."""
    waiting = f"hanjul.job j, hanjul.explain_job(j.id) e where j.queue = '{queue}' and j.status = 'pending'"
    return {cause for (cause,) in sql(f"select e.cause from {waiting}")}


@contextmanager
def running(*command: str | Path, **how: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """A process, which a test that fails does not leave behind."""
    with subprocess.Popen(command, **how) as process:
        try:
            yield process
        finally:
            process.kill()


def stopped(process: "subprocess.Popen[bytes]") -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=30)


def test_the_worker_in_sql_works_off_a_queue(sql: Sql) -> None:
    table, procedure = blocks("A worker in 15 lines of SQL", "sql")
    assert len(procedure.splitlines()) <= 15
    sql("""select hanjul.enqueue_job('mail', '{"to": "ada"}', 'mail'), hanjul.enqueue_job('mail', '{}', 'mail')""")
    sql(table)
    sql(procedure)

    sql("call work_off('sql-1')")

    assert sql("select recipient from letters") == [("ada",)]
    [(result,)] = sql("select result from hanjul.job_queue where status = 'completed'")
    [(retries, error)] = sql("select retry_count, error_message from hanjul.job_queue where status = 'pending'")
    assert (result, retries) == ({"sent": True}, 1)
    assert "null value" in error
    assert causes(sql, "mail") == {"retrying"}


@pytest.fixture
def start_node(dsn: str, tmp_path: Path) -> Callable[[str], AbstractContextManager["subprocess.Popen[bytes]"]]:
    """Start a program of Node."""
    try:
        npm.install()
        node = npm.node()
    except npm.Unavailable as error:
        pytest.skip(f"no packages from npm: {error}")
    (tmp_path / "node_modules").symlink_to(npm.MODULES)

    def start(program: str) -> AbstractContextManager["subprocess.Popen[bytes]"]:
        (tmp_path / "worker.mjs").write_text(program)
        return running(node, "worker.mjs", cwd=tmp_path, env=os.environ | {"DATABASE_URL": dsn})

    return start


Start = Callable[[str], AbstractContextManager["subprocess.Popen[bytes]"]]


def test_the_worker_in_node_completes_fails_and_stops(sql: Sql, start_node: Start) -> None:
    sql("""select hanjul.enqueue_job('shout', '{"text": "one line"}', 'node')""")
    sql("select hanjul.enqueue_job('sing', '{}', 'node', max_retries => 0)")

    with start_node(shown("A worker in Node", "javascript")) as worker:
        until_ended(sql)
        assert sql("select queues, kinds, live from hanjul.workers()") == [(["node"], ["shout", "nap"], True)]
        assert stopped(worker) == 0

    assert sql("select 1 from hanjul.workers()") == []
    assert sql("select kind, status, result, error_message from hanjul.job_queue order by id") == [
        ("shout", "completed", {"text": "ONE LINE"}, None),
        ("sing", "failed", None, "TypeError: handle is not a function"),
    ]


def test_the_worker_in_node_ends_what_is_to_be_cancelled_and_outlives_its_connections(sql: Sql, start_node: Start) -> None:
    sql("""select hanjul.enqueue_job('nap', '{"ms": 60000}', 'node')""")

    with start_node(shown("A worker in Node", "javascript").replace("10_000", "200")) as worker:
        until(sql, "select 1 from hanjul.job where status = 'processing'")
        others = "pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        sql(f"select pg_terminate_backend(pid) from {others}")
        sql("select hanjul.cancel_job(id) from hanjul.job")
        until_ended(sql)
        assert stopped(worker) == 0

    assert sql("select status, retry_count from hanjul.job_queue") == [("cancelled", 0)]


def test_the_script_runs_a_worker_until_it_is_told_to_stop(dsn: str, sql: Sql, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(shown("A first job", "python"))
    sql("""select hanjul.enqueue_job('transcribe', '{"session_id": 7, "file": "a.wav"}', 'stt')""")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    script = npm.ROOT / "examples" / "worker" / "run_worker.sh"

    with running(script, "tasks:app", cwd=tmp_path, env=os.environ | {"DATABASE_URL": dsn, "PATH": path}) as worker:
        until_ended(sql)
        assert stopped(worker) == 0

    assert sql("select status, result from hanjul.job_queue") == [("completed", {"text": "the words of a.wav"})]


def test_the_script_leaves_settings_to_the_file(dsn: str, sql: Sql, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(shown("A first job", "python"))
    (tmp_path / "hanjul.toml").write_text(f'database_url = "{dsn}"\njob_concurrency = 3\n')
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    script = npm.ROOT / "examples" / "worker" / "run_worker.sh"

    with running(script, "tasks:app", cwd=tmp_path, env=os.environ | {"PATH": path}) as worker:
        until(sql, "select 1 from hanjul.worker")
        assert sql("select concurrency from hanjul.worker") == [(3,)]
        assert stopped(worker) == 0


@pytest.mark.parametrize(
    ("arguments", "variables", "said"), [([], {"DATABASE_URL": "x"}, "the app"), (["a:b"], {}, "the PostgreSQL")]
)
def test_the_script_says_what_it_lacks(arguments: list[str], variables: dict[str, str], said: str) -> None:
    script = npm.ROOT / "examples" / "worker" / "run_worker.sh"

    answer = subprocess.run([script, *arguments], env={"PATH": os.environ["PATH"], **variables}, capture_output=True, check=False)

    assert (answer.returncode, said in answer.stderr.decode()) == (2, True)
