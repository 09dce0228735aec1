"""YAML files: which are ours, what they may hold, what could hurt is refused, and each problem has its place."""

import json
from pathlib import Path

import pytest
from tests.entries.conftest import GOOD, Load

from hanjul import InvalidEntries, InvalidSettings
from hanjul.entries import Problem, Registry, load

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def the_problem(directory: Path, text: str, name: str = "_index.yaml") -> Problem:
    (directory / name).write_text(text)
    with pytest.raises(InvalidEntries) as caught:
        load(directory, environment={})
    [problem] = caught.value.problems
    assert isinstance(problem, Problem)
    return problem


def ids(registry: Registry) -> list[str]:
    return sorted(registry.entries)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("namespace: app\n" + BOMB, 6, "more than 20,000 values"),
        ("namespace: app\nentries: &a [*a]\n", 2, "*a is not defined above, or holds itself"),
        (f"namespace: app\nentries: {'[' * 500}{']' * 500}\n", 2, "nested more than 32 deep"),
        (f"namespace: app\nentries: [{'1, ' * 30_000}]\n", 2, "more than 20,000 values"),
        (f"namespace: app\nx-filler: {'x' * (1 << 20)}\n", 1, "longer than 1,048,576 bytes"),
        ("namespace: app\nentries: !!python/object/apply:os.system [id]\n", 2, "the tag !!python/object/apply:os.system is not"),
        ("namespace: app\nentries: [!Ref x]\n", 2, "the tag !Ref is not allowed"),
        ("namespace: app\n!!str entries: []\n", 2, "the tag !!str is not allowed"),
        ("namespace: app\nentries: []\nentries: []\n", 3, "entries is given twice; first in line 2"),
        ("namespace: app\nx-a: &a {b: 1}\nx-c: {<<: *a}\n", 3, "merge keys (<<) are not supported"),
        ("namespace: app\nentries: []\n---\na: 1\n", 3, "a file holds one document"),
        ("namespace: app\n? [a, b]\n: 1\n", 2, "a key must be plain text"),
        ("namespace: app\nentries: [\n", 3, "it is no YAML"),
        ("namespace: app\nentries:\n\t- a\n", 3, "it is no YAML"),
        ("namespace: app\nentries: [{dsn: ${env:URL}}]\n", 2, 'put a placeholder in quotes: "${env:NAME}"'),
        ("namespace: app\nentries: \x07\n", 2, "it is no YAML: special characters are not allowed"),
        (f"namespace: app\nentries: {'9' * 5000}\n", 2, "this number cannot be read"),
        ("namespace: a b\nentries: []\n", 1, "namespace must be words with dots between"),
        ("namespace: app\nversion: 2\nentries: []\n", 2, "version must be '1.0', not 2"),
        ("namespace: app\nmeta: 1\nentries: []\n", 2, "meta must be a mapping, not 1"),
        ("namespace: app\n", 1, "neither entries: nor name: and kind:"),
        ("namespace: app\nentires: []\nentries: []\n", 2, "unknown key 'entires' beside entries; did you mean 'entries'?"),
        ("namespace: app\nentries: {}\n", 2, "entries must be a list"),
        ("namespace: app\nentries: [1]\n", 2, "an entry must be a mapping with name: and kind:, not 1"),
        ("namespace: app\nentries:\n- kind: queue.queue\n", 3, "the name of an entry is missing"),
        ("namespace: app\nentries:\n- name: a\n", 3, "the kind of an entry is missing"),
        ("namespace: app\nentries:\n- {name: 'a:b', kind: queue.driver.memory}\n", 3, "the name of an entry is not 'a:b'"),
        ("namespace: app\nentries:\n- {id: 'b:c', kind: queue.driver.memory}\n", 3, "in the namespace of the file, app"),
        ("namespace: app\nentries:\n- {name: a, kind: queue.driver.memory, data: {}, x: 1}\n", 3, "data: is a mapping that"),
    ],
)  # fmt: skip
def test_what_no_file_may_hold_is_refused_where_it_stands(tmp_path: Path, text: str, line: int, said: str) -> None:
    problem = the_problem(tmp_path, text)

    assert said in problem.message
    assert problem.line == line


def test_a_file_that_is_not_utf_8_is_refused_where_it_is_not(tmp_path: Path) -> None:
    (tmp_path / "_index.yaml").write_bytes(b"namespace: app\nentries: \xff\n")

    with pytest.raises(InvalidEntries, match=r"_index.yaml:2:10: the file is not UTF-8"):
        load(tmp_path)


@pytest.mark.timeout(30)
def test_a_file_full_of_mistakes_is_refused_quickly(tmp_path: Path) -> None:
    entries = "".join(f"- {{name: q{n}, kind: queue.queue, driver: d{n}}}\n" for n in range(2000))
    (tmp_path / "_index.yaml").write_text(f"namespace: app\nentries:\n{entries}")

    with pytest.raises(InvalidEntries) as caught:
        load(tmp_path, environment={})

    assert len(caught.value.problems) == 2000


def test_a_problem_shows_file_line_column_the_line_and_a_caret(tmp_path: Path) -> None:
    problem = the_problem(tmp_path, "namespace: app\nentries:\n  - {name: 큐, kind: queue.driver.memory}\n")

    assert str(problem) == (
        f"{tmp_path}/_index.yaml:3:12: the name of an entry is not '큐': letters, digits, _, - and .\n"
        "      - {name: 큐, kind: queue.driver.memory}\n"
        "               ^"
    )


