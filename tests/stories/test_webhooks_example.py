"""The story of examples/webhooks, whole and small; and its books, which must not balance when something is wrong."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from examples.webhooks.books import Attempt, Books

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the embedded server's account can reach."""
    place = Path(tempfile.mkdtemp(prefix="hanjul-webhooks-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.mark.timeout(300)  # a quarter of a minute on a machine that is not busy
def test_a_tables_changes_reach_a_receiver_that_fails_limits_goes_away_and_stalls(place: Path) -> None:
    command = [sys.executable, "-m", "examples.webhooks.run", "--orders", "60", "--customers", "12"]
    environment = {"HANJUL_DATA_DIR": str(place / "data"), "PATH": "/usr/bin:/bin", "HOME": str(place), "TMPDIR": str(place)}

    with subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as show:
        try:
            said, _ = show.communicate(timeout=250)
        finally:
            show.terminate()  # which ends what it has started, too

    assert show.returncode == 0, said
    assert "every promise was kept" in said
    assert "Traceback" not in said


def line(message: str, version: int, *, acted: bool = True, again: bool = False, mood: str = "well") -> dict[str, Any]:
    event = {"record": {"customer": "ada", "version": version}}
    return {"id": message, "acted": acted, "again": again, "answer": 200, "event": event, "mood": mood}


@pytest.fixture
def balanced() -> Books:
    """One customer's three changes; the second came twice, because the receiver failed after it had acted."""
    diary = [
        {"id": "forged", "acted": False, "answer": 401, "event": None},
        line("a", 1),
        line("b", 2, mood="errors"),
        line("b", 2, acted=False, again=True, mood="limits"),
        line("c", 3, mood="stalls"),
    ]
    attempts = [
        Attempt("a", 200, None),
        Attempt("b", 500, "HTTP status 500"),
        Attempt("b", 200, None),
        Attempt("c", None, "Couldn't connect to server"),
        Attempt("c", 204, None),
    ]
    return Books({"ada": 3}, diary, attempts, ["SUCCESS"] * 3, 401)


def test_the_books_balance(balanced: Books) -> None:
    assert balanced.broken() == []
    assert (balanced.again, balanced.unexplained) == (1, 0)
    assert balanced.why_again == {"the receiver failed": 1, "the receiver was away": 1}


def test_the_books_do_not_balance_when_a_change_is_missing_or_came_too_early(balanced: Books) -> None:
    *others, last = balanced.diary

    assert "each change has arrived" in replace(balanced, diary=others).broken()
    forged, first, *rest = balanced.diary
    disordered = replace(balanced, diary=[forged, *rest, first]).broken()
    assert disordered == ["each customer's changes were acted upon in order"]
    assert "each was acted upon once" in replace(balanced, diary=[*balanced.diary, last]).broken()


def test_the_books_do_not_balance_when_a_delivery_came_again_for_no_reason(balanced: Books) -> None:
    again = line("c", 3, acted=False, again=True)

    twice = replace(balanced, diary=[*balanced.diary, again, again])
    assert twice.broken() == ["every duplicate is explained"]
    succeeded_twice = replace(balanced, attempts=[*balanced.attempts, Attempt("a", 200, None)])
    assert succeeded_twice.broken() == ["every duplicate is explained"]


def test_the_books_do_not_balance_when_signatures_requests_or_rollbacks_are_wrong(balanced: Books) -> None:
    assert replace(balanced, forged=200).broken() == ["a forged message was refused"]
    unsigned = {"id": None, "acted": False, "answer": 401, "event": None}
    assert replace(balanced, diary=[*balanced.diary, unsigned]).broken() == ["every signature of the sender was good"]
    assert replace(balanced, statuses=["SUCCESS", "SUCCESS", "ERROR"]).broken() == ["every request has succeeded"]
    rolled_back = replace(balanced, diary=[balanced.diary[0], line("x", -1), *balanced.diary[1:]]).broken()
    assert "nothing has arrived that was rolled back" in rolled_back
