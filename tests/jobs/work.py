"""Functions that jobs run in processes: they must be importable there."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from hanjul import Job, Reject
from hanjul.model.outcome import Ack


def sum_of_squares(n: int) -> dict[str, int]:
    return {"sum": sum(i * i for i in range(n)), "pid": os.getpid()}


async def pid_of_a_coroutine(job: Job[Any]) -> int:
    await job.progress(0.5, "half way")
    await asyncio.sleep(0)
    return os.getpid()


def with_progress(job: Job[dict[str, Any]]) -> None:
    job.progress(0.4, "page 3 of 8")
    wait_for(job.body["file"])


def dies(_payload: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def text(length: int) -> str:
    return "x" * length


def fails(_payload: Any) -> None:
    raise ValueError("no such word")


def fails_in_words_that_are_none(_payload: Any) -> None:
    raise ValueError("a half \ud800")


def fails_without_words(_payload: Any) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    raise Mute


def rejects_in_words_that_are_none(_payload: Any) -> None:
    raise Reject("nobody\0speaks \ud800")


def acks(_payload: Any) -> Ack:
    return Ack("[7]")


def acks_no_text(_payload: Any) -> Ack:
    return Ack('"\ud800"')


def rejects(_payload: Any) -> None:
    raise Reject("nobody speaks")


def busy_for_ever(payload: dict[str, Any]) -> None:
    Path(payload["file"]).write_text(str(os.getpid()))
    while True:
        sum(range(1000))


def pid_when_told(payload: dict[str, Any]) -> int:
    place = Path(payload["place"])
    (place / "pid").write_text(str(os.getpid()))
    wait_for(str(place / "go"))
    return os.getpid()


def pid_then_progress(job: Job[dict[str, Any]]) -> None:
    (Path(job.body["place"]) / "pid").write_text(str(os.getpid()))
    job.progress(0.1)
    wait_for(str(Path(job.body["place"]) / "go"))


def wait_for(name: str) -> None:
    while not Path(name).exists():
        time.sleep(0.01)


class StartsSlowly:
    """A function whose processes note their pids in a directory, and are not ready before it has a file `gate`."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __call__(self, _payload: Any) -> None:
        (self.place / "ran").touch()

    def __reduce__(self) -> tuple[Any, ...]:
        return start_slowly, (self.place,)


def start_slowly(place: Path) -> StartsSlowly:
    (place / f"{os.getpid()}.pid").touch()
    wait_for(str(place / "gate"))
    return StartsSlowly(place)


class EndsAtStart:
    """A function whose processes end, with exit code 3, before they are ready."""

    def __call__(self, _payload: Any) -> None:
        raise AssertionError

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.exit, (3,)


def fails_or_tells_its_pid(payload: str) -> int:
    if payload == "fail":
        raise ValueError(os.getpid())
    return os.getpid()
