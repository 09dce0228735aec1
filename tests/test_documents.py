"""The documents: both READMEs say the same, links lead somewhere, what they name exists, examples run."""

import ast
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import httpx
import psycopg
import pytest
from standardwebhooks import Webhook

from hanjul.cli.main import hanjul

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("bench/*.md"),
        *ROOT.glob("src/**/*.md"),
        *ROOT.glob("examples/**/*.md"),
    ]
)
SQL_DOCUMENTS = ("sql.md", "jobs.md", "http.md", "webhooks.md")
CODE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def code_blocks(document: Path) -> list[tuple[str, str]]:
    """The code of a document, without its comments: those are in the document's language."""
    return [(language, re.sub(r"\s*(#|--) .*", "", code)) for language, code in CODE.findall(document.read_text())]


def test_both_readmes_show_the_same_code() -> None:
    assert code_blocks(ROOT / "README.md") == code_blocks(ROOT / "README.ko.md")


def test_both_readmes_have_the_same_parts() -> None:
    def parts(name: str) -> list[str]:
        return re.findall(r"^(#+|\||\d\.|-)", (ROOT / name).read_text(), re.MULTILINE)

    assert parts("README.md") == parts("README.ko.md")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_examples_are_python(document: Path) -> None:
    for language, code in CODE.findall(document.read_text()):
        if language == "python":
            compile(code, str(document), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_are_named_exist(document: Path) -> None:
    named = re.findall(
        r"^hanjul (\w+)(?: (\w+))?", "\n".join(code for _, code in CODE.findall(document.read_text())), re.MULTILINE
    )

    for command, subcommand in named:
        found = hanjul.commands[command]
        if isinstance(found, click.Group) and subcommand:
            assert subcommand in found.commands


def test_every_setting_is_documented() -> None:
    from hanjul.config import ENVIRONMENT
    from hanjul.embedded.binaries import VARIABLE

    documented = (ROOT / "docs" / "running.md").read_text()

    assert [name for name in (*ENVIRONMENT, VARIABLE) if f"`{name}`" not in documented] == []


def test_every_sql_function_for_users_is_documented() -> None:
    from hanjul.sql import functions

    documented = "".join((ROOT / "docs" / name).read_text() for name in SQL_DOCUMENTS)
    names = {name for file in functions() for name in re.findall(r'function \w+\."?([a-z]\w*)', file.text)}
    inner = {"validate_queue_name", "format_table_name", "acquire_queue_lock", "detach_archive", "counts_releases"}
    inner |= {"wake", "wait", "unwait", "ready", "ready_groups", "send_many", "notify_queue_listeners"}

    assert sorted(name for name in names - inner if name not in documented) == []


def test_arguments_of_sql_functions_have_the_names_that_are_documented(dsn: str) -> None:
    documented = "".join((ROOT / "docs" / name).read_text() for name in SQL_DOCUMENTS)
    shown = re.findall(r"`(?:(hanjul|net)\.)?(\w+)\((\w+(?:, \w+)*)(, \.\.\.)?\)", documented)
    with psycopg.connect(dsn) as connection:
        functions = connection.execute(
            """select n.nspname, p.proname, p.proargnames[:p.pronargs]
               from pg_proc p join pg_namespace n on n.oid = p.pronamespace
               where n.nspname in ('hanjul', 'net') and p.pronargs > 0"""
        ).fetchall()

    def fits(schema: str, name: str, told: list[str], shortened: str) -> bool:
        forms = [arguments or [] for of, function, arguments in functions if (of, function) == (schema or "hanjul", name)]
        return not forms or any(told == (form[: len(told)] if shortened else form) for form in forms)

    assert [(name, told) for schema, name, told, more in shown if not fits(schema, name, told.split(", "), more)] == []


def test_the_sql_of_webhooks_runs_as_written(dsn: str) -> None:
    blocks = [code for language, code in CODE.findall((ROOT / "docs" / "webhooks.md").read_text()) if language == "sql"]

    with psycopg.connect(dsn, autocommit=True) as connection:
        for code in blocks:
            connection.execute(code.encode())
        [paid] = connection.execute("select name from hanjul.list_webhooks() where name = 'paid'").fetchall()
        urls = connection.execute("select url, count(*) from net.http_request_queue group by url").fetchall()

    assert paid == ("paid",)
    assert dict(urls) == {"https://receiver.example/orders": 4, "https://receiver.example/paid": 1}


async def test_the_receiver_of_webhooks_verifies_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    monkeypatch.setenv("WEBHOOK_SECRET", secret)
    text = (ROOT / "docs" / "webhooks.md").read_text()
    [code] = [code for language, code in CODE.findall(text) if language == "python" and "FastAPI()" in code]
    told: dict[str, Any] = {}
    exec(compile(code, "webhooks.md", "exec"), told)
    body = b'{"type": "INSERT"}'
    signed = Webhook(secret).sign("msg_1", datetime.now(UTC), body.decode())
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(time.time())), "webhook-signature": signed}

    transport = httpx.ASGITransport(told["api"])
    async with httpx.AsyncClient(transport=transport, base_url="http://receiver.example") as client:
        assert (await client.post("/orders", content=body, headers=headers)).json() == {"insert": True}
        assert (await client.post("/orders", content=b"{}", headers=headers)).status_code == 401
