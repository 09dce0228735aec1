"""What clients in Ruby, Go, Rust, Java and Kotlin send, statement by statement, with the parameter types that their drivers declare.

The statements are from the source of those clients, as it was in 2026. They are sent here as those drivers send them: text, by
the extended protocol, each parameter with its type or, where the driver leaves that to the server, with none.
"""

# ruff: noqa: E501, ISC004  (a statement is one line, or one value)

import re

import psycopg
import pytest

OIDS = {"untyped": 0, "text": 25, "varchar": 1043, "integer": 23, "bigint": 20, "bigint[]": 1016, "jsonb": 3802, "jsonb[]": 3807}
OIDS |= {"int": OIDS["integer"], "timestamptz": 1184}
LATER = "2100-01-01T00:00:00.000000Z"
ONE, TWO = '{"n": 5}', '{"{\\"n\\": 5}","{\\"n\\": 6}"}'
HEADERS = '{"{\\"trace\\": 1}","{\\"trace\\": 2}"}'
COLUMNS = "msg_id, read_ct, enqueued_at, last_read_at, vt, message, headers"
OLD_COLUMNS = "msg_id, read_ct, enqueued_at, vt, message"
JSON_ARRAY = "(select array_agg((value #>> '{}')::jsonb order by ord) from jsonb_array_elements(?::jsonb) with ordinality as t(value, ord))"

# Each form: the statement, its parameters, and the first column of the answer, with this in the database: a queue `mail` with
# messages 1 to 4, of the groups A, A, B, A, and a topic binding of orders.* to it.

