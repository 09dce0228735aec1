"""The sync client is the async one, word for word."""

import inspect
import subprocess
import sys
from typing import Any

import pytest

from hanjul import Database, DatabaseSync, Queues, QueuesSync
from hanjul.queues import Topics
from hanjul.queues.topics_sync import TopicsSync

TWINS = [(Queues, QueuesSync), (Database, DatabaseSync), (Topics, TopicsSync)]


def _public(class_: type) -> dict[str, Any]:
    own = vars(class_).items()
    return {
        name: member for name, member in own if inspect.isfunction(member) and (not name.startswith("_") or name == "__init__")
    }


@pytest.mark.parametrize(("async_", "sync"), TWINS)
def test_twins_have_the_same_methods_with_the_same_arguments(async_: type, sync: type) -> None:
    ours, theirs = _public(async_), _public(sync)

    assert list(ours) == list(theirs)
    for name in ours:
        parameters = [inspect.signature(method).parameters.values() for method in (ours[name], theirs[name])]
        described = [[(p.name, p.kind, p.default) for p in some] for some in parameters]
        assert described[0] == described[1], name


@pytest.mark.parametrize(("async_", "sync"), TWINS)
def test_no_method_of_the_sync_twin_is_a_coroutine(async_: type, sync: type) -> None:
    assert not [name for name, method in _public(sync).items() if inspect.iscoroutinefunction(method)]
    assert len([name for name, method in _public(async_).items() if inspect.iscoroutinefunction(method)]) >= 3


@pytest.mark.parametrize(("async_", "sync"), TWINS)
def test_every_method_is_described_alike(async_: type, sync: type) -> None:
    for name, method in _public(async_).items():
        if name != "__init__":
            assert method.__doc__, name
            assert method.__doc__ == _public(sync)[name].__doc__


PROGRAM = """
import asyncio, sys, hanjul

async def main():
    async with hanjul.connect(sys.argv[1]) as queues:
        await asyncio.gather(*[queues.send("mail", n) for n in range(10)])
        await queues.read("mail", qty=3)

with hanjul.connect_sync(sys.argv[1]) as queues:
    queues.create("mail")
    queues.send("mail", "sync")
asyncio.run(main())
with hanjul.connect_sync(sys.argv[1]) as queues:
    print(queues.metrics("mail").queue_length)
"""


def test_both_clients_run_without_a_warning(dsn: str) -> None:
    python = [sys.executable, "-X", "dev", "-W", "error"]

    done = subprocess.run([*python, "-c", PROGRAM, dsn], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "11\n", "")
