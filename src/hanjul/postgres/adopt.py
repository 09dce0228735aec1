"""Taking over an existing installation of PGMQ, its extension or its SQL: in place, in one transaction, or not at all.

What is to be done, and why it may be refused, is said by sql/pgmq/adopt.sql, whose functions are put into the schema at the
beginning of the transaction; a look rolls them back again.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, cast

import psycopg
from psycopg.rows import class_row

from hanjul.model.errors import Interrupted, PermissionDenied, SchemaMismatch
from hanjul.postgres.migrate import install, standing, transaction
from hanjul.sql import ADVISORY_LOCK, FunctionFile, functions, registry

LOCK_TIMEOUT_S = 5.0
"""How long one lock is waited for, and so how long those who come after may have to wait behind us."""

_LOWEST_ID = -(2**63)
_FILES = [file for file in functions() if file.family == "pgmq" and file.name in {"adopt_plan", "adopt", "layout"}]

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class AdoptedQueue:
    """One queue of PGMQ's.

    kind: standard, unlogged or partitioned; None if it is gone: only its row in pgmq.meta was left.
    messages, parked (not visible yet), archived: counted by a look alone, else None.  bytes: of its tables and indexes.
    steps: what is done to it, in words.
    """

    queue_name: str
    kind: str | None
    messages: int | None
    parked: int | None
    archived: int | None
    bytes: int | None
    gone: bool
    steps: list[str]


@dataclass(frozen=True, slots=True)
class Adoption:
    """What is to be adopted, or was.

    found: whose schema pgmq is; None if there is nothing to adopt.  lost: functions of PGMQ that hanjul does not have.
    kept: functions in schema pgmq that are not PGMQ's; they stay.  extension: what becomes of it: None, drop or keep.
    """

    found: str | None
    queues: tuple[AdoptedQueue, ...] = ()
    lost: Sequence[str] = ()
    kept: Sequence[str] = ()
    extension: str | None = None


def look(url: str, *, keep_extension: bool = False) -> Adoption:
    """What `adopt` would do; changes nothing and locks no queue. Raises as `adopt` does, where that would be refused."""
    with transaction(url) as conn:
        if not _begin(conn, LOCK_TIMEOUT_S):
            return Adoption(found=None)
        adoption = _look(conn, keep_extension=keep_extension, counted=True)
        conn.rollback()
        return adoption


def adopt(
    url: str, told: Told = lambda _line: None, *, keep_extension: bool = False, lock_timeout_s: float = LOCK_TIMEOUT_S
) -> Adoption:
    """Take PGMQ's installation over; what was done. Done again, it finds nothing to do.

    told: is told each step, as it begins.  keep_extension: leave the extension's name registered, without content, for
    clients that say `create extension if not exists pgmq`.  lock_timeout_s: the longest wait for one table.
    Raises SchemaMismatch, naming what cannot be adopted; PermissionDenied; Interrupted if a table stays in use;
    Unavailable.  Then nothing was changed.
    """
    with transaction(url) as conn:
        if not _begin(conn, lock_timeout_s):
            return Adoption(found=None)
        adoption = _look(conn, keep_extension=keep_extension, counted=False)
        told(f"locking {len(adoption.queues)} queues")
        _call(conn, "_adopt_lock('registries'), pgmq._adopt_lock('queues')")
        adoption = _look(conn, keep_extension=keep_extension, counted=False)  # nobody can change it any more
        told(f"setting {adoption.found} aside")
        _call(conn, "_adopt_set_aside(%s)", keep_extension)
        install(conn, standing(conn, leaves="pgmq"), told)
        _call(conn, "_adopt_bring_back()")
        for queue in adoption.queues:
            told(f"queue {queue.queue_name}{': removed, it has no table' if queue.gone else ''}")
            if not queue.gone:
                _call(conn, "_adopt_queue(%s)", queue.queue_name)
    _park(url, adoption, told)
    return adoption


def _begin(conn: psycopg.Connection[Any], lock_timeout_s: float) -> bool:
    """Whether PGMQ is in charge here; if so, the functions that adopt it are there."""
    conn.execute("select set_config('lock_timeout', %s, true)", [f"{lock_timeout_s * 1000:.0f}ms"])
    conn.execute("set local client_min_messages = warning")
    if "pgmq" not in standing(conn).foreign:
        return False
    try:
        conn.execute("select pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
    except psycopg.errors.LockNotAvailable as error:
        raise Interrupted("a migrate or another adopt is at work; nothing was changed, try again") from error
    if "pgmq" not in standing(conn).foreign:
        return False
    _only_for_the_owner(conn)
    conn.execute(registry())
    for file in _FILES:
        conn.execute(file.text.encode())
    return True


def _only_for_the_owner(conn: psycopg.Connection[Any]) -> None:
    """Before anything is made in the schema: a right to make functions there is not enough to take it over."""
    [role, user, mine] = _row(
        conn, "nspowner::regrole::text, current_user, pg_has_role(nspowner, 'usage') from pg_namespace where nspname = 'pgmq'"
    )
    if not mine:
        raise PermissionDenied(f"schema pgmq belongs to role {role}, and the role {user} is not in it; nothing was changed")


def _look(conn: psycopg.Connection[Any], *, keep_extension: bool, counted: bool) -> Adoption:
    at_work = _names_in(_FILES)
    ours = sorted(set(_names_in(functions())) - set(at_work))
    refusals = conn.execute("select kind, said from pgmq._adopt_refusals(%s, %s)", [ours, keep_extension]).fetchall()
    if refusals:
        said = "; ".join(said for _, said in refusals)
        kind = PermissionDenied if all(kind == "right" for kind, _ in refusals) else SchemaMismatch
        raise kind(f"this installation of pgmq cannot be adopted, nothing was changed: {said}")
    with conn.cursor(row_factory=class_row(AdoptedQueue)) as cursor:
        queues = tuple(cursor.execute("select * from pgmq._adopt_plan(%s)", [counted]))
    [found, extension] = _row(conn, "pgmq._adopt_version(), exists (select from pg_extension where extname = 'pgmq')")
    [lost, kept] = _row(conn, "* from pgmq._adopt_names(%s, %s)", ours, at_work)
    return Adoption(found, queues, lost, kept, extension=("keep" if keep_extension else "drop") if extension else None)


def _names_in(files: Sequence[FunctionFile]) -> list[str]:
    return sorted({name for file in files for name in re.findall(r'function pgmq\."?(\w+)', file.text)})


def _row(conn: psycopg.Connection[Any], what: LiteralString, *arguments: object) -> tuple[Any, ...]:
    [row] = conn.execute(f"select {what}", arguments or None)
    return cast("tuple[Any, ...]", row)


def _call(conn: psycopg.Connection[Any], call: str, *arguments: object) -> None:
    try:
        conn.execute(f"select pgmq.{call}".encode(), arguments or None)
    except psycopg.errors.LockNotAvailable as error:
        holders = f" by {error.diag.message_hint}" if error.diag.message_hint else ""
        what = f"{error.diag.message_primary}{holders}"
        raise Interrupted(f"{what}; nothing was changed: end that, or try again with a longer --lock-timeout") from error
    except (psycopg.errors.DependentObjectsStillExist, psycopg.errors.InvalidFunctionDefinition) as error:
        said = f"{error.diag.message_primary}: {error.diag.message_detail}"
        raise SchemaMismatch(f"this installation of pgmq cannot be adopted, nothing was changed: {said}") from error


def _park(url: str, adoption: Adoption, told: Told) -> None:
    """Many delayed messages go out of the readers' way, a stretch at a time; readers do it too, should this break off."""
    with transaction(url) as conn:
        for queue in adoption.queues:
            if queue.gone or not _row(conn, "pgmq._adopt_hides(%s)", queue.queue_name)[0]:
                continue
            told(f"parking the delayed messages of queue {queue.queue_name}")
            after: int | None = _LOWEST_ID
            while after is not None:
                after = _park_after(conn, queue.queue_name, after)


def _park_after(conn: psycopg.Connection[Any], queue: str, after: int) -> int | None:
    [last] = _row(conn, "pgmq._adopt_park(%s, %s)", queue, after)
    conn.commit()
    return cast("int | None", last)