RUBY = [  # pgmq-ruby: no parameter has a type, every one is cast
    ("SELECT 1 FROM pgmq.meta WHERE queue_name = $1 LIMIT 1", ["mail"], ["1"]),
    ("SELECT pgmq.create($1::text)", ["post"], [""]),
    ("SELECT pgmq.create_unlogged($1::text)", ["post"], [""]),
    ("SELECT pgmq.create_partitioned($1::text, $2::text, $3::text)", ["parts", "10000", "100000"], [""]),
    ("SELECT pgmq.drop_queue($1::text)", ["mail"], ["t"]),
    ("SELECT pgmq.drop_queue($1::text)", ["none"], ["f"]),
    ("SELECT * FROM pgmq.list_queues()", [], ["mail"]),
    ("SELECT * FROM pgmq.send($1::text, $2::jsonb, $3::integer)", ["mail", ONE, "0"], ["5"]),
    ("SELECT * FROM pgmq.send($1::text, $2::jsonb, $3::timestamptz)", ["mail", ONE, LATER], ["5"]),
    ("SELECT * FROM pgmq.send($1::text, $2::jsonb, $3::jsonb, $4::integer)", ["mail", ONE, ONE, "0"], ["5"]),
    ("SELECT * FROM pgmq.send($1::text, $2::jsonb, $3::jsonb, $4::timestamptz)", ["mail", ONE, ONE, LATER], ["5"]),
    ("SELECT * FROM pgmq.send_batch($1::text, $2::jsonb[], $3::integer)", ["mail", TWO, "0"], ["5", "6"]),
    ("SELECT * FROM pgmq.send_batch($1::text, $2::jsonb[], $3::timestamptz)", ["mail", TWO, LATER], ["5", "6"]),
    ("SELECT * FROM pgmq.send_batch($1::text, $2::jsonb[], $3::jsonb[], $4::integer)", ["mail", TWO, HEADERS, "0"], ["5", "6"]),
    (
        "SELECT * FROM pgmq.send_batch($1::text, $2::jsonb[], $3::jsonb[], $4::timestamptz)",
        ["mail", TWO, HEADERS, LATER],
        ["5", "6"],
    ),
    ("SELECT * FROM pgmq.read($1::text, $2::integer, $3::integer)", ["mail", "30", "2"], ["1", "2"]),
    ("SELECT * FROM pgmq.read($1::text, $2::integer, $3::integer, $4::jsonb)", ["mail", "30", "2", '{"n": 3}'], ["3"]),
    (
        "SELECT * FROM pgmq.read_with_poll($1::text, $2::integer, $3::integer, $4::integer, $5::integer)",
        ["mail", "30", "2", "5", "100"],
        ["1", "2"],
    ),
    (
        "SELECT * FROM pgmq.read_with_poll($1::text, $2::integer, $3::integer, $4::integer, $5::integer, $6::jsonb)",
        ["mail", "30", "2", "5", "100", '{"n": 3}'],
        ["3"],
    ),
    ("SELECT * FROM pgmq.read_grouped($1::text, $2::integer, $3::integer)", ["mail", "30", "3"], ["1", "2", "4"]),
    ("SELECT * FROM pgmq.read_grouped_rr($1::text, $2::integer, $3::integer)", ["mail", "30", "3"], ["1", "3", "2"]),
    ("SELECT * FROM pgmq.read_grouped_head($1::text, $2::integer, $3::integer)", ["mail", "30", "3"], ["1", "3"]),
    (
        "SELECT * FROM pgmq.read_grouped_with_poll($1::text, $2::integer, $3::integer, $4::integer, $5::integer)",
        ["mail", "30", "3", "5", "100"],
        ["1", "2", "4"],
    ),
    (
        "SELECT * FROM pgmq.read_grouped_rr_with_poll($1::text, $2::integer, $3::integer, $4::integer, $5::integer)",
        ["mail", "30", "3", "5", "100"],
        ["1", "3", "2"],
    ),
    (
        "SELECT 'mail'::text as queue_name, * FROM pgmq.read('mail'::text, 30, 2)\nUNION ALL\nSELECT 'mail'::text as queue_name, * FROM pgmq.read('mail'::text, 30, 1)\nLIMIT 3",
        [],
        ["mail", "mail", "mail"],
    ),
    ("SELECT 'mail'::text as queue_name, * FROM pgmq.pop('mail'::text)\nLIMIT 1", [], ["mail"]),
    ("SELECT * FROM pgmq.pop($1::text)", ["mail"], ["1"]),
    ("SELECT pgmq.delete($1::text, $2::bigint)", ["mail", "1"], ["t"]),
    ("SELECT * FROM pgmq.delete($1::text, $2::bigint[])", ["mail", "{1,2,9}"], ["1", "2"]),
    ("SELECT pgmq.archive($1::text, $2::bigint)", ["mail", "9"], ["f"]),
    ("SELECT * FROM pgmq.archive($1::text, $2::bigint[])", ["mail", "{1,2,9}"], ["1", "2"]),
    ("SELECT * FROM pgmq.set_vt($1::text, $2::bigint, $3::integer)", ["mail", "1", "60"], ["1"]),
    ("SELECT * FROM pgmq.set_vt($1::text, $2::bigint[], $3::integer)", ["mail", "{1,2,9}", "60"], ["1", "2"]),
    ("SELECT pgmq.purge_queue($1::text)", ["mail"], ["4"]),
    ("SELECT * FROM pgmq.metrics($1::text)", ["mail"], ["mail"]),
    ("SELECT * FROM pgmq.metrics_all()", [], ["mail"]),
    ("SELECT pgmq.enable_notify_insert($1::text, $2::integer)", ["mail", "250"], [""]),
    ("SELECT pgmq.disable_notify_insert($1::text)", ["mail"], [""]),
    (
        "SELECT pgmq.convert_archive_partitioned($1::text, $2::text, $3::text, $4::integer)",
        ["mail", "10000", "100000", "10"],
        [""],
    ),
    ("SELECT pgmq.bind_topic($1::text, $2::text)", ["orders.#", "mail"], [""]),
    ("SELECT pgmq.unbind_topic($1::text, $2::text)", ["orders.*", "mail"], ["t"]),
    ("SELECT pgmq.send_topic($1::text, $2::jsonb)", ["orders.new", ONE], ["1"]),
    ("SELECT pgmq.send_topic($1::text, $2::jsonb, $3::integer)", ["orders.new", ONE, "60"], ["1"]),
    ("SELECT pgmq.send_topic($1::text, $2::jsonb, $3::jsonb, $4::integer)", ["orders.new", ONE, ONE, "0"], ["1"]),
    ("SELECT * FROM pgmq.send_batch_topic($1::text, $2::jsonb[])", ["orders.new", TWO], ["mail", "mail"]),
    ("SELECT * FROM pgmq.send_batch_topic($1::text, $2::jsonb[], $3::integer)", ["orders.new", TWO, "60"], ["mail", "mail"]),
    ("SELECT * FROM pgmq.send_batch_topic($1::text, $2::jsonb[], $3::timestamptz)", ["orders.new", TWO, LATER], ["mail", "mail"]),
    (
        "SELECT * FROM pgmq.send_batch_topic($1::text, $2::jsonb[], $3::jsonb[], $4::integer)",
        ["orders.new", TWO, HEADERS, "0"],
        ["mail", "mail"],
    ),
    (
        "SELECT * FROM pgmq.send_batch_topic($1::text, $2::jsonb[], $3::jsonb[], $4::timestamptz)",
        ["orders.new", TWO, HEADERS, LATER],
        ["mail", "mail"],
    ),
    ("SELECT pattern, queue_name, bound_at FROM pgmq.list_topic_bindings($1::text)", ["mail"], ["orders.*"]),
    ("SELECT pattern, queue_name, bound_at FROM pgmq.list_topic_bindings()", [], ["orders.*"]),
    ("SELECT pattern, queue_name FROM pgmq.test_routing($1::text)", ["orders.new"], ["orders.*"]),
    ("SELECT pgmq.validate_routing_key($1::text)", ["orders.new"], ["t"]),
    ("SELECT pgmq.validate_topic_pattern($1::text)", ["orders.*"], ["t"]),
    ('ALTER TABLE pgmq."q_mail" SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 50)', [], []),
    ('ALTER TABLE pgmq."a_mail" SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 50)', [], []),
]

