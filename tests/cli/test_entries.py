"""hanjul validate and schema, and entries that cannot be run."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import jsonschema
import pytest
import yaml

Run = Callable[..., CompletedProcess[str]]

ENTRIES = """\
version: "1.0"
namespace: app
entries:
  - {name: driver, kind: queue.driver.memory}
  - {name: mail, kind: queue.queue, driver: driver, visibility_timeout: 45s}
  - {name: handle, kind: function.python, source: file://handle.py}
  - name: worker
    kind: queue.consumer
    queue: mail
    func: {ns: app, name: handle}
    concurrency: ${env:WORKERS|4}
    lifecycle: {auto_start: true, x-why: it runs}
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    directory = tmp_path / "app"
    directory.mkdir()
    (directory / "_index.yaml").write_text(ENTRIES)
    (directory / "handle.py").write_text("async def main(body: dict) -> None: ...\n")
    return directory


def test_validate_says_that_all_is_well(cli: Run, app: Path) -> None:
    answer = cli("validate", "app/")

    assert (answer.returncode, answer.stdout) == (0, "4 entries: ok\n")


def test_validate_answers_programs_in_json(cli: Run, app: Path) -> None:
    answer = json.loads(cli("validate", "app/", "--json").stdout)

    assert answer["ok"] is True
    assert {"id": "app:worker", "kind": "queue.consumer"} in answer["entries"]


def test_validate_tells_all_errors_and_ends_with_2(cli: Run, app: Path) -> None:
    (app / "_index.yaml").write_text(ENTRIES.replace("driver: driver", "driver: nope").replace("45s", "45"))

    people, programs = cli("validate", "app/"), cli("validate", "app/", "--json")

    assert (people.returncode, programs.returncode) == (2, 2)
    assert "app/_index.yaml:5:71: visibility_timeout must be a duration" in people.stderr
    [problem] = json.loads(programs.stdout)["problems"]
    assert (problem["file"], problem["line"], problem["column"], problem["entry"]) == ("app/_index.yaml", 5, 71, "app:mail")


def test_validate_need_not_import_what_entries_name(cli: Run, app: Path) -> None:
    (app / "handle.py").write_text("import not_installed_here\n")

    assert cli("validate", "app/").returncode == 2
    assert cli("validate", "app/", "--no-import").returncode == 0


@pytest.mark.parametrize("command", ["up", "worker"])
def test_entries_that_cannot_work_are_not_run(cli: Run, app: Path, command: str) -> None:
    (app / "_index.yaml").write_text(ENTRIES.replace("queue: mail", "queue: mial"))

    answer = cli(command, "app")

    assert answer.returncode == 2
    assert "there is no entry app:mial; did you mean 'app:mail'?" in answer.stderr


def test_a_worker_of_entries_that_start_nothing_says_what_to_write(cli: Run, app: Path) -> None:
    (app / "_index.yaml").write_text(ENTRIES.replace("auto_start: true, ", ""))

    answer = cli("worker", "app/")

    assert answer.returncode == 2
    assert "lifecycle: {auto_start: true}" in answer.stderr


def test_a_package_is_still_a_module(cli: Run, app: Path) -> None:
    (app / "__init__.py").write_text("")

    assert "module 'app' has no attribute 'app'" in cli("worker", "app").stderr


def test_the_schema_takes_what_validate_takes(cli: Run) -> None:
    schema = json.loads(cli("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)

    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(ENTRIES))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kind: queue.queue", "kind: queue.que"),
        ("driver: driver", "drivr: driver"),
        ("driver: driver, ", ""),
        ("45s", "45"),
        ("${env:WORKERS|4}", "0"),
        ("${env:WORKERS|4}", "1001"),
        ("${env:WORKERS|4}", "many"),
        ("auto_start: true", "auto_start: 1"),
        ("namespace: app", "namespace: 'a b'"),
    ],
)
def test_the_schema_refuses_what_validate_refuses(cli: Run, app: Path, old: str, new: str) -> None:
    text = ENTRIES.replace(old, new)
    (app / "_index.yaml").write_text(text)
    schema = json.loads(cli("schema").stdout)

    assert not jsonschema.Draft202012Validator(schema).is_valid(yaml.safe_load(text))
    assert cli("validate", "app/").returncode == 2


def test_without_the_extra_the_command_says_what_to_install(cli: Run, app: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as util\nfind = util.find_spec\n"
        "util.find_spec = lambda name, package=None: None if name == 'yaml' else find(name, package)\n"
    )

    answer = cli("validate", "app/", PYTHONPATH=str(hidden))

    assert answer.returncode == 2
    assert "entries in YAML need pyyaml: pip install 'hanjul[yaml]'" in answer.stderr
