"""Seeded bugs: each is our own SQL with one mistake in it, which the judge must find.

A mutant changes every function whose name matches, by a regular expression that must match in at least one of them.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from tests.torture.scene import GROUPED, PARTITIONED, QUEUES, TOPICS


@dataclass(frozen=True)
class Mutant:
    """functions: of which schema and name, as a pattern.  old, new: as in re.sub.  found_as: any of these must be violated.

    where: the queues to play with: on few, a mistake is soon made. By default the one that the function is named after.
    calm: nothing strikes: it is seen only where little is excused by lost answers.
    """

    name: str
    functions: str
    old: str
    new: str
    found_as: str
    where: tuple[str, ...] = ()
    calm: bool = False

    @property
    def queues(self) -> Sequence[str]:
        """Where it is looked for."""
        return self.where or [queue for queue in QUEUES if self.functions.endswith(f".{queue}")] or QUEUES

    def prepare(self, conn: "psycopg.Connection[Any]") -> None:
        """Make the mistake in this database, after it was put in a hurry: some can only then be seen in seconds."""
        hurry(conn)
        rewrite(conn, self.functions, self.old, self.new)


def hurry(conn: "psycopg.Connection[Any]") -> None:
    """No mistake: reads do a hundred times as often what they otherwise do now and then, move the scan bound."""
    rewrite(conn, r"pgmq\..*", r"random\(\) < 0\.0025", "random() < 0.25")


def rewrite(conn: "psycopg.Connection[Any]", functions: str, old: str, new: str) -> None:
    """Replace text in functions; it is an error if it is in none."""
    changed = 0
    for (definition,) in conn.execute(DEFINITIONS, [f"^({functions})$"]).fetchall():
        rewritten, matches = re.subn(old, new, definition, flags=re.DOTALL)
        changed += matches
        if matches:
            conn.execute(rewritten.encode())
    assert changed, f"{old!r} is in no function {functions!r}"


DEFINITIONS = """
    select pg_get_functiondef(p.oid) from pg_proc p
    where p.pronamespace in ('pgmq'::regnamespace, 'hanjul'::regnamespace) and p.prokind = 'f'
      and p.pronamespace::regnamespace::text || '.' || p.proname ~ %s
