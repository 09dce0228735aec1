"""hanjul jobs: enqueue, look, put right."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess
from typing import Any

import psycopg
import pytest

import hanjul

Run = Callable[..., CompletedProcess[str]]
NOBODY = "01900000-0000-7000-8000-000000000000"


@pytest.fixture
def sql(dsn: str) -> Any:
    """Run a statement; its first value."""
    with psycopg.connect(dsn, autocommit=True) as conn:

        def sql(statement: str, *args: object) -> Any:
            cursor = conn.execute(statement.encode(), args or None)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None

        yield sql


def asked(cli: Run, *arguments: str) -> Any:
    """What a command answers as JSON."""
    answer = cli("jobs", *arguments, "--json")
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def test_a_job_is_enqueued_with_all_that_is_said_of_it(cli: Run) -> None:
    place = ["--queue", "slow", "--delay", "60", "--priority", "-2", "--key", "order-7", "--unique", "u"]
    limits = ["--max-retries", "1", "--timeout", "2.5"]

    enqueued = cli("jobs", "enqueue", "mail", '{"to": "가나"}', *place, *limits, "--metadata", '{"who": 1}')
    again = cli("jobs", "enqueue", "mail", "--unique", "u")

    job = asked(cli, "show", enqueued.stdout.strip())
    assert again.stdout == enqueued.stdout
    assert (job["kind"], job["payload"], job["queue"], job["priority"]) == ("mail", {"to": "가나"}, "slow", -2)
    assert (job["max_retries"], job["timeout_s"], job["key"], job["metadata"]) == (1, 2.5, "order-7", {"who": 1})
    assert job["run_at"] > job["created_at"]


def test_a_job_without_a_payload_has_an_empty_one(cli: Run) -> None:
    enqueued = cli("jobs", "enqueue", "mail")

    assert asked(cli, "show", enqueued.stdout.strip())["payload"] == {}


def test_jobs_are_listed_newest_first_and_chosen(cli: Run, sql: Any) -> None:
    ids = [str(sql(f"select hanjul.enqueue_job('{kind}', queue => '{queue}', key => 'k{queue}') from pg_sleep(0.002)"))
           for kind, queue in (("a", "x"), ("b", "x"), ("a", "y"))]  # fmt: skip
    sql("select hanjul.cancel_job(%s)", ids[0])

    def listed(*options: str) -> list[str]:
        return [job["id"] for job in asked(cli, "list", *options)]

    assert listed() == ids[::-1]
    assert listed("--limit", "1") == [ids[2]]
    assert listed("--before", ids[1]) == [ids[0]]
    assert listed("--status", "cancelled", "--status", "failed") == [ids[0]]
    assert listed("--queue", "x", "--kind", "b") == listed("--key", "kx", "--status", "pending") == [ids[1]]


def test_a_job_is_shown_and_explained_to_people(cli: Run) -> None:
    job = cli("jobs", "enqueue", "mail", "--delay", "60").stdout.strip()

    shown, explained = cli("jobs", "show", job), cli("jobs", "explain", job)

    assert ["status", "pending"] in [line.split() for line in shown.stdout.splitlines()]
    assert "error_message" not in shown.stdout
    assert "no live worker takes jobs of queue default" in explained.stdout
    assert [cause["cause"] for cause in asked(cli, "explain", job)] == ["not_due", "no_worker"]


def test_the_result_is_waited_for(cli: Run, sql: Any) -> None:
    done, failed, waiting = [cli("jobs", "enqueue", "mail", "--priority", n).stdout.strip() for n in "123"]
    sql("select hanjul.complete_job(id, 1, '{\"sent\": 1}') from hanjul.fetch_next_job('w')")
    sql("select hanjul.fail_job(id, 1, 'no such user', final => true) from hanjul.fetch_next_job('w')")

    assert json.loads(cli("jobs", "wait", done).stdout) == {"sent": 1}
    refused = cli("jobs", "wait", failed)
    assert (refused.returncode, "no such user" in refused.stderr) == (1, True)
    late = cli("jobs", "wait", waiting, "--timeout", "0.1")
    assert (late.returncode, "had not ended after 0.1 s" in late.stderr) == (1, True)


def test_jobs_are_cancelled_and_tried_again(cli: Run, sql: Any) -> None:
    job = cli("jobs", "enqueue", "mail").stdout.strip()

    assert cli("jobs", "cancel", job).stdout == f"job {job} is cancelled\n"
    assert cli("jobs", "retry", job).stdout == f"job {job} is pending\n"
    sql("select hanjul.fetch_next_job('w')")
    assert cli("jobs", "cancel", job).stdout == f"job {job} runs; its worker is asked to end it\n"

    refused = cli("jobs", "retry", job)
    assert (refused.returncode, "is processing" in refused.stderr) == (1, True)


def test_a_queue_is_paused_and_resumed(cli: Run, sql: Any) -> None:
    cli("jobs", "enqueue", "mail")

    cli("jobs", "pause", "default", "--reason", "new model")
    [paused] = asked(cli, "queues")
    cli("jobs", "resume", "default")
    [resumed] = asked(cli, "queues")

    assert (paused["pending"], paused["pause_reason"]) == (1, "new model")
    assert resumed["paused_at"] is None


def test_counts_workers_and_what_runs_are_shown(cli: Run, sql: Any) -> None:
    job = cli("jobs", "enqueue", "mail").stdout.strip()
    sql("select hanjul.worker_seen('w1', '{default}', '{mail}', 3, 'host', 7)")
    sql("select hanjul.fetch_next_job('w1')")

    assert asked(cli, "counts") == [{"queue": "default", "kind": "mail", "status": "processing", "n": 1}]
    [running] = asked(cli, "running", "--queue", "default")
    assert (running["id"], running["worker_id"], asked(cli, "running", "--queue", "x")) == (job, "w1", [])
    [worker] = asked(cli, "workers")
    assert (worker["id"], worker["queues"], worker["concurrency"], worker["live"]) == ("w1", ["default"], 3, True)
    assert "w1" in cli("jobs", "workers").stdout


def test_nothing_to_show_is_said(cli: Run) -> None:
    for what, said in {"list": "no such job", "workers": "no worker", "running": "no job runs", "queues": "no jobs yet"}.items():
        answer = cli("jobs", what)
        assert (answer.returncode, said in answer.stderr, answer.stdout) == (0, True, "")


def test_lost_jobs_are_rescued_and_old_ones_forgotten_after_a_question(cli: Run, sql: Any) -> None:
    job = cli("jobs", "enqueue", "mail", "--max-retries", "0").stdout.strip()
    sql("select hanjul.fetch_next_job('w')")
    sql("update hanjul.job set leased_until = now()")

    assert cli("jobs", "rescue").stdout == "1 jobs rescued\n"
    assert cli("jobs", "prune", "--days", "1").returncode == 1
    sql("select hanjul._make_day('2020-02-28'), hanjul._make_day('2020-02-29')")
    assert cli("jobs", "prune", "--days", "1", "--yes").stdout == "2 days of history dropped\n"
    assert asked(cli, "show", job)["status"] == "failed"


def test_roles_are_granted_jobs(cli: Run, sql: Any) -> None:
    role = sql("select 'website_' || current_database()")
    sql(f"create role {role}")
    try:
        granted = cli("jobs", "grant", "--role", role, "--as", "producer")
        assert (granted.stdout, sql("select has_table_privilege(%s, 'hanjul.job', 'insert')", role)) == (
            f"role {role} is producer of jobs\n",
            True,
        )
        assert cli("jobs", "revoke", "--role", role).stdout == f"role {role} has no part in jobs\n"
        assert not sql("select has_table_privilege(%s, 'hanjul.job', 'insert')", role)
    finally:
        sql(f"drop owned by {role}; drop role {role}")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["enqueue", ""], 2, "kind must be text of 1 to 200 characters"),
        (["enqueue", "mail", "{not json"], 2, "the payload '{not json' is not JSON"),
        (["enqueue", "mail", '"\\u0000"'], 2, "\\u0000"),
        (["enqueue", "mail", "--metadata", "x"], 2, "--metadata 'x' is not JSON"),
        (["enqueue", "mail", "--delay", "-1"], 2, "delay_s must be between"),
        (["enqueue", "mail", "--delay", "nan"], 2, "delay must be a number of seconds"),
        (["enqueue", "mail", "--timeout", "inf"], 2, "timeout_s must be a number of seconds"),
        (["enqueue", "mail", "--timeout", "0"], 2, "timeout_s must be more than 0"),
        (["enqueue", "mail", "--max-retries", "-1"], 2, "max_retries must be between"),
        (["enqueue", "mail", "--queue", ""], 2, "queue must be text"),
        (["enqueue", "mail", "--key", "k" * 1001], 2, "key must have at most 1000"),
        (["list", "--status", "waiting"], 2, "waiting"),
        (["list", "--limit", "0"], 2, "0"),
        (["list", "--before", "7"], 2, "a job's id is a UUID"),
        (["show", "7"], 2, "a job's id is a UUID"),
        (["show", NOBODY], 4, "does not exist"),
        (["explain", NOBODY], 4, "does not exist"),
        (["wait", NOBODY], 4, "does not exist"),
        (["cancel", NOBODY], 4, "does not exist"),
        (["retry", NOBODY], 4, "does not exist"),
        (["pause", ""], 2, "queue must be text"),
        (["prune", "--days", "-1"], 2, "-1"),
        (["grant", "--role", "no such role", "--as", "producer"], 2, "does not exist"),
        (["grant", "--role", "hanjul_producer", "--as", "owner"], 2, "owner"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(cli: Run, dsn: str, arguments: list[str], code: int, said: str) -> None:
    answer = cli("jobs", *arguments)

    assert (answer.returncode, said in answer.stderr, "Traceback" in answer.stderr) == (code, True, False), answer.stderr
    with hanjul.connect_jobs_sync(dsn) as jobs:
        assert jobs.counts() == []
