"""The life of a child process: it runs one coroutine, and ends at once when its parent has gone."""

import asyncio
import os
import sys
import threading
from collections.abc import Coroutine
from typing import Any

import uvloop


def live(work: Coroutine[Any, Any, None]) -> None:
    """Run `work` to its end, on uvloop, which all systems are given."""
    threading.Thread(target=_follow, daemon=True).start()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def _follow() -> None:
    """stdin is a pipe that the parent holds and never writes to: its end is the parent's."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)
