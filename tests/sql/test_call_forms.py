"""Section 3.6 of the contract: whatever clients write must find its function, typed or not, by position or by name."""

import pytest
from psycopg import pq

# what arrives without any type: literals, and parameters whose type the server has to find
UNTYPED = [
    ("create", ["own"]),
    ("create_queue", ["own"]),
    ("create_non_partitioned", ["own"]),
    ("create_unlogged", ["own"]),
    ("drop_queue", ["mail"]),
    ("drop_queue", ["mail", "false"]),
    ("delete_queue", ["mail"]),
    ("purge_queue", ["mail"]),
    ("detach_archive", ["mail"]),
    ("list_queues", []),
    ("validate_queue_name", ["mail"]),
    ("format_table_name", ["mail", "q"]),
    ("acquire_queue_lock", ["mail"]),
    ("create_fifo_index", ["mail"]),
    ("create_fifo_indexes_all", []),
    ("metrics", ["mail"]),
    ("metrics_all", []),
    ("q_info", ["mail"]),
    ("peek", ["mail", "1"]),
    ("send", ["mail", "{}"]),
    ("send", ["mail", "{}", "5"]),
    ("send", ["mail", "{}", '{"x-pgmq-group": "a"}']),
    ("send", ["mail", "{}", "2999-01-01"]),
    ("send", ["mail", "{}", "{}", "5"]),
    ("send", ["mail", "{}", "{}", "2999-01-01"]),
    ("send_batch", ["mail", "{1,2}"]),
    ("send_batch", ["mail", "{1,2}", "5"]),
    ("send_batch", ["mail", "{1,2}", "{1,2}"]),
    ("send_batch", ["mail", "{1,2}", "2999-01-01"]),
    ("send_batch", ["mail", "{1,2}", "{1,2}", "5"]),
    ("send_batch", ["mail", "{1,2}", "{1,2}", "2999-01-01"]),
    ("send_topic", ["k", "{}"]),
    ("send_topic", ["k", "{}", "5"]),
    ("send_topic", ["k", "{}", "{}"]),
    ("send_topic", ["k", "{}", "{}", "5"]),
    ("send_batch_topic", ["k", "{1,2}"]),
    ("send_batch_topic", ["k", "{1,2}", "5"]),
    ("send_batch_topic", ["k", "{1,2}", "{1,2}"]),
    ("send_batch_topic", ["k", "{1,2}", "{1,2}", "5"]),
    ("send_batch_topic", ["k", "{1,2}", "{1,2}", "2999-01-01"]),
    ("read", ["mail", "30", "1"]),
    ("read", ["mail", "30", "1", "{}"]),
    ("read_with_poll", ["mail", "30", "1"]),
    ("read_with_poll", ["mail", "30", "1", "5", "100", "{}"]),
    ("read_grouped", ["mail", "30", "1"]),
    ("read_grouped_rr", ["mail", "30", "1"]),
    ("read_grouped_head", ["mail", "30", "1"]),
    ("read_grouped_with_poll", ["mail", "30", "1", "5", "100"]),
    ("read_grouped_rr_with_poll", ["mail", "30", "1", "5"]),
    ("read_grouped_head_with_poll", ["mail", "30", "1"]),
    ("pop", ["mail"]),
    ("pop", ["mail", "1"]),
    ("set_vt", ["mail", "1", "30"]),
    ("set_vt", ["mail", "{1,2}", "30"]),
    ("set_vt", ["mail", "1", "2999-01-01"]),
    ("enable_notify_insert", ["mail"]),
    ("enable_notify_insert", ["mail", "5"]),
    ("disable_notify_insert", ["mail"]),
    ("list_notify_insert_throttles", []),
    ("bind_topic", ["a", "mail"]),
    ("unbind_topic", ["a", "mail"]),
    ("list_topic_bindings", []),
    ("list_topic_bindings", ["mail"]),
    ("test_routing", ["k"]),
    ("validate_routing_key", ["k"]),
    ("validate_topic_pattern", ["k"]),
]
TYPED = [
    "send('mail'::text, '1'::jsonb)",
    "send('mail'::varchar, '1'::jsonb)",
    "send('mail', '1'::jsonb, '1'::jsonb)",
    "send('mail', '1'::jsonb, 5)",
    "send('mail', '1'::jsonb, 5::smallint)",
    "send('mail', '1'::jsonb, now())",
    "send('mail', '1'::jsonb, now()::timestamp)",
    "send('mail', '1'::jsonb, '5'::text)",
    "send('mail', '1'::jsonb, '1'::jsonb, 5)",
    "send('mail', '1'::jsonb, '1'::jsonb, 5::smallint)",
    "send('mail', '1'::jsonb, '1'::jsonb, now())",
    "send('mail', '1'::jsonb, null::jsonb, 5)",
    "send_batch('mail', array['1']::jsonb[])",
    "send_batch('mail', array['1']::jsonb[], array['1']::jsonb[])",
    "send_batch('mail', array['1']::jsonb[], 5)",
    "send_batch('mail', array['1']::jsonb[], now())",
    "send_batch('mail', array['1']::jsonb[], array['1']::jsonb[], 5)",
    "send_batch('mail', array['1']::jsonb[], array['1']::jsonb[], now())",
    "send_topic('k', '1'::jsonb, 5::smallint)",
    "send_topic('k', '1'::jsonb, '1'::jsonb)",
    "send_topic('k', '1'::jsonb, '1'::jsonb, 5)",
    "send_batch_topic('k', array['1']::jsonb[], array['1']::jsonb[])",
    "send_batch_topic('k', array['1']::jsonb[], now())",
    "read('mail', 30::smallint, 1::smallint)",
    "read('mail', 30, 1, '{}'::jsonb)",
    "read_with_poll('mail', 30::smallint, 1::smallint, 1::smallint, 100::smallint, '{}'::jsonb)",
    "pop('mail', 1::smallint)",
    "set_vt('mail', 1, 30)",
    "set_vt('mail', 1::smallint, 30::smallint)",
    "set_vt('mail', 1::bigint, 30)",
    "set_vt('mail', 1::bigint, now())",
    "set_vt('mail', 1, '30')",
    "set_vt('mail', array[1, 2], 30)",
    "set_vt('mail', array[1, 2]::bigint[], 30)",
    "set_vt('mail', array[1, 2]::bigint[], now())",
    "set_vt('mail', array[1, 2]::bigint[], '30')",
    "delete('mail', 1)",
    "delete('mail', 1::smallint)",
    "delete('mail', array[1, 2]::bigint[])",
    "archive('mail', 1)",
    "archive('mail', array[1, 2]::bigint[])",
    "enable_notify_insert('mail', 5::smallint)",
]
NAMED = [
    "create(queue_name => 'own')",
    "create_unlogged(queue_name => 'own')",
    "drop_queue(queue_name => 'mail')",
    "purge_queue(queue_name => 'mail')",
    "metrics(queue_name => 'mail')",
    "send(queue_name => 'mail', msg => '1')",
    "send(queue_name => 'mail', msg => '1', headers => '{}')",
    "send(queue_name => 'mail', msg => '1', delay => 5)",
    "send(queue_name => 'mail', msg => '1', delay => '5')",
    "send(queue_name => 'mail', msg => '1', delay => '2999-01-01')",
    "send(queue_name => 'mail', msg => '1', headers => '{}', delay => 5)",
    "send(queue_name => 'mail', msg => '1', headers => '{}', delay => '2999-01-01')",
    "send(queue_name := 'mail', msg := '1', delay := now())",
    "send_batch(queue_name => 'mail', msgs => '{1}')",
    "send_batch(queue_name => 'mail', msgs => '{1}', headers => '{1}')",
    "send_batch(queue_name => 'mail', msgs => '{1}', delay => '5')",
    "send_batch(queue_name => 'mail', msgs => '{1}', headers => '{1}', delay => 5)",
    "send_topic(routing_key => 'k', msg => '1', headers => '{}')",
    "send_topic(routing_key => 'k', msg => '1', delay => '5')",
    "send_batch_topic(routing_key => 'k', msgs => '{1}', delay => '5')",
    "read(queue_name => 'mail', vt => 30, qty => 1)",
    "read(queue_name => 'mail', vt => 30, qty => 1, conditional => '{}')",
    "read_with_poll(queue_name => 'mail', vt => 30, qty => 1, max_poll_seconds => 1, poll_interval_ms => 9, conditional => '{}')",
    "read_grouped_with_poll(queue_name => 'mail', vt => 30, qty => 1, max_poll_seconds => 1, poll_interval_ms => 9)",
    "read_grouped_rr_with_poll(queue_name => 'mail', vt => 30, qty => 1, poll_interval_ms => 9)",
    "read_grouped_head_with_poll(queue_name => 'mail', vt => 30, qty => 1, max_poll_seconds => 1)",
    "pop(queue_name => 'mail')",
    "pop(queue_name => 'mail', qty => 1)",
    "set_vt(queue_name => 'mail', msg_id => 1, vt => 30)",
    "set_vt(queue_name => 'mail', msg_id => '1', vt => '30')",
    "set_vt(queue_name => 'mail', msg_ids => '{1}', vt => '30')",
    "set_vt(queue_name => 'mail', msg_ids => array[1, 2], vt => now())",
    "delete(queue_name => 'mail', msg_id => 1)",
    "delete(queue_name => 'mail', msg_ids => '{1}')",
    "archive(queue_name => 'mail', msg_id => 1)",
    "archive(queue_name => 'mail', msg_ids => '{1}')",
    "enable_notify_insert(queue_name => 'mail', throttle_interval_ms => 5)",
    "list_topic_bindings(queue_name => 'mail')",
    "test_routing(routing_key => 'k')",
]
REFUSED_BY_PGMQ_TOO = ["read('mail', 1.5, 1)", "send('mail', '1'::jsonb, 1.5)", "pop('mail', 1::bigint)"]


