"""Entries as a user writes them, in a directory of the test's own."""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hanjul import InvalidEntries
from hanjul.entries import Registry, load

Load = Callable[..., Registry]
Refused = Callable[..., list[str]]

GOOD = """
- {name: driver, kind: queue.driver.memory}
- {name: mail, kind: queue.queue, driver: driver}
- {name: handle, kind: function.python, source: file://handlers.py}
- {name: worker, kind: queue.consumer, queue: mail, func: handle, lifecycle: {auto_start: true}}
"""

HANDLERS = """
async def main(body: dict) -> None: ...
def plain(body: dict) -> None: ...
def two(body: dict, other: int) -> None: ...
async def yields(body: dict):
    yield
number = 1
class Group:
    @staticmethod
    async def inner(body: str) -> None: ...
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "handlers.py").write_text(HANDLERS)
    return tmp_path


@pytest.fixture
def load_entries(directory: Path) -> Load:
    """The registry of entries in namespace app, given as the list of a YAML file."""

    def loaded(entries: str = GOOD, **environment: str) -> Registry:
        text = textwrap.indent(textwrap.dedent(entries).strip(), "  ")
        (directory / "_index.yaml").write_text(f'version: "1.0"\nnamespace: app\nentries:\n{text}\n')
        return load(directory, environment=environment)

    return loaded


@pytest.fixture
def refused(load_entries: Load) -> Refused:
    """What is wrong with entries, one text for each problem, without the place."""

    def why(entries: str, **environment: str) -> list[str]:
        with pytest.raises(InvalidEntries) as caught:
            load_entries(entries, **environment)
        return [problem.message for problem in found(caught.value)]

    return why


def found(error: InvalidEntries) -> Sequence[Any]:
    return error.problems