GO = [  # pgmq-go: no parameter has a type, some are cast
    ("SELECT pgmq.create($1)", ["post"], [""]),
    ("SELECT pgmq.create_unlogged($1)", ["post"], [""]),
    ("SELECT pgmq.drop_queue($1)", ["mail"], ["t"]),
    ("SELECT * FROM pgmq.send($1, $2, $3::int)", ["mail", ONE, "0"], ["5"]),
    ("SELECT * FROM pgmq.send($1, $2, $3::timestamptz)", ["mail", ONE, LATER], ["5"]),
    ("SELECT * FROM pgmq.send_batch($1, $2::jsonb[], $3::int)", ["mail", TWO, "0"], ["5", "6"]),
    ("SELECT * FROM pgmq.send_batch($1, $2::jsonb[], $3::timestamptz)", ["mail", TWO, LATER], ["5", "6"]),
    ("SELECT * FROM pgmq.read($1, $2, $3)", ["mail", "30", "2"], ["1", "2"]),
    ("SELECT * FROM pgmq.pop($1)", ["mail"], ["1"]),
    ("SELECT pgmq.archive($1, $2::bigint)", ["mail", "1"], ["t"]),
    ("SELECT pgmq.archive($1, $2::bigint[])", ["mail", "{1,2,9}"], ["1", "2"]),
    ("SELECT pgmq.delete($1, $2::bigint)", ["mail", "1"], ["t"]),
    ("SELECT pgmq.delete($1, $2::bigint[])", ["mail", "{1,2,9}"], ["1", "2"]),
    ("SELECT * FROM pgmq.set_vt($1, $2::bigint, $3::int)", ["mail", "1", "60"], ["1"]),
]