def test_the_caret_stands_right_behind_korean_letters(tmp_path: Path) -> None:
    problem = the_problem(tmp_path, "namespace: app\nentries: [{x-a: 큐큐, name: a, kind: b}]\n")

    line, caret = str(problem).splitlines()[1:]
    assert caret.index("^") == line.index("b}") + len("큐큐")


def test_a_password_in_a_line_is_not_shown(tmp_path: Path) -> None:
    line = "- {name: a, kind: queue.driver.postgres, dsn: 'postgresql://u:s3cret@h/d', lisen: 1}"

    problem = the_problem(tmp_path, f"namespace: app\nentries:\n{line}\n")

    assert "s3cret" not in str(problem)
    assert "postgresql://u:******@h/d" in str(problem)


def test_what_a_terminal_would_obey_is_not_shown(tmp_path: Path) -> None:
    problem = the_problem(tmp_path, "namespace: app\nentries: [\x9b31m]\n")

    assert "\x9b" not in str(problem)


def test_every_yaml_yml_and_json_below_the_directory_is_read(load_entries: Load, directory: Path) -> None:
    deep = directory / "deep" / "er"
    deep.mkdir(parents=True)
    (deep / "one.yml").write_text("namespace: deep\nname: driver\nkind: queue.driver.memory\n")
    (deep / "two.json").write_text(
        '{\n\t"namespace": "deep",\n\t"entries": [{"name": "q", "kind": "queue.queue", "driver": "app:driver"}]\n}'
    )
    for skipped in (".git", "node_modules", "__pycache__", ".venv"):
        (deep / skipped).mkdir()
        (deep / skipped / "three.yaml").write_text("namespace: nowhere\nentries: 1\n")

    registry = load_entries()

    assert ids(registry) == ["app:driver", "app:handle", "app:mail", "app:worker", "deep:driver", "deep:q"]


def test_files_without_a_namespace_are_not_ours(load_entries: Load, directory: Path) -> None:
    (directory / "compose.yaml").write_text("services: !reset []\n")
    (directory / "broken.yaml").write_text("{{ not yaml }}: [\n")
    (directory / "k8s.yaml").write_text("metadata: {namespace: prod}\n")

    assert len(load_entries().entries) == 4


def test_a_directory_without_entries_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="no file there has a namespace and entries"):
        load(tmp_path)


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="nowhere: no such file or directory"):
        load(tmp_path / "nowhere")


def test_single_files_can_be_given(load_entries: Load, directory: Path) -> None:
    load_entries()
    (directory / "other.yaml").write_text("namespace: other\nentries: []\n")

    registry = load([directory / "_index.yaml", directory / "other.yaml"], environment={})

    assert len(registry.entries) == 4


def test_an_empty_list_of_entries_is_legal_and_yields_nothing(load_entries: Load, directory: Path) -> None:
    (directory / "empty.yaml").write_text("namespace: other\nentries: []\n")

    assert len(load_entries().entries) == 4


def test_meta_of_the_file_is_under_that_of_each_entry(directory: Path) -> None:
    (directory / "_index.yaml").write_text(
        "namespace: app\nmeta: {title: all, team: a}\nentries:\n- {name: d, kind: queue.driver.memory, meta: {title: mine}}\n"
    )

    assert load(directory).entries["app:d"].meta == {"title": "mine", "team": "a"}


def test_data_holds_the_fields_of_an_entry_and_a_problem_there_has_its_place(load_entries: Load, directory: Path) -> None:
    registry = load_entries("- {name: d, kind: queue.driver.memory, data: {lifecycle: {auto_start: true}}}")
    assert registry.entries["app:d"].model_dump()["lifecycle"]["auto_start"] is True

    with pytest.raises(InvalidEntries, match=r":4:50: unknown key 'pool'"):
        load_entries("- {name: d, kind: queue.driver.memory, data: { pool: 1}}")


def test_id_is_the_older_word_for_name(load_entries: Load) -> None:
    registry = load_entries("- {id: d, kind: queue.driver.memory}\n- {id: 'app:e', kind: queue.driver.memory}")

    assert ids(registry) == ["app:d", "app:e"]


def test_keys_that_begin_with_x_are_the_users_own(load_entries: Load) -> None:
    registry = load_entries("- {name: d, kind: queue.driver.memory, x-note: 1, lifecycle: {x-why: [a], auto_start: true}}")

    assert ids(registry) == ["app:d"]


def test_aliases_repeat_what_stands_above(load_entries: Load) -> None:
    registry = load_entries(GOOD.replace("{auto_start: true}", "&life {auto_start: true}") +
        "- {name: again, kind: queue.consumer, queue: mail, func: handle, lifecycle: *life}")  # fmt: skip

    assert list(registry.consumers()) == ["app:again", "app:worker"]


def test_json_writes_letters_in_two_halves(directory: Path) -> None:
    entry = {"name": "d", "kind": "queue.driver.memory", "meta": {"title": "\N{ROCKET}"}}
    (directory / "a.json").write_text(json.dumps({"namespace": "app", "entries": [entry]}))

    assert load(directory).entries["app:d"].meta == {"title": "\N{ROCKET}"}
