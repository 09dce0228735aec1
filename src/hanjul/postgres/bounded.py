"""Waiting for an answer of the server, but not for ever.

Cancelling a query on a link that swallows everything makes psycopg wait for its own cancel request, some 11 seconds;
closing the socket first makes the wait end at once.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import psycopg

from hanjul.model.errors import ConnectionLost

T = TypeVar("T")

GRACE_S = 1.0
"""How long a cancelled statement may take to end in good order, so that its connection can be kept."""


async def bounded(conn: psycopg.AsyncConnection[Any], work: Coroutine[Any, Any, T], timeout_s: float | None) -> T:
    """The result of `work` on `conn`; raises ConnectionLost if there is none within timeout_s (None: wait)."""
    if timeout_s is None:
        return await work
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait({task}, timeout=GRACE_S)
        _cut(conn, task)
        raise
    if done:
        return task.result()
    _cut(conn, task)
    await asyncio.wait({task})
    raise ConnectionLost(f"the database gave no answer within {timeout_s:g} s")


def bounded_sync(_conn: object, answer: T, _timeout_s: float | None) -> T:
    """The twin for threads: there the kernel's keep-alive bounds the wait (see conninfo.py)."""
    return answer


def _cut(conn: psycopg.AsyncConnection[Any], task: "asyncio.Task[Any]") -> None:
    if not task.done():
        conn.pgconn.finish()
        task.cancel()
        task.add_done_callback(_retrieve)


def _retrieve(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled():
        task.exception()  # looked at, so that asyncio does not report it as forgotten