RUST = [  # pgmq-rs: every parameter has the type to which it is cast (sqlx, tokio-postgres, diesel)
    ("SELECT * from pgmq.acquire_queue_lock(queue_name=>$1::text);", ["mail"], [""]),
    ("SELECT EXISTS(SELECT 1 FROM pgmq.meta WHERE queue_name = $1::text);", ["mail"], ["t"]),
    ("SELECT * from pgmq.create(queue_name=>$1::text);", ["post"], [""]),
    ("SELECT * from pgmq.create_unlogged(queue_name=>$1::text);", ["post"], [""]),
    ("SELECT * from pgmq.create_partitioned(queue_name=>$1::text);", ["parts"], [""]),
    ("SELECT * from pgmq.drop_queue(queue_name=>$1::text);", ["mail"], ["t"]),
    ("SELECT * from pgmq.purge_queue(queue_name=>$1::text);", ["mail"], ["4"]),
    ("SELECT queue_name, is_partitioned, is_unlogged, created_at from pgmq.list_queues();", [], ["mail"]),
    (
        f"SELECT {OLD_COLUMNS} from pgmq.set_vt(queue_name=>$1::text, msg_id=>$2::bigint, vt=>$3::integer);",
        ["mail", "1", "60"],
        ["1"],
    ),
    (
        f"SELECT {COLUMNS} from pgmq.set_vt(queue_name=>$1::text, msg_ids=>$2::bigint[], vt=>$3::integer)",
        ["mail", "{1,2}", "60"],
        ["1", "2"],
    ),
    ("SELECT * from pgmq.send(queue_name=>$1::text, msg=>$2::jsonb, delay=>$3::int);", ["mail", ONE, "0"], ["5"]),
    (
        "SELECT * FROM pgmq.send(queue_name=>$1::text, msg=>$2::jsonb, headers=>$3::jsonb, delay=>$4::int)",
        ["mail", ONE, "null", "0"],
        ["5"],
    ),
    (
        "SELECT * from pgmq.send_batch(queue_name=>$1::text, msgs=>$2::jsonb[], delay=>$3::integer);",
        ["mail", TWO, "0"],
        ["5", "6"],
    ),
    (
        "SELECT * from pgmq.send_batch(queue_name=>$1::text, msgs=>$2::jsonb[], headers=>$3::jsonb[], delay=>$4::integer)",
        ["mail", TWO, HEADERS, "0"],
        ["5", "6"],
    ),
    (
        f"SELECT {OLD_COLUMNS} from pgmq.read(queue_name=>$1::text, vt=>$2::integer, qty=>$3::integer)",
        ["mail", "30", "2"],
        ["1", "2"],
    ),
    (
        f"SELECT {COLUMNS} FROM pgmq.read(queue_name=>$1::text, vt=>$2::integer, qty=>$3::integer)",
        ["mail", "30", "2"],
        ["1", "2"],
    ),
    (
        f"SELECT {OLD_COLUMNS} from pgmq.read_with_poll(queue_name=>$1::text, vt=>$2::integer, qty=>$3::integer, max_poll_seconds=>$4::integer, poll_interval_ms=>$5::integer)",
        ["mail", "30", "2", "5", "250"],
        ["1", "2"],
    ),
    (f"SELECT {OLD_COLUMNS} from pgmq.pop(queue_name=>$1::text)", ["mail"], ["1"]),
    (f"SELECT {COLUMNS} from pgmq.pop(queue_name=>$1::text, qty=>$2::integer)", ["mail", "2"], ["1", "2"]),
    ("SELECT * from pgmq.archive(queue_name=>$1::text, msg_id=>$2::bigint)", ["mail", "1"], ["t"]),
    ("SELECT * from pgmq.archive(queue_name=>$1::text, msg_ids=>$2::bigint[])", ["mail", "{1,2,9}"], ["1", "2"]),
    ("SELECT * from pgmq.delete(queue_name=>$1::text, msg_id=>$2::bigint)", ["mail", "1"], ["t"]),
    ("SELECT * from pgmq.delete(queue_name=>$1::text, msg_ids=>$2::bigint[])", ["mail", "{1,2,9}"], ["1", "2"]),
    ("SELECT * from pgmq.create_fifo_index(queue_name=>$1::text);", ["mail"], [""]),
    ("SELECT * from pgmq.create_fifo_indexes_all();", [], [""]),
    (
        f"SELECT {COLUMNS} FROM pgmq.read_grouped(queue_name=>$1::text, vt=>$2::integer, qty=>$3::integer)",
        ["mail", "30", "3"],
        ["1", "2", "4"],
    ),
    (
        f"SELECT {COLUMNS} FROM pgmq.read_grouped_rr(queue_name=>$1::text, vt=>$2::integer, qty=>$3::integer)",
        ["mail", "30", "3"],
        ["1", "3", "2"],
    ),
    (
        f"SELECT {COLUMNS} FROM pgmq.read_grouped_head(queue_name=>$1::text, vt=>$2::integer, qty=>$3::integer)",
        ["mail", "30", "3"],
        ["1", "3"],
    ),
    ("SELECT pgmq.bind_topic(pattern=>$1::text, queue_name=>$2::text)", ["orders.#", "mail"], [""]),
    ("SELECT pgmq.unbind_topic(pattern=>$1::text, queue_name=>$2::text)", ["orders.*", "mail"], ["t"]),
    (
        "SELECT pattern, queue_name, bound_at, compiled_regex from pgmq.list_topic_bindings(queue_name=>$1::text)",
        ["mail"],
        ["orders.*"],
    ),
    (
        "SELECT * from pgmq.send_topic(routing_key=>$1::text, msg=>$2::jsonb, headers=>$3::jsonb, delay=>$4::int)",
        ["orders.new", ONE, "{}", "0"],
        ["1"],
    ),
    (
        "SELECT queue_name, msg_id from pgmq.send_batch_topic(routing_key=>$1::text, msgs=>$2::jsonb[], headers=>$3::jsonb[], delay=>$4::integer)",
        ["orders.new", TWO, HEADERS, "0"],
        ["mail", "mail"],
    ),
]