"""
COUNTED = r"read_ct = m\.read_ct \+ 1"
LOCKED = r" for update skip locked"
FENCED = r"m\.read_ct = l\.attempt"
INSERTED = r"values \(\$3, \$1, \$2, "
SENT = r"pgmq\.send\..*"

SOME = ("plain", "leased")

MUTANTS = (
    # name, functions, what is there, what is put there, found as
    Mutant("a read takes what is leased", r"pgmq\.read\.plain", r"c\.vt <= ts", "c.vt < ts + interval '1 hour'", "I3"),
    Mutant("a claim takes what is leased", r"pgmq\.claim\.leased", r"c\.vt <= ts", "c.vt < ts + interval '1 hour'", "I3"),
    Mutant("a pop takes what is leased", r"pgmq\.pop\.popped", r"c\.vt <= ts", "c.vt < ts + interval '1 hour'", "I3"),
    Mutant("a read locks nothing", r"pgmq\.read\.plain", LOCKED, "", "I3 I4"),
    Mutant("a claim locks nothing", r"pgmq\.claim\.leased", LOCKED, "", "I3"),
    Mutant("a read is not counted", r"pgmq\.read\.plain", COUNTED, "read_ct = greatest(m.read_ct, 1)", "I4"),
    Mutant("a claim is not counted", r"pgmq\.claim\.leased", COUNTED, "read_ct = greatest(m.read_ct, 1)", "I4"),
    Mutant("a read leases for half the time", r"pgmq\.read\.plain", r"secs => \$1", "secs => $1 / 2.0", "I3"),
    Mutant("a claim leases for half the time", r"pgmq\.claim\.leased", r"secs => \$1", "secs => $1 / 2.0", "I3"),
    Mutant("a claim forgets what was abandoned", r"pgmq\.claim\.leased", r"c\.vt <= ts", "c.vt <= ts and c.read_ct < 2", "I10"),
    Mutant("a read takes the newest first", r"pgmq\.read\.plain", r"order by c\.due, c\.msg_id", "order by c.msg_id desc", "I11"),
    Mutant("a pop loses one of several", r"pgmq\.pop\.popped", r"delete from .*?m\.headers",
           r"with popped as (\g<0>) select * from popped order by msg_id limit greatest(1, $1 - 1)", "I1", calm=True),
    Mutant("a delete only says so", r"pgmq\.delete\.plain", r"delete from (\S+) m", r"update \1 m set vt = m.vt", "I5 I13"),
    Mutant("an archive only copies", r"pgmq\.archive\.plain", r"delete from (\S+) m", r"update \1 m set vt = m.vt", "I5 I13"),
    Mutant("an archive loses some", r"pgmq\.archive\.plain", "from taken", r"\g<0> where taken.msg_id % 2 <> 0", "I1"),
    Mutant("set_vt only shortens", r"pgmq\.set_vt\.plain", r"set vt = \$2", "set vt = least(m.vt, $2)", "I3"),
    Mutant("an ack only says so", r"pgmq\.ack\.leased", r"delete from (\S+) m", r"update \1 m set settled = m.settled", "I9"),
    Mutant("an ack is not fenced", r"pgmq\.ack\.leased", r"and case when alike.*? end returning", "returning", "I1 I6"),
    Mutant("a nack is not fenced", r"pgmq\.nack\.leased", FENCED + r"(.*?)returning m\.msg_id, m\.read_ct",
           r"m.read_ct >= l.attempt\1returning l.msg_id, l.attempt as read_ct", "I3 I6"),
    Mutant("a refusal is not told", r"hanjul\._refused", "from pair p", "from (select * from pair where false) p",
           "I5 I6 I9", ("leased",)),
    Mutant("what was nacked can be acked", r"pgmq\.ack\.leased", r"and m\.settled < m\.read_ct", "", "I6"),
    Mutant("an ack loses the headers", r"pgmq\.ack_to_archive\.leased", r"m\.headers\)", "null::jsonb)", "I12"),
    Mutant("a release takes its number back", r"pgmq\.release\.leased", r"settled = m\.read_ct, released = m\.released \+ 1",
           "read_ct = m.read_ct - 1", "I4"),
    Mutant("a release is charged", r"pgmq\.release\.leased", r"released = m\.released \+ 1", "released = m.released", "I4"),
    Mutant("no attempt is charged", r"pgmq\.claim\.leased", r"m\.read_ct, m\.released", "m.read_ct, m.read_ct", "I4"),
    Mutant("a nack is due at once", r"pgmq\.nack\.leased", r"secs => l\.delay_s", "secs => 0", "I3"),
    Mutant("an extension shortens", r"pgmq\.extend\.leased", r"secs => \$3", "secs => $3 / 10", "I3"),
    Mutant("a rejected message is lost", r"pgmq\.reject\.leased", r"from done d order by",
           "from done d where d.msg_id % 3 <> 0 order by", "I1 I8"),
    Mutant("a rejected message stays", r"pgmq\.reject\.leased", r"delete from (\S+) m using",
           r"update \1 m set vt = m.vt from", "I5 I8 I13"),
    Mutant("a death is blamed on nobody", r"pgmq\.reject\.leased", r"left\(d\.error, 2048\)", "null", "I8"),
    Mutant("a delay is ignored", SENT, INSERTED + r"case.*?end\)",
           "values (least($3, clock_timestamp()), $1, $2, null)", "I2", SOME),
    Mutant("a header is lost", SENT, INSERTED, "values ($3, $1, $2 - 'x-unknown', ", "I12", SOME),
    Mutant("ids are given again", SENT, r"insert into (\S+) \(vt(.*?)values \(",
           r"insert into \1 (msg_id, vt\2overriding system value values ((select coalesce(max(m.msg_id), 0) + 1 from \1 m), ",
           "I14", SOME),
    Mutant("a batch loses its last", r"pgmq\.send_batch\..*", r"unnest\(\$1\)",
           "unnest(trim_array($1, (random() < 0.2)::int))", "I1 I12", SOME),
    Mutant("a batch is sent twice", r"pgmq\.send_many\..*", r"from pg_catalog\.jsonb_array_elements\(\$1\)",
           "from pg_catalog.jsonb_array_elements($1 || $1)", "I14", SOME),
    Mutant("a sender keeps its lock", SENT, r"not pg_catalog\.pg_advisory_unlock\(1751215722, (-?\d+)\)", "false", "I15", SOME),
    Mutant("the scan bound forgets slow writers", r"pgmq\.tidy\..*",
           r"start := least\((.*?), left_behind\);(.*?)random.. < \(.*?\) then", r"start := \1;\2false then", "I10", ("plain",)),
    Mutant("a group is read by two", r"pgmq\.take\.grouped.*", r" and m\.vt <= \$5", "", "I3 I7", tuple(GROUPED)),
    Mutant("a group goes on after what is hidden", r"pgmq\.take\.grouped.*", r"exit when (locked|run)\[i\][^;]*;", "",
           "I7", tuple(GROUPED)),
    Mutant("a group is locked by nobody", r"pgmq\.take\.grouped.*", LOCKED, "", "I3", tuple(GROUPED)),
    Mutant("metrics see what is delayed", r"pgmq\.metrics", r"filter \(where m\.vt <= now\(\)\)", "", "I13", SOME),
    Mutant("a group is claimed by two", r"pgmq\.take\.ordered", r" and m\.vt <= \$5", "", "I3 I7"),
    Mutant("a group is claimed behind its oldest", r"pgmq\.take\.ordered", r"m\.msg_id > \$2", r"\g<0> and m.vt <= $5", "I7"),
    Mutant("two of a group are claimed", r"pgmq\.claim_groups\.ordered", r"\(\$1, \$2, 1, false\)", "($1, $2, 2, false)", "I7"),
    Mutant("two of a group are worked at", r"pgmq\.claim_groups\.lined", r"\(\$1, \$2, 1, false\)", "($1, $2, 2, false)", "I7"),
    Mutant("a claimed group is locked by nobody", r"pgmq\.take\.ordered", LOCKED, "", "I3"),
    Mutant("a claim of groups counts too much", r"pgmq\.claim_groups\.ordered", r"m\.read_ct, m\.released",
           "m.read_ct, m.read_ct", "I4"),
    Mutant("a topic reaches one queue", r"pgmq\._queues_of", r"order by b\.queue_name", r"\g<0> limit 1", "I1", TOPICS),
    Mutant("a topic reaches a queue once a binding", r"pgmq\._queues_of", "select distinct", "select", "I14", TOPICS),
    Mutant("a topic goes on after it is unbound", r"pgmq\.unbind_topic", "delete from", "perform from", "I2", TOPICS),
    Mutant("a binding is forgotten", r"pgmq\.bind_topic", r"values \(bind_topic\.pattern, bind_topic\.queue_name\)",
           "select bind_topic.pattern, bind_topic.queue_name where random() < 0.5", "I1", TOPICS),
    Mutant("a topic loses the headers", r"pgmq\.send_topic", "queue, msg, headers, vt", "queue, msg, null, vt", "I12", TOPICS),
    Mutant("a topic's batch skips a queue", r"pgmq\.send_batch_topic", r"_queues_of\(routing_key\) loop",
           r"\g<0> continue when random() < 0.2;", "I1", TOPICS),
    Mutant("a redrive loses some", r"hanjul\.redrive", "from back b", r"\g<0> where mod(b.id, 3) <> 0", "I1", ("leased",)),
    Mutant("a redrive only copies", r"hanjul\.redrive", r"delete from hanjul\.dead_letter d",
           "update hanjul.dead_letter d set error = d.error", "I13 I14", ("leased",)),
    Mutant("a redrive loses the headers", r"hanjul\.redrive", r"b\.headers from", "null from", "I12", ("leased",)),
    Mutant("a redrive keeps the attempts", r"hanjul\.redrive", r"\(vt, message, headers\) select \$3,",
           "(vt, read_ct, message, headers) select $3, 5,", "I4", ("leased",)),
    Mutant("retention takes what is not finished", r"pgmq\._has_rows", "return found_one", "return false", "I1", ("by_id",)),
    Mutant("retention takes what is still coming", r"pgmq\._newest", r"return coalesce\(newest, 0\)",
           "return coalesce(newest, 0) + 40",
           "I1", ("by_id",)),
    Mutant("retention forgets how long", r"pgmq\._oldest_kept", r" - p\.retention_interval::interval", "", "I1", ("by_time",)),
    Mutant("nothing is ever retired", r"pgmq\._drop_partitions", "oldest_kept is null", "true", "I15", tuple(PARTITIONED)),
    Mutant("a new partition loses some", r"pgmq\._add_partition", "select \\* from moved",
           r"\g<0> where mod(moved.msg_id, 3) <> 0", "I1", ("by_id",)),
    Mutant("a new partition is not attached", r"pgmq\._add_partition", "'alter table pgmq",
           "'select 1 -- alter table pgmq", "I1 I15", ("by_id",)),
    Mutant("senders and partitions get into each other's way", r"pgmq\._add_partition", "share row exclusive",
           "row exclusive", "errors",
           ("by_id",)),
)  # fmt: skip
Prepare = Callable[["psycopg.Connection[Any]"], None]