@pytest.fixture(scope="module")
def queue(shared):
    """A session on a database with the queue `mail`, which the key `k` reaches, and one message."""
    shared.run("select pgmq.create('mail'), pgmq.bind_topic('k', 'mail'), pgmq.send('mail', '{}')")
    return shared


@pytest.fixture
def post(queue):
    """The same, in a transaction that leaves nothing."""
    queue.run("begin")
    yield queue
    queue.run("rollback; deallocate all")


def call(name, arguments):
    return f"select * from pgmq.{name}({', '.join(arguments)})"


def numbered(values):
    return [f"${n}" for n in range(1, len(values) + 1)]


@pytest.mark.parametrize(("name", "values"), UNTYPED)
def test_untyped_literals_resolve(post, name, values):
    post.run(call(name, [f"'{value}'" for value in values]))


@pytest.mark.parametrize(("name", "values"), UNTYPED)
def test_untyped_parameters_resolve(post, name, values):
    result = post.connection.pgconn.exec_params(call(name, numbered(values)).encode(), [value.encode() for value in values])

    assert result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) is None


@pytest.mark.parametrize(("name", "values"), UNTYPED)
def test_prepared_statements_resolve(post, name, values):
    post.run(f"prepare it as {call(name, numbered(values))}")

    post.run("execute it" + (f"({', '.join(map(repr, values))})" if values else ""))


@pytest.mark.parametrize("form", TYPED + NAMED)
def test_typed_and_named_arguments_resolve(post, form):
    post.run(f"select * from pgmq.{form}")


@pytest.mark.parametrize("form", NAMED)
def test_no_call_depends_on_how_the_session_reads_strings(post, form):
    post.run("set local standard_conforming_strings = off; set local escape_string_warning = on")
    noticed = len(post.notices)

    post.run(f"select * from pgmq.{form}")

    assert [notice for notice in post.notices[noticed:] if notice.startswith("WARNING")] == []


@pytest.mark.parametrize("form", REFUSED_BY_PGMQ_TOO)
def test_what_pgmq_does_not_resolve_does_not_resolve_here(post, refused, form):
    with refused("42883"):
        post.run(f"select * from pgmq.{form}")