MAIL = ("text", "mail")  # the first of the Java clients declares text; a String of JDBC is a varchar otherwise
JDBC = [  # pgmq-jdbc-client: names every argument, casts almost none
    ("SELECT pgmq.create(queue_name => ?)", [("text", "post")], [""]),
    ("SELECT pgmq.create_unlogged(queue_name => ?)", [("text", "post")], [""]),
    ("SELECT pgmq.drop_queue(queue_name => ?)", [MAIL], ["t"]),
    ("SELECT pgmq.send(queue_name => ?, msg => ?)", [MAIL, ("jsonb", ONE)], ["5"]),
    ("SELECT pgmq.send(queue_name => ?, msg => ?, delay => ?)", [MAIL, ("jsonb", ONE), ("integer", "0")], ["5"]),
    ("SELECT pgmq.send(queue_name => ?, msg => ?, delay => ?)", [MAIL, ("jsonb", ONE), ("timestamptz", LATER)], ["5"]),
    ("SELECT pgmq.send(queue_name => ?, msg => ?, headers => ?)", [MAIL, ("jsonb", ONE), ("jsonb", ONE)], ["5"]),
    (
        "SELECT pgmq.send(queue_name => ?, msg => ?, headers => ?, delay => ?)",
        [MAIL, ("jsonb", ONE), ("jsonb", ONE), ("integer", "0")],
        ["5"],
    ),
    (
        "SELECT pgmq.send(queue_name => ?, msg => ?, headers => ?, delay => ?)",
        [MAIL, ("jsonb", ONE), ("jsonb", ONE), ("timestamptz", LATER)],
        ["5"],
    ),
    ("SELECT pgmq.send_batch(queue_name => ?, msgs => ?)", [MAIL, ("jsonb[]", TWO)], ["5", "6"]),
    (
        "SELECT pgmq.send_batch(queue_name => ?, msgs => ?, delay => ?)",
        [MAIL, ("jsonb[]", TWO), ("timestamptz", LATER)],
        ["5", "6"],
    ),
    (
        "SELECT pgmq.send_batch(queue_name => ?, msgs => ?, headers => ?)",
        [MAIL, ("jsonb[]", TWO), ("jsonb[]", HEADERS)],
        ["5", "6"],
    ),
    (
        "SELECT pgmq.send_batch(queue_name => ?, msgs => ?, headers => ?, delay => ?)",
        [MAIL, ("jsonb[]", TWO), ("jsonb[]", HEADERS), ("integer", "0")],
        ["5", "6"],
    ),
    (
        "SELECT pgmq.send_batch(queue_name => ?, msgs => ?, headers => ?, delay => ?)",
        [MAIL, ("jsonb[]", TWO), ("jsonb[]", HEADERS), ("timestamptz", LATER)],
        ["5", "6"],
    ),
    (
        "SELECT msg_id, read_ct, enqueued_at, vt, headers, message FROM pgmq.read(queue_name => ?, vt => ?, qty => ?, conditional => ?)",
        [MAIL, ("integer", "30"), ("integer", "2"), ("jsonb", "{}")],
        ["1", "2"],
    ),
    (
        "SELECT msg_id, headers FROM pgmq.read_with_poll(queue_name => ?, vt => ?, qty => ?, max_poll_seconds => ?, poll_interval_ms => ?, conditional => ?)",
        [MAIL, ("integer", "30"), ("integer", "2"), ("integer", "5"), ("integer", "100"), ("jsonb", "{}")],
        ["1", "2"],
    ),
    (
        "SELECT msg_id, headers FROM pgmq.read_with_poll(queue_name => ?, vt => ?, qty => ?, conditional => ?)",
        [MAIL, ("integer", "30"), ("integer", "2"), ("jsonb", "{}")],
        ["1", "2"],
    ),
    ("SELECT msg_id, read_ct, enqueued_at, vt, headers, message FROM pgmq.pop(queue_name => ?)", [MAIL], ["1"]),
    ("SELECT pgmq.delete(queue_name => ?, msg_id => ?)", [MAIL, ("bigint", "1")], ["t"]),
    ("SELECT pgmq.delete(queue_name => ?, msg_ids => ?::bigint[])", [MAIL, ("bigint[]", "{1,2,9}")], ["1", "2"]),
    ("SELECT pgmq.archive(queue_name => ?, msg_id => ?)", [MAIL, ("bigint", "1")], ["t"]),
    ("SELECT * FROM pgmq.archive(queue_name => ?, msg_ids => ?::bigint[])", [MAIL, ("bigint[]", "{1,2,9}")], ["1", "2"]),
    ("SELECT pgmq.purge_queue(queue_name => ?)", [MAIL], ["4"]),
    ("SELECT * FROM pgmq.metrics(queue_name => ?)", [MAIL], ["mail"]),
    (
        "SELECT msg_id, read_ct, enqueued_at, vt, headers, message FROM pgmq.set_vt(queue_name => ?, msg_id => ?, vt => ?)",
        [MAIL, ("bigint", "1"), ("integer", "60")],
        ["1"],
    ),
]

