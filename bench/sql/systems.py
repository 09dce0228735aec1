"""The two implementations of schema pgmq, and what each is asked to do: one function table in PL/pgSQL.

A statement may use the variables of `script.py` (msgs, tags, batch, ids, reads, size) and {n}, the number of messages.
A name with a number, as `send 1`, is preferred for that number.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psycopg
from pgmq.install import get_embedded_install_sql, get_embedded_sql_version

from hanjul.postgres.migrate import migrate

Calls = Mapping[str, str]

OURS = "hanjul"
PEER = "pgmq"


def _sent(call: str) -> str:
    return f"select array_agg(sent.id) into ids from {call} as sent (id)"


def _taken(call: str, attempt: str = "read_ct") -> str:
    """Every message is made a text, as for a client."""
    told = "sum(length(message::text)) + count(enqueued_at) + count(headers)"
    return f"select array_agg(msg_id), array_agg({attempt}), {told} into ids, reads, size from {call}"


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

CLIENT: Calls = PUBLIC | {  # what our client and our workers call instead
    "send 1": _sent("hanjul.send_many('bench', batch)"),
    "send": _sent("hanjul.send_many('bench', batch)"),
    "read": _taken("hanjul.claim('bench', 300, {n})", attempt="attempt"),
    "delete 1": "perform hanjul.ack('bench', ids, reads)",
    "delete": "perform hanjul.ack('bench', ids, reads)",
    "archive 1": "perform hanjul.ack('bench', ids, reads, true)",
    "archive": "perform hanjul.ack('bench', ids, reads, true)",
    "set_vt 1": "perform hanjul.extend('bench', ids, reads, 600)",
    "set_vt": "perform hanjul.extend('bench', ids, reads, 600)",
}

PER_QUEUE: Calls = PUBLIC | {  # the functions of one queue, whose statements are planned once a session
    "send 1": _sent('pgmq."send.bench"(msgs[1], null, clock_timestamp())'),
    "send": _sent('pgmq."send_batch.bench"(msgs[1:{n}], null, clock_timestamp())'),
    "read": _taken('pgmq."read.bench"(300, {n})'),
    "pop": _taken('pgmq."pop.bench"({n})'),
    "delete 1": 'perform pgmq."delete.bench"(ids)',
    "delete": 'perform pgmq."delete.bench"(ids)',
    "archive 1": 'perform pgmq."archive.bench"(ids)',
    "archive": 'perform pgmq."archive.bench"(ids)',
    "set_vt 1": "perform pgmq.\"set_vt.bench\"(ids, clock_timestamp() + interval '600 seconds')",
    "set_vt": "perform pgmq.\"set_vt.bench\"(ids, clock_timestamp() + interval '600 seconds')",
}

OTHER_PATHS: Mapping[str, Calls] = {"own path": CLIENT, "per queue": PER_QUEUE}
"""Ways of ours past the public functions; a peer has one way for all."""


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
        "its public functions; own path: what its client and workers call instead; per queue: functions planned once a session",
        _install_ours,
    ),
    PEER: System(f"PGMQ {get_embedded_sql_version()}, the SQL that the package `pgmq` ships", _install_upstream),
}


def settings_of(name: str) -> str:
    """What a system is, for the report."""
    return SYSTEMS[name].settings
