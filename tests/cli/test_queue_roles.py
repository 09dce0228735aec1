"""hanjul queue grant and revoke: who may use a queue."""

from collections.abc import Callable, Iterator
from subprocess import CompletedProcess

import psycopg
import pytest

Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def role(dsn: str) -> Iterator[str]:
    """A role of this test's own."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        name = f"role_of_{connection.info.dbname}"
        connection.execute(f"create role {name}")
        yield name
        connection.execute(f"drop owned by {name}; drop role {name}")


def may(dsn: str, role: str, call: str) -> bool:
    with psycopg.connect(dsn) as connection:
        connection.execute(f"set role {role}")
        try:
            connection.execute(f"select * from {call}")
        except psycopg.errors.InsufficientPrivilege:
            return False
    return True


def test_a_role_is_granted_a_queue_and_loses_it_again(cli: Run, dsn: str, role: str) -> None:
    cli("queue", "create", "mail")

    granted = cli("queue", "grant", "mail", "--role", role, "--as", "producer")

    assert granted.stdout == f"role {role} is producer of queue mail\n"
    assert (may(dsn, role, "pgmq.send('mail', '1')"), may(dsn, role, "pgmq.read('mail', 30, 1)")) == (True, False)
    revoked = cli("queue", "revoke", "mail", "--role", role, "--as", "producer")
    assert revoked.stdout == f"role {role} is no producer of queue mail\n"
    assert not may(dsn, role, "pgmq.send('mail', '1')")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mail", "--role", "nobody", "--as", "producer"], 'role "nobody" does not exist'),
        (["none", "--role", "hanjul_producer", "--as", "producer"], "queue 'none' does not exist"),
        (["mail", "--role", "hanjul_producer", "--as", "owner"], "'owner' is not one of"),
        (["mail", "--as", "producer"], "Missing option '--role'"),
    ],
)
def test_what_cannot_be_granted_is_said(cli: Run, arguments: list[str], said: str) -> None:
    cli("queue", "create", "mail")

    answer = cli("queue", "grant", *arguments)

    assert answer.returncode != 0
    assert said in answer.stderr