STRING = ("varchar", "mail")
SPRING = [  # the two of the name pgmq-spring
    ("select * from pgmq.send(?, ?::JSONB, ?)", [STRING, ("varchar", ONE), ("integer", "0")], ["5"]),
    ("select * from pgmq.send_batch(?, ?::JSONB[], ?)", [STRING, ("untyped", TWO), ("integer", "0")], ["5", "6"]),
    ("select * from pgmq.read(?, ?, ?)", [STRING, ("integer", "30"), ("integer", "2")], ["1", "2"]),
    ("select * from pgmq.pop(?)", [STRING], ["1"]),
    ("select * from pgmq.delete(?, ?)", [STRING, ("bigint", "1")], ["t"]),
    ("select * from pgmq.delete(?, ?)", [STRING, ("bigint[]", "{1,2,9}")], ["1", "2"]),
    ("select * from pgmq.archive(?, ?)", [STRING, ("bigint", "1")], ["t"]),
    ("select * from pgmq.archive(?, ?)", [STRING, ("bigint[]", "{1,2,9}")], ["1", "2"]),
    (
        "select * from pgmq.send(?::text, ?::jsonb, ?::jsonb, ?::integer)",
        [STRING, ("varchar", ONE), ("varchar", None), ("integer", "0")],
        ["5"],
    ),
    (
        "select * from pgmq.send(?::text, ?::jsonb, ?::jsonb, ?::timestamptz)",
        [STRING, ("varchar", ONE), ("varchar", None), ("varchar", LATER)],
        ["5"],
    ),
    (
        f"select * from pgmq.send_batch(?::text, {JSON_ARRAY}, {JSON_ARRAY}, ?::integer)",
        [STRING, ("varchar", '["1", "2"]'), ("varchar", '["{}", "{}"]'), ("integer", "0")],
        ["5", "6"],
    ),
    (
        "select * from pgmq.read_grouped_head_with_poll(?::text, ?::integer, ?::integer, ?::integer, ?::integer)",
        [STRING, ("integer", "30"), ("integer", "3"), ("integer", "5"), ("integer", "100")],
        ["1", "3"],
    ),
    ("select pgmq.enable_notify_insert(?::text)", [STRING], [""]),
    ("select msg_id from pgmq.set_vt(?::text, ?::bigint, ?::timestamptz)", [STRING, ("bigint", "1"), ("varchar", LATER)], ["1"]),
    (
        "select msg_id from pgmq.set_vt(?::text, ?::bigint[], ?::timestamptz)",
        [STRING, ("varchar", "{1,2,9}"), ("varchar", LATER)],
        ["1", "2"],
    ),
    ("select * from pgmq.pop(?::text, ?::integer)", [STRING, ("integer", "2")], ["1", "2"]),
]

