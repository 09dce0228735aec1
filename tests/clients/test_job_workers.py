"""The workers that docs/jobs.md shows in SQL and in Node, as they stand there; and the script that starts one."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tools import npm

PAGE = (npm.ROOT / "docs" / "jobs.md").read_text()
Sql = Callable[..., list[Any]]


def shown(heading: str, language: str) -> str:
    """The first block of code of a language below a heading."""
    found = re.search(rf"\n#+ {heading}\n.*?```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def sql(dsn: str) -> Iterator[Sql]:
    with psycopg.connect(dsn, autocommit=True) as conn:

        def sql(query: str) -> list[Any]:
            cursor = conn.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

        yield sql


def until_ended(sql: Sql) -> None:
    deadline = time.monotonic() + 40
    while sql("select 1 from hanjul.job where status = 'pending' and run_at <= now() or status = 'processing'"):
        assert time.monotonic() < deadline, "the jobs are not done"
        time.sleep(0.05)


def stopped(process: "subprocess.Popen[bytes]") -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=30)


def test_the_worker_in_sql_works_off_a_queue(sql: Sql) -> None:
    sql("create table letters (recipient text not null)")
    sql("""select hanjul.enqueue_job('mail', '{"to": "ada"}', 'mail'), hanjul.enqueue_job('mail', '{}', 'mail')""")
    sql(shown("A worker in 15 lines of SQL", "sql"))

    sql("call work_off('sql-1')")

    assert sql("select recipient from letters") == [("ada",)]
    [(result,)] = sql("select result from hanjul.job_queue where status = 'completed'")
    [(retries, error)] = sql("select retry_count, error_message from hanjul.job_queue where status = 'pending'")
    assert (result, retries) == ({"sent": True}, 1)
    assert "null value" in error


def test_the_worker_in_node_completes_fails_and_stops(dsn: str, sql: Sql, tmp_path: Path) -> None:
    try:
        npm.install()
        node = npm.node()
    except npm.Unavailable as error:
        pytest.skip(f"no packages from npm: {error}")
    (tmp_path / "node_modules").symlink_to(npm.MODULES)
    (tmp_path / "worker.mjs").write_text(shown("A worker in Node", "javascript"))
    sql("""select hanjul.enqueue_job('shout', '{"text": "one line"}', 'node')""")
    sql("select hanjul.enqueue_job('sing', '{}', 'node', max_retries => 0)")

    with subprocess.Popen([node, "worker.mjs"], cwd=tmp_path, env=os.environ | {"DATABASE_URL": dsn}) as worker:
        until_ended(sql)
        assert stopped(worker) == 0

    assert sql("select kind, status, result, error_message from hanjul.job_queue order by id") == [
        ("shout", "completed", {"text": "ONE LINE"}, None),
        ("sing", "failed", None, "TypeError: handle is not a function"),
    ]


def test_the_script_runs_a_worker_until_it_is_told_to_stop(dsn: str, sql: Sql, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(shown("A first job", "python"))
    sql("""select hanjul.enqueue_job('transcribe', '{"session_id": 7, "file": "a.wav"}', 'stt')""")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    script = npm.ROOT / "examples" / "worker" / "run_worker.sh"

    with subprocess.Popen([script, "tasks:app"], cwd=tmp_path, env=os.environ | {"DATABASE_URL": dsn, "PATH": path}) as worker:
        until_ended(sql)
        assert stopped(worker) == 0

    assert sql("select status, result from hanjul.job_queue") == [("completed", {"text": "the words of a.wav"})]


@pytest.mark.parametrize(
    ("arguments", "variables", "said"), [([], {"DATABASE_URL": "x"}, "the app"), (["a:b"], {}, "the PostgreSQL")]
)
def test_the_script_says_what_it_lacks(arguments: list[str], variables: dict[str, str], said: str) -> None:
    script = npm.ROOT / "examples" / "worker" / "run_worker.sh"

    answer = subprocess.run([script, *arguments], env={"PATH": os.environ["PATH"], **variables}, capture_output=True, check=False)

    assert (answer.returncode, said in answer.stderr.decode()) == (2, True)
