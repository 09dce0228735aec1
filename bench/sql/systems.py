"""The two implementations of schema pgmq, and what each is asked to do: one function table in PL/pgSQL.

A statement may use the variables of `script.py` (msgs, tags, batch, tagged, delayed, ids, size) and {n}, the number of messages.
A name with a number, as `send 1`, is preferred for that number.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from pgmq.install import get_embedded_install_sql, get_embedded_sql_version

from hanjul.model.call import Call
from hanjul.postgres.migrate import migrate
from hanjul.queues import calls

Calls = Mapping[str, str]

OURS = "hanjul"
PEER = "pgmq"
QUEUE = "bench"


def _sent(call: str) -> str:
    return f"select array_agg(sent.id) into ids from {call} as sent (id)"


def _taken(call: str) -> str:
    """Every message is made a text, as for a client."""
    told = "sum(length(message::text)) + count(enqueued_at) + count(headers)"
    return f"select array_agg(msg_id), {told} into ids, size from {call}"


PUBLIC: Calls = {
    "send 1": _sent("pgmq.send('bench', msgs[1])"),
    "send": _sent("pgmq.send_batch('bench', msgs[1:{n}])"),
    "send with headers 1": _sent("pgmq.send('bench', msgs[1], tags[1])"),
    "send with headers": _sent("pgmq.send_batch('bench', msgs[1:{n}], tags[1:{n}])"),
    "send with delay 1": _sent("pgmq.send('bench', msgs[1], 3600)"),
    "send with delay": _sent("pgmq.send_batch('bench', msgs[1:{n}], 3600)"),
    "read": _taken("pgmq.read('bench', 300, {n})"),
    "read the 100th by condition": "select length(message::text) into size from pgmq.read('bench', 300, 1, '{{\"rare\": 1}}')",
    "pop": _taken("pgmq.pop('bench', {n})"),
    "delete 1": "perform pgmq.delete('bench', ids[1])",
    "delete": "perform pgmq.delete('bench', ids)",
    "archive 1": "perform pgmq.archive('bench', ids[1])",
    "archive": "perform pgmq.archive('bench', ids)",
    "set_vt 1": "perform pgmq.set_vt('bench', ids[1], 600)",
    "set_vt": "perform pgmq.set_vt('bench', ids, 600)",
    "metrics": "perform pgmq.metrics('bench')",
    "read_grouped": "select sum(length(message::text)) into size from pgmq.read_grouped('bench', 300, {n})",
    "read_grouped_rr": "select sum(length(message::text)) into size from pgmq.read_grouped_rr('bench', 300, {n})",
    "read_grouped_head": "select sum(length(message::text)) into size from pgmq.read_grouped_head('bench', 300, {n})",
    # not asked about: they make ready what is
    "send 99 and a rare one": _sent("pgmq.send_batch('bench', msgs[1:99] || '{{\"rare\": 1}}'::jsonb)"),
    "remove": "perform pgmq.delete('bench', ids)",
}


def _own(call: Call[Any]) -> str:
    """The function that the client asks for this: the queue's own."""
    own = call.of_queue()
    assert own, f"queues have no function of their own for {call.function}"
    return own.function


CLIENT: Calls = PUBLIC | {  # what our client asks for instead
    "send 1": _sent(f"{_own(calls.send_many(QUEUE, ''))}(batch)"),
    "send": _sent(f"{_own(calls.send_many(QUEUE, ''))}(batch)"),
    "send with headers 1": _sent(f"{_own(calls.send_many(QUEUE, ''))}(tagged)"),
    "send with headers": _sent(f"{_own(calls.send_many(QUEUE, ''))}(tagged)"),
    "send with delay 1": _sent(f"{_own(calls.send_many(QUEUE, ''))}(delayed)"),
    "send with delay": _sent(f"{_own(calls.send_many(QUEUE, ''))}(delayed)"),
    "read": _taken(f"{_own(calls.read(QUEUE, 300, 1, None, object))}(300, {{n}})"),
    "pop": _taken(f"{_own(calls.pop(QUEUE, 1, object))}({{n}})"),
    "delete 1": f"perform {_own(calls.delete(QUEUE, []))}(ids)",
    "delete": f"perform {_own(calls.delete(QUEUE, []))}(ids)",
    "archive 1": f"perform {_own(calls.archive(QUEUE, []))}(ids)",
    "archive": f"perform {_own(calls.archive(QUEUE, []))}(ids)",
}


@dataclass(frozen=True)
class System:
    """One implementation.  settings: what it is, for the report."""

    settings: str
    install: Callable[[str], None]


def statement(calls: Calls, name: str, n: int) -> str:
    """The text for so many messages."""
    return calls.get(f"{name} {n}", calls.get(name, "")).format(n=n)


def _install_upstream(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(get_embedded_install_sql().encode())


def _install_ours(dsn: str) -> None:
    migrate(dsn)


SYSTEMS = {
    OURS: System(
        "its public functions; own path: what its client asks for instead, the functions of one queue, planned once a session",
        _install_ours,
    ),
    PEER: System(f"PGMQ {get_embedded_sql_version()}, the SQL that the package `pgmq` ships", _install_upstream),
}


def settings_of(name: str) -> str:
    """What a system is, for the report."""
    return SYSTEMS[name].settings