KOTLIN = [  # pgmq-kotlin-jvm: the result column goes by the function's name
    ("SELECT pgmq.create(?)", [("varchar", "post")], [""]),
    ("SELECT pgmq.drop_queue(?)", [STRING], ["t"]),
    ("SELECT queue_name, created_at FROM pgmq.list_queues()", [], ["mail"]),
    ("SELECT send_batch FROM pgmq.send_batch(?, ?::JSONB[], ?)", [STRING, ("untyped", TWO), ("integer", "0")], ["5", "6"]),
    (f"SELECT {OLD_COLUMNS} FROM pgmq.read(?, ?, ?)", [STRING, ("integer", "30"), ("integer", "2")], ["1", "2"]),
    (f"SELECT {OLD_COLUMNS} FROM pgmq.pop(?)", [STRING], ["1"]),
    ("SELECT archive FROM pgmq.archive(?, ?)", [STRING, ("bigint[]", "{1,2,9}")], ["1", "2"]),
    ("SELECT delete FROM pgmq.delete(?, ?)", [STRING, ("bigint[]", "{1,2,9}")], ["1", "2"]),
    ("SELECT purge_queue from pgmq.purge_queue(?)", [STRING], ["4"]),
]

TABLES = [  # pgmq4j writes the tables itself, and calls a function only for set_vt
    (
        "INSERT INTO pgmq.q_mail (vt, message) VALUES ((now() + interval '0 seconds'), ?::json), ((now() + interval '0 seconds'), ?::json) RETURNING msg_id",
        [("varchar", ONE), ("varchar", ONE)],
        ["5", "6"],
    ),
    (
        "WITH cte AS (SELECT msg_id FROM pgmq.q_mail WHERE vt <= clock_timestamp() ORDER BY msg_id ASC LIMIT 1 FOR UPDATE SKIP LOCKED) "
        "UPDATE pgmq.q_mail t SET vt = clock_timestamp() + interval '30 seconds', read_ct = read_ct + 1 FROM cte WHERE t.msg_id = cte.msg_id RETURNING t.*",
        [],
        ["1"],
    ),
    ("DELETE FROM pgmq.q_mail WHERE msg_id = ANY(?)", [("bigint[]", "{1,2}")], []),
    (
        "WITH archived AS (DELETE FROM pgmq.q_mail WHERE msg_id = ANY(?) RETURNING msg_id, vt, read_ct, enqueued_at, message) "
        "INSERT INTO pgmq.a_mail (msg_id, vt, read_ct, enqueued_at, message) SELECT msg_id, vt, read_ct, enqueued_at, message FROM archived RETURNING msg_id",
        [("bigint[]", "{1,2}")],
        ["1", "2"],
    ),
    (
        "DELETE from pgmq.q_mail WHERE msg_id = (SELECT msg_id FROM pgmq.q_mail WHERE vt <= now() ORDER BY msg_id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING *",
        [],
        ["1"],
    ),
    ("SELECT * from pgmq.set_vt('mail', 1, 60)", [], ["1"]),
]


