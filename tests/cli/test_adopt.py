"""hanjul adopt: what is told, and with which exit code."""

import json
from collections.abc import Callable
from subprocess import CompletedProcess

import psycopg
import pytest

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def theirs(empty_dsn: str) -> str:
    """A database with PGMQ's own SQL, a queue, two messages, and a row of a queue that is gone."""
    from pgmq.install import get_embedded_install_sql

    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute(get_embedded_install_sql().encode())
        conn.execute("select pgmq.create('mail'), pgmq.create('lost'), pgmq.send('mail', '1'), pgmq.send('mail', '2', 60)")
        conn.execute("drop table pgmq.q_lost")
    return empty_dsn


def test_a_dry_run_tells_queue_by_queue_and_the_real_one_does_it_once(cli: Run, theirs: str) -> None:
    dry = cli("adopt", "--dry-run", DATABASE_URL=theirs)
    first = cli("adopt", DATABASE_URL=theirs)
    second = cli("adopt", DATABASE_URL=theirs)

    assert "queue mail, standard: 2 messages, 1 of them not visible yet, 0 archived, 0.1 MiB" in dry.stdout
    assert "  drop index pgmq.q_mail_vt_idx" in dry.stdout
    assert "  remove its row from pgmq.meta: there is no table pgmq.q_lost; pgmq.a_lost stays as it is" in dry.stdout
    assert "adopting  queue mail" in first.stdout
    assert "done: 1 queues adopted" in first.stdout
    assert second.stdout == "nothing to do: there is no installation of pgmq besides hanjul's\n"
    assert [dry.returncode, first.returncode, second.returncode] == [0, 0, 0]
    assert cli("migrate", "--dry-run", DATABASE_URL=theirs).stdout == "functions are this version's\n"


def test_a_program_reads_it_as_json(cli: Run, theirs: str) -> None:
    dry = json.loads(cli("adopt", "--dry-run", "--json", DATABASE_URL=theirs).stdout)
    done = json.loads(cli("adopt", "--json", DATABASE_URL=theirs).stdout)
    again = json.loads(cli("adopt", "--json", DATABASE_URL=theirs).stdout)

    assert (dry["dry_run"], dry["found"]) == (True, "PGMQ's SQL, 1.13 or later")
    assert [(queue["queue_name"], queue["messages"], queue["gone"]) for queue in dry["queues"]] == [
        ("lost", None, True),
        ("mail", 2, False),
    ]
    assert (done["dry_run"], len(done["queues"])) == (False, 2)
    assert (again["found"], again["queues"]) == (None, [])


def test_migrate_points_to_it(cli: Run, theirs: str) -> None:
    assert "`hanjul adopt --dry-run` tells what taking it over would mean" in cli("migrate", DATABASE_URL=theirs).stderr


def test_what_is_refused_has_an_exit_code_of_its_own(cli: Run, theirs: str) -> None:
    with psycopg.connect(theirs) as busy:
        busy.execute("select pgmq.send('mail', '3')")
        in_use = cli("adopt", "--lock-timeout", "0.1", DATABASE_URL=theirs)
    with psycopg.connect(theirs, autocommit=True) as conn:
        conn.execute("create view public.queues as select * from pgmq.meta")
    depended_on = cli("adopt", DATABASE_URL=theirs)

    assert (in_use.returncode, depended_on.returncode) == (3, 6)
    assert "hanjul: table pgmq.q_mail is in use by process" in in_use.stderr
    assert "nothing was changed: end that, or try again with a longer --lock-timeout" in in_use.stderr
    assert "view public.queues depends on table pgmq.meta" in depended_on.stderr


def test_a_dry_run_in_the_wrong_place_is_not_a_real_one(cli: Run, theirs: str) -> None:
    answer = cli("migrate", "--dry-run", "status", DATABASE_URL=theirs)

    assert (answer.returncode, "status changes nothing" in answer.stderr) == (2, True)
    assert "queue mail" in cli("adopt", "--dry-run", DATABASE_URL=theirs).stdout
