"""The recipes of docs/jobs.md, as they stand there."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from tests.api.conftest import serve

PAGE = Path(__file__).parents[2] / "docs" / "jobs.md"
NOBODY = "01900000-0000-7000-8000-000000000000"
TOKEN = "a-token-that-nobody-guesses"


def recipe(heading: str) -> str:
    section = PAGE.read_text().partition(f"\n### {heading}\n")[2]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None
    return found[1]


def run(heading: str) -> dict[str, Any]:
    """What the recipe defines."""
    names: dict[str, Any] = {"__name__": heading.lower()}
    exec(compile(recipe(heading), heading, "exec"), names)
    return names


def stored(dsn: str) -> list[Any]:
    with psycopg.connect(dsn) as connection:
        return connection.execute("select id, kind, payload, priority from hanjul.job order by id").fetchall()


async def test_fastapi(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", dsn)
    monkeypatch.setenv("HANJUL_API_TOKEN", TOKEN)
    web = run("FastAPI")["web"]

    async with serve(web) as http:
        answer = await http.post("/recordings/7")
        refused = await http.get(answer.headers["Location"])
        shown = await http.get(answer.headers["Location"], headers={"Authorization": f"Bearer {TOKEN}"})

    assert (answer.status_code, refused.status_code) == (202, 401)
    assert stored(dsn) == [(UUID(answer.json()["id"]), "transcribe", {"session_id": 7}, -1)]
    assert (shown.json()["status"], shown.json()["payload"]) == ("pending", {"session_id": 7})


def test_flask(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", dsn)
    names = run("Flask")
    assert names["jobs"].cache_info().currsize == 0  # a server that forks has yet to do so
    client = names["web"].test_client()

    answer = client.post("/recordings/7")
    shown = client.get(answer.headers["Location"])
    unknown = client.get(f"/jobs/{NOBODY}")
    names["jobs"]().close()

    assert (answer.status_code, answer.json["status_url"]) == (202, answer.headers["Location"])
    assert stored(dsn) == [(UUID(answer.json["id"]), "transcribe", {"session_id": 7}, 0)]
    assert shown.json == {"status": "pending", "progress": None, "result": None, "error": None}
    assert (unknown.status_code, "does not exist" in unknown.json["detail"]) == (404, True)


DJANGO = """
import json, sys, threading
from urllib.parse import urlsplit
import django
from django.conf import settings

url = urlsplit(sys.argv[1])
database = {"ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "USER": url.username, "PASSWORD": url.password,
            "HOST": url.hostname, "PORT": url.port}
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF="recipe", DATABASES={"default": database}, HANJUL_DATABASE_URL=sys.argv[1],
                   MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"])
django.setup()

from django.test import Client
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
import recipe

assert threading.active_count() == 1, "a server that forks has yet to do so"
recipe.urlpatterns.append(path("api/recordings/<int:session_id>", csrf_exempt(recipe.upload)))
client, page = Client(enforce_csrf_checks=True), Client(enforce_csrf_checks=True)
page.cookies["csrftoken"] = token = "t" * 32
refused = [client.get("/recordings/7"), client.get("/api/recordings/7"), client.post("/recordings/7")]
from_page = page.post("/recordings/8", headers={"X-CSRFToken": token})
answer = client.post("/api/recordings/7")
shown, unknown = client.get(answer["Location"]), client.get("/jobs/" + sys.argv[2])
recipe.jobs().close()
print(json.dumps([[one.status_code for one in refused], from_page.status_code,
                  answer.status_code, answer["Location"], answer.json(), shown.json(), unknown.status_code]))
"""


def test_django(dsn: str, tmp_path: Path) -> None:
    (tmp_path / "recipe.py").write_text(recipe("Django"))
    (tmp_path / "drive.py").write_text(DJANGO)

    done = subprocess.run(
        [sys.executable, "drive.py", dsn, NOBODY], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    refused, from_page, status, location, body, shown, unknown = json.loads(done.stdout)
    assert (refused, from_page) == ([405, 405, 403], 202)
    assert (status, body["status_url"], shown["status"], unknown) == (202, location, "pending", 404)
    [(_, _, of_page, _), of_api] = stored(dsn)
    assert of_page == {"session_id": 8}
    assert of_api == (UUID(body["id"]), "transcribe", {"session_id": 7}, 0)


def test_sql(dsn: str) -> None:
    section = PAGE.read_text().partition("\n### The status API\n")[2]
    [statements] = re.findall(r"```sql\n(.*?)```", section.partition("\n## ")[0], re.DOTALL)

    with psycopg.connect(dsn) as connection:
        for statement in statements.strip().splitlines():
            connection.execute(statement)

    assert [kind for _, kind, _, _ in stored(dsn)] == ["invoice"]