def declared(sql, values):
    """The statement with numbered parameters, and each parameter's type and value, as the driver would send them."""
    if any(isinstance(value, tuple) for value in values):
        numbers = iter(range(1, len(values) + 1))
        return re.sub(r"\?", lambda _: f"${next(numbers)}", sql), values
    return sql, [("untyped", value) for value in values]


def as_cast(sql, values):
    """The same for a driver that declares the type to which a parameter is cast."""
    types = dict(re.findall(r"(\$\d+)::(\w+(?:\[\])?)", sql))
    return sql, [(types[f"${number}"], value) for number, value in enumerate(values, 1)]


FORMS = [
    pytest.param(
        *(as_cast if name == "rust" else declared)(sql, values), answer, id=f"{name}: {' '.join(sql.split())[:90]} {len(values)}"
    )
    for name, forms in {
        "ruby": RUBY,
        "go": GO,
        "rust": RUST,
        "jdbc": JDBC,
        "spring": SPRING,
        "kotlin": KOTLIN,
        "tables": TABLES,
    }.items()
    for sql, values, answer in forms
]


@pytest.fixture(scope="module")
def open_connection(module_dsn):
    """A connection that the tests share: to open a database for each statement would take longer than all else."""
    with psycopg.connect(module_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def connection(open_connection):
    """A connection of libpq, in a transaction that finds the database as described above, and is rolled back."""
    with open_connection.transaction(force_rollback=True):
        open_connection.execute("select pgmq.create('mail')")
        groups = [f'{{"x-pgmq-group": "{group}"}}' for group in "AABA"]
        bodies = [f'{{"n": {n}}}' for n in (1, 2, 3, 4)]
        open_connection.execute("select pgmq.send_batch('mail', %s::jsonb[], %s::jsonb[], -1)", [bodies, groups])
        open_connection.execute("select pgmq.bind_topic('orders.*', 'mail')")
        yield open_connection.pgconn


def send(connection, sql, parameters):
    """The first column of the answer; fails with what the server says."""
    types = [OIDS[type_] for type_, _ in parameters]
    values = [None if value is None else value.encode() for _, value in parameters]
    result = connection.exec_params(sql.encode(), values, types)
    assert result.status in {psycopg.pq.ExecStatus.TUPLES_OK, psycopg.pq.ExecStatus.COMMAND_OK}, result.error_message.decode()
    return [result.get_value(row, 0).decode() for row in range(result.ntuples)]


@pytest.mark.parametrize(("sql", "parameters", "answer"), FORMS)
def test_the_statement_resolves_and_answers(connection, sql, parameters, answer):
    found = send(connection, sql, parameters)

    unordered = re.search(r"pgmq\.(delete|archive|set_vt)\(|INSERT", sql)  # contract, section 7
    assert (sorted(found) if unordered else found) == answer


def test_the_trigger_and_the_throttle_are_found_where_pgmq_spring_looks_for_them(connection):
    send(connection, "select pgmq.enable_notify_insert($1::text, $2::integer)", [("varchar", "mail"), ("integer", "100")])

    found = send(
        connection,
        "select t.throttle_interval_ms from pgmq.notify_insert_throttle t where t.queue_name = $1::text and exists (select 1 "
        "from pg_trigger g join pg_class c on c.oid = g.tgrelid join pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname = 'pgmq' and c.relname = $2::text and g.tgname = 'trigger_notify_queue_insert_listeners')",
        [("varchar", "mail"), ("varchar", "q_mail")],
    )

    assert found == ["100"]


def test_what_the_jdbc_client_calls_by_a_wrong_name_fails_as_on_pgmq(connection):
    # its sendBatch with a delay in seconds calls pgmq.send with `msgs`, which no PGMQ has
    parameters = [MAIL, ("jsonb[]", TWO), ("integer", "0")]

    with pytest.raises(AssertionError, match=r"function pgmq\.send\(.*\) does not exist"):
        send(connection, "SELECT pgmq.send(queue_name => $1, msgs => $2, delay => $3)", parameters)
