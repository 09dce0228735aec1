"""hanjul migrate, sql, doctor: the schema, SQL by hand, and is all well."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, run

import psycopg
import pytest

from hanjul.sql import install_script

Run = Callable[..., CompletedProcess[str]]

TUTORIAL = Path(__file__).parents[2] / "src" / "hanjul" / "demo" / "tutorial.sql"


def test_migrate_says_what_it_does_and_does_it_once(cli: Run, empty_dsn: str) -> None:
    dry = cli("migrate", "--dry-run", DATABASE_URL=empty_dsn)
    first = cli("migrate", DATABASE_URL=empty_dsn)
    second = cli("migrate", DATABASE_URL=empty_dsn)
    status = json.loads(cli("migrate", "status", "--json", DATABASE_URL=empty_dsn).stdout)

    assert "would apply  migration 0001 hanjul" in dry.stdout
    assert "applying  migration 0001 hanjul" in first.stdout
    assert "0 migrations applied" in second.stdout
    assert {step["state"] for step in status} == {"applied"}


def test_a_dry_run_changes_nothing(cli: Run, empty_dsn: str) -> None:
    cli("migrate", "--dry-run", DATABASE_URL=empty_dsn)

    with psycopg.connect(empty_dsn) as conn:
        assert conn.execute("select to_regnamespace('hanjul')").fetchone() == (None,)


def test_the_printed_schema_is_one_file_that_psql_runs_twice(cli: Run, empty_dsn: str, psql: Path) -> None:
    printed = cli("sql").stdout

    for _ in range(2):
        run([psql, empty_dsn, "-v", "ON_ERROR_STOP=1", "-q"], input=printed, text=True, check=True, capture_output=True)

    assert printed == install_script()
    assert cli("queue", "create", "mail", DATABASE_URL=empty_dsn).returncode == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("insert into hanjul.migration values (99, 'future', 'x')", "its schema is newer; nothing was changed"),
        ("update hanjul.migration set checksum = 'x' where number = 1", "it was edited; nothing was changed"),
    ],
)
def test_the_printed_schema_refuses_a_newer_or_edited_one(cli: Run, dsn: str, psql: Path, change: str, said: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(change.encode())

    answer = run([psql, dsn, "-v", "ON_ERROR_STOP=1"], input=cli("sql").stdout, text=True, check=False, capture_output=True)

    assert answer.returncode != 0
    assert said in answer.stderr


def test_a_file_may_begin_with_a_mark_and_its_answers_are_one_list(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "two.sql").write_bytes(b"\xef\xbb\xbfselect 1 as one;\nselect/**/2 as two;")

    answers = json.loads(cli("sql", "--json", "-f", "two.sql").stdout)

    assert [answer["rows"] for answer in answers] == [[{"one": 1}], [{"two": 2}]]


def test_what_is_missing_of_the_users_own_is_not_our_schema(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "own.sql").write_text("select * from nowhere;")

    answer = cli("sql", "-f", "own.sql")

    assert answer.returncode == 1
    assert "migrate" not in answer.stderr


def test_the_tutorial_runs_as_written_and_the_extension_is_skipped_where_there_is_none(cli: Run) -> None:
    answer = cli("sql", "-f", str(TUTORIAL))

    assert answer.returncode == 0
    assert 'this server has no extension "pgmq"' in answer.stderr
    assert "Thank you for signing up." in answer.stdout
    assert "(0 rows)" in answer.stdout


def test_a_statement_that_fails_ends_the_file_with_a_clear_error(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.sql").write_text("SELECT 1;\nSELECT pgmq.send('nowhere', '1');\nSELECT 2;")

    answer = cli("sql", "-f", "bad.sql")

    assert answer.returncode == 4
    assert "queue 'nowhere' does not exist" in answer.stderr
    assert "SELECT 2" not in answer.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            "SELECT 1;\n\n-- a comment;\nSELECT /* of\ntwo lines */ '한 줄',\n  nowhere.x;\nSELECT 2;",
            """6: missing FROM-clause entry for table "nowhere"\nLINE 6:   nowhere.x\n          ^""",
            id="at the line of the mistake",
        ),
        pytest.param("\n" * 8 + "SELECT 1\n+ nowhere;", "10: column \"nowhere\" does not exist\nLINE 10: + nowhere\n           ^",
                     id="with the mark below it"),
        pytest.param("SELECT 1;\nSELECT\n1/0;", "2: division by zero", id="at its statement if the server tells no more"),
        pytest.param("DO $$\nBEGIN\n  PERFORM nowhere;\nEND $$;", "1: column \"nowhere\" does not exist\nLINE 1: SELECT nowhere",
                     id="in a body"),
        pytest.param("SELECT 1;\n\\d", "2: \\d is a command of psql, not SQL", id="where psql is needed"),
    ],
)  # fmt: skip
def test_an_error_in_a_file_is_told_with_its_line(cli: Run, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.sql").write_text(text)

    answer = cli("sql", "-f", "bad.sql")

    assert answer.returncode in {1, 2}
    assert answer.stderr.startswith(f"hanjul: bad.sql:{said}")


def test_extension_files_are_written_where_they_are_wanted(cli: Run, tmp_path: Path) -> None:
    cli("sql", "--extension", str(tmp_path / "extension"))

    assert "default_version = '1.13.0'" in (tmp_path / "extension" / "pgmq.control").read_text()
    assert (tmp_path / "extension" / "pgmq--1.13.0.sql").exists()
    assert "default_version = '0.20.4'" in (tmp_path / "extension" / "pg_net.control").read_text()
    assert (tmp_path / "extension" / "pg_net--0.20.4.sql").exists()


def test_beside_pg_net_itself_migrate_and_doctor_say_that_its_schema_is_left_alone(cli: Run, empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute("create schema net; create function net.wake() returns void language sql as ''")

    migrate, doctor = cli("migrate", DATABASE_URL=empty_dsn), cli("doctor", "--json", DATABASE_URL=empty_dsn)
    status = json.loads(cli("migrate", "status", "--json", DATABASE_URL=empty_dsn).stdout)

    assert migrate.returncode == doctor.returncode == 0
    assert "schema net belongs to another installation of pg_net" in migrate.stderr
    seen = {check["check"]: check["seen"] for check in json.loads(doctor.stdout)}
    assert seen["schema net is from"].startswith("another installation of pg_net")
    assert seen["schema pgmq is from"] == "hanjul"
    assert {step["state"] for step in status} == {"applied", "left to pg_net"}


def test_functions_of_another_version_are_noticed_and_renewed(cli: Run, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("comment on schema hanjul is 'hanjul, functions 0'")

    doctor, dry, status = cli("doctor"), cli("migrate", "--dry-run"), cli("migrate", "status")
    cli("migrate")

    assert doctor.returncode == 1
    assert "the functions are another version's; run: hanjul migrate" in doctor.stdout
    assert "would renew  functions" in dry.stdout
    assert "another version's" in status.stderr
    assert cli("doctor").returncode == 0


def test_extension_files_that_cannot_be_written_are_no_traceback(cli: Run) -> None:
    answer = cli("sql", "--extension", "/proc/nowhere")

    assert answer.returncode == 2
    assert "cannot write there" in answer.stderr


def test_doctor_is_content_with_a_migrated_database(cli: Run) -> None:
    answer = cli("doctor", "--json")

    seen = {check["check"]: check for check in json.loads(answer.stdout)}
    assert answer.returncode == 0
    assert seen["schema"]["state"] == "ok"
    assert seen["wake-ups"]["seen"] == "notifications arrive"


def test_doctor_says_what_to_do_about_a_missing_schema(cli: Run, empty_dsn: str) -> None:
    answer = cli("doctor", DATABASE_URL=empty_dsn)

    assert answer.returncode == 1
    assert "run: hanjul migrate" in answer.stdout


def test_a_command_on_a_database_without_the_schema_says_to_migrate(cli: Run, empty_dsn: str) -> None:
    answer = cli("queue", "list", DATABASE_URL=empty_dsn)

    assert answer.returncode == 6
    assert "hanjul migrate" in answer.stderr


def test_a_password_that_breaks_the_address_is_not_printed(cli: Run) -> None:
    answer = cli("queue", "list", DATABASE_URL="postgresql://u:s3c/ret@127.0.0.1:1/x")

    assert answer.returncode == 2
    assert "%2F" in answer.stderr
    assert "s3c" not in answer.stderr
    assert "ret@" not in answer.stderr


def test_a_wrong_address_is_named_without_its_password(cli: Run) -> None:
    nonsense = cli("queue", "list", DATABASE_URL="nonsense")
    closed = cli("queue", "list", DATABASE_URL="postgresql://ada:hidden@127.0.0.1:1/shop")

    for command in ("doctor", "up", "migrate"):
        answer = cli(command, DATABASE_URL="postgres//u:hidden@h/db")
        assert "hidden" not in answer.stdout + answer.stderr
        assert "Traceback" not in answer.stderr
    assert nonsense.returncode == 2
    assert "postgresql://user:password@host:5432/database" in nonsense.stderr
    assert closed.returncode == 3
    assert "postgresql://ada@127.0.0.1:1/shop" in closed.stderr
    assert "hidden" not in closed.stderr


def test_a_setting_that_cannot_work_is_named(cli: Run, tmp_path: Path) -> None:
    (tmp_path / "hanjul.toml").write_text("max_connections = 'many'")

    answer = cli("queue", "list")

    assert answer.returncode == 2
    assert "max_connections" in answer.stderr
