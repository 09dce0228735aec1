"""Whose code runs, and with whose rights."""

import re
from urllib.parse import urlsplit

import pytest

import hanjul

FUNCTIONS = """
    select p.oid::regprocedure::text, coalesce(p.proconfig, '{}'), p.prosrc from pg_proc p
    where p.pronamespace in ('pgmq'::regnamespace, 'hanjul'::regnamespace, 'pgmq_public'::regnamespace, 'net'::regnamespace)
      and p.prosqlbody is null  -- what was parsed when it was created looks for nothing any more"""
EVERY_CALL = [
    "pgmq.create('mail')",
    "pgmq.create_unlogged('fast')",
    "pgmq.create_partitioned('cut', '1', '1')",
    "pgmq.create_partitioned('days', '1 day', '1 month')",
    "pgmq.send('cut', '1')",
    "pgmq.send('mail', '1')",
    "pgmq.send('mail', '1'::jsonb, '{}'::jsonb, 0)",
    "pgmq.send('mail', '1'::jsonb, 1)",
    "pgmq.send_batch('mail', array['1', '2', '3', '4', '5', '6', '7', '8', '9']::jsonb[])",
    "pgmq.send_batch('mail', array['1']::jsonb[], array['1']::jsonb[], 0)",
    "pgmq.read('mail', 1, 1)",
    "pgmq.read('mail', 1, 1, '2')",
    "pgmq.read_grouped('mail', 1, 1)",
    "pgmq.read_grouped_rr('mail', 1, 1)",
    "pgmq.read_grouped_head('mail', 1, 1)",
    "pgmq.peek('mail')",
    "pgmq.pop('mail')",
    "pgmq.set_vt('mail', 1, 0)",
    "pgmq.set_vt('mail', '{1}'::bigint[], 0)",
    "pgmq.delete('mail', 1)",
    "pgmq.delete('mail', '{2}'::bigint[])",
    "pgmq.archive('mail', 3)",
    "pgmq.archive('mail', '{4}'::bigint[])",
    "pgmq.metrics('mail')",
    "pgmq.metrics_all()",
    "pgmq.list_queues()",
    "pgmq.q_info('mail')",
    "hanjul.send_many('mail', '[[1, null, null]]')",
    "hanjul.claim('mail', 1, 9)",
    "hanjul.nack('mail', '{5, 1}', '{1, 1}', '{0, 0}')",
    "hanjul.release('mail', '{6}', '{1}', '{0}')",
    "hanjul.extend('mail', '{7}', '{1}', 1)",
    "hanjul.reject('mail', '{7}', '{1}', '{rejected}', '{no}')",
    "hanjul.ack('mail', '{8, 1}', '{1, 1}', true)",
    "hanjul.redrive('mail')",
    "hanjul.dead_letters('mail')",
    "hanjul.wait('{mail}')",
    "hanjul.wake('mail')",
    "hanjul.unwait('{mail}')",
    "hanjul.ready('{mail}')",
    "hanjul.keep_days()",
    "hanjul.enqueue_job('k', '{}', 'jobs', unique_key => 'k')",
    'hanjul.enqueue_jobs(\'[{"kind": "a"}, {"kind": "b"}, {"kind": "c", "unique_key": "c"}]\')',
    "hanjul.fetch_next_job('w', 'jobs')",
    "hanjul.fetch_next_jobs('w', '{default}', 3)",
    "hanjul.worker_seen('w', '{default}')",
    "hanjul.workers()",
    "hanjul.explain_job((select id from hanjul.job order by status, id limit 1))",
    "hanjul.explain_job((select id from hanjul.job order by status desc, id limit 1))",
    "hanjul.worker_stopped('w')",
    "hanjul.heartbeat((select id from hanjul.job order by status desc, id desc limit 1), 1, 1, 0.5)",
    "hanjul.complete_job((select id from hanjul.job order by status desc, id desc limit 1), 1)",
    "hanjul.fail_job((select id from hanjul.job order by status desc, id desc limit 1), 1, 'no')",
    "hanjul.release_jobs(array(select id from hanjul.job), array[1, 1, 1, 1])",
    "hanjul.cancel_job((select id from hanjul.job order by status desc, id desc limit 1))",
    "hanjul.explain_job((select id from hanjul.job_history order by status limit 1))",
    "hanjul.retry_job((select id from hanjul.job_history order by status limit 1))",
    "hanjul.cancel_jobs(array(select id from hanjul.job))",
    "hanjul.retry_jobs(array(select id from hanjul.job_history where false))",
    "hanjul.pause_queue('jobs')",
    "hanjul.resume_queue('jobs')",
    "hanjul.set_schedule('daily', '@daily', 'k')",
    "hanjul.list_schedules()",
    "hanjul.due_schedules()",
    "hanjul.advance_schedule('daily', (select since from hanjul.schedule), null, array[pg_catalog.clock_timestamp()], null)",
    "hanjul.enable_schedule('daily', false)",
    "hanjul.remove_schedule('daily')",
    "hanjul.lead('w', 15)",
    "hanjul.resign('w')",
    "hanjul.rescue_stale_jobs()",
    "hanjul.roll_up()",
    "hanjul.job_counts()",
    "hanjul.queue_status()",
    "hanjul.processing_jobs()",
    "hanjul.enqueue_job_once('k', 'h', '{\"kind\": \"a\"}')",
    "hanjul.prune('0')",
    "hanjul.prune_unique_keys('0')",
    "hanjul.grant_jobs('hanjul_producer', 'producer')",
    "hanjul.revoke_jobs('hanjul_producer')",
    "hanjul.grant_jobs('hanjul_producer', 'producer')",
    "pgmq.convert_archive_partitioned('fast')",
    "pgmq.maintain_partitions('cut')",
    "hanjul.maintain()",
    "hanjul.claim_groups('mail', 1, 9)",
    "hanjul.ready_groups('{mail}')",
    "hanjul.bind_topics('{mail}', '{logs.#}', '{null}')",
    "hanjul.purge('mail')",
    "hanjul.prune_archive('mail', '1 day')",
    "hanjul.prune_dead_letters('mail', '1 day')",
    "hanjul.maintain()",
    "pgmq.send('mail', '1', '{}')",
    "pgmq.send('mail', '1', '0')",
    "pgmq.send('mail', '1', '{}', '2000-01-01')",
    "pgmq.send_batch('mail', array['1']::jsonb[], '0')",
    "pgmq.send_batch('mail', array['1']::jsonb[], array['{\"x-pgmq-group\": \"a\"}']::jsonb[])",
    "pgmq.set_vt('mail', '10', '0')",
    "pgmq.set_vt('mail', '{10}', '2000-01-01')",
    "pgmq.read_with_poll('mail', 0, 1, 0)",
    "pgmq.read_with_poll('mail', 0, 1, 0, 100, '1')",
    "pgmq.read_grouped_with_poll('mail', 0, 9, 0)",
    "pgmq.read_grouped_rr_with_poll('mail', 0, 9, 0)",
    "pgmq.read_grouped_head_with_poll('mail', 0, 9, 0)",
    "pgmq.create_fifo_index('mail')",
    "pgmq.create_fifo_indexes_all()",
    "pgmq.bind_topic('logs.*', 'mail')",
    "pgmq.send_topic('logs.new', '1')",
    "pgmq.send_topic('logs.new', '1', '{}'::jsonb)",
    "pgmq.send_topic('logs.new', '1', '0')",
    "pgmq.send_topic('logs.new', '1', '{}', 0)",
    "pgmq.send_batch_topic('logs.new', array['1']::jsonb[])",
    "pgmq.send_batch_topic('logs.new', array['1']::jsonb[], array['1']::jsonb[], 0)",
    "pgmq.send_batch_topic('logs.new', array['1']::jsonb[], '0')",
    "pgmq.test_routing('logs.new')",
    "pgmq.validate_routing_key('logs.new')",
    "pgmq.validate_topic_pattern('logs.*')",
    "pgmq.list_topic_bindings()",
    "pgmq.list_topic_bindings('mail')",
    "pgmq.unbind_topic('logs.*', 'mail')",
    "pgmq.enable_notify_insert('mail', 100)",
    "pgmq.send('mail', '1')",
    "pgmq.update_notify_insert('mail', 0)",
    "pgmq.send('mail', '1')",
    "pgmq.list_notify_insert_throttles()",
    "pgmq.disable_notify_insert('mail')",
    "pgmq_public.send('mail', '1')",
    "pgmq_public.send_batch('mail', array['1']::jsonb[])",
    "pgmq_public.read('mail', 0, 1)",
    "pgmq_public.archive('mail', 10)",
    "pgmq_public.delete('mail', 11)",
    "pgmq_public.pop('mail')",
    "pgmq.create_partitioned('cut', '10', '10')",
    "pgmq.send_batch('cut', array_fill('1'::jsonb, array[100]))",
    "pgmq.read('cut', 0, 100)",
    "pgmq.archive('cut', '{1, 2, 3}'::bigint[])",
    "pgmq.maintain_partitions('cut')",
    "pgmq.metrics('cut')",
    "pgmq.drop_queue('cut')",
    "pgmq.create_partitioned('cut', '1 day', '1 day')",
    "pgmq.send('cut', '1')",
    "pgmq.maintain_partitions('cut')",
    "pgmq.drop_queue('cut')",
    "pgmq.convert_archive_partitioned('mail')",
    'pgmq."tidy.mail"()',
    'pgmq."park.mail"()',
    'pgmq."missed.mail"()',
    "hanjul.grant_queue('mail', 'hanjul_producer', 'producer')",
    "hanjul.grant_queue('mail', 'hanjul_consumer', 'consumer')",
    "hanjul.revoke_queue('mail', 'hanjul_producer', 'producer')",
    "hanjul.grant_queue('mail', 'hanjul_admin', 'admin')",
    "hanjul.revoke_queue('mail', 'hanjul_admin', 'admin')",
    "pgmq._plan_all()",
    "hanjul._settle_rights()",
    "pgmq.purge_queue('mail')",
    "pgmq.drop_queue('mail')",
    "net.http_get('http://x/')",
    "net.http_get('HTTP://127.1/a/../b?c#d', '{\"a b\": \"é\"}', '{\"a\": 1}')",
    "net.http_post('http://[::1]:80/', '{\"a\": 1}', headers => '{\"X~\": [1]}')",
    "net.http_delete('http://x/', body => '1')",
    "net.http_put('http://x/', '1')",
    "net.http_patch('http://x/', '1')",
    "net.http_head('http://x/')",
    """net.http_request('PUT', 'http://x/', 'a',
                        retry => '{"schedule_s": [1], "statuses": [500], "errors": ["dns"], "max_age_s": 9}',
                        idempotency_key => 'k', ordering_key => 'o',
                        not_before => '2001-01-01', sign_with => 's',
                        options => '{"max_redirects": 1}')""",
    "net.http_request('PUT', 'http://x/', 'a', idempotency_key => 'k')",
    'net.http_request_many(\'[{"method": "GET", "url": "http://x/"}, {"method": "PUT", "url": "http://x/", "bytes": "AA=="}]\')',
    "net._urlencode_string('é a')",
    "net._encode_url_with_params_array('http://0x7f.1', '{a=1,null}')",
    "net.wake()",
    "net.worker_restart()",
    "net.set_config('ttl', '1 h')",
    "net.set_config('batch_size', '9')",
    "net.set_config('public_access', 'on')",
    "net.reset_config('public_access')",
    "net.show_config()",
    "net.set_secret('s', 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA', '{x}')",
    "net.rotate_secret('s', 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA')",
    "net.list_secrets()",
    "net.secrets_for('{s}')",
    "net.queue_depth()",
    "net.ready_requests('{x}')",
    "net.claim_requests(9, 30)",
    "net._http_collect_response(1)",
    """net.settle_requests((
           select pg_catalog.json_agg(pg_catalog.json_build_object('id', q.id, 'claim', q.claims, 'how', 'success'))
           from net.http_request_queue q where q.claims operator(pg_catalog.>) 0))""",
    "net.http_collect_response(1, false)",
    "net._await_response(1)",
    "net.retry(1)",
    "net.cancel(1)",
    "net.redrive('{1}')",
    "net.extend_requests('{1}', '{1}', 9)",
    "net.status(1)",
    "net.get_request(1)",
    "net.list_requests()",
    "net.list_attempts(1)",
    "net.get_response(1)",
    "net.count_requests()",
    "net.expire()",
    "net.drop_secret('s')",
    "net.grant_http('hanjul_producer', 'producer')",
    "net.revoke_http('hanjul_producer')",
    "net.grant_http('hanjul_producer', 'producer')",
    "net._settle_access()",
]
PLANTED = [
    "function evil.lower(text) returns text",
    "function evil.format(text, text) returns text",
    "function evil.format(text, variadic text[]) returns text",
    "function evil.make_interval(secs integer) returns interval",
    "function evil.clock_timestamp() returns timestamptz",
    "function evil.now() returns timestamptz",
    "function evil.hashtext(text) returns integer",
    "function evil.pg_notify(text, text) returns void",
    "function evil.octet_length(text) returns integer",
    "function evil.array_agg(bigint) returns bigint[]",
    "function evil.cardinality(bigint[]) returns integer",
    "function evil.left(text, integer) returns text",
    "function evil.to_regclass(text) returns regclass",
    "function evil.hashtextextended(text, bigint) returns bigint",
    "function evil.hashtextextended(text, integer) returns bigint",
    "function evil.random() returns double precision",
    "function evil.pg_try_advisory_lock(integer, integer) returns boolean",
    "function evil.pg_try_advisory_xact_lock(integer, integer) returns boolean",
    "function evil.jsonb_array_elements(jsonb) returns setof jsonb",
    "function evil.unnest(bigint[]) returns setof bigint",
    "function evil.unnest(jsonb[]) returns setof jsonb",
    "function evil.array_length(jsonb[], integer) returns integer",
    "function evil.replace(text, text, text) returns text",
    "function evil.char_length(text) returns integer",
    "function evil.md5(text) returns text",
    "function evil.set_config(text, text, boolean) returns text",
    "function evil.current_setting(text) returns text",
    "function evil.pg_sleep_for(interval) returns void",
    "function evil.has_schema_privilege(text, text, text) returns boolean",
    "function evil.aclexplode(aclitem[]) returns setof record",
    "function evil.jsonb_each_text(jsonb) returns setof record",
    "function evil.jsonb_typeof(jsonb) returns text",
    "function evil.regexp_match(text, text) returns text[]",
    "function evil.strpos(text, text) returns integer",
    "function evil.length(text) returns integer",
    "function evil.convert_to(text, text) returns bytea",
    "function evil.upper(text) returns text",
    "function evil.hashtext(text, text) returns integer",
    "function evil.pg_advisory_unlock(integer, integer) returns boolean",
]
OPERATORS = [
    ("||", "text", "text", "text"),
    ("=", "text", "text", "boolean"),
    ("=", "bigint", "bigint", "boolean"),
    ("=", "integer", "integer", "boolean"),
    ("<=", "timestamptz", "timestamptz", "boolean"),
    ("+", "timestamptz", "interval", "timestamptz"),
    ("+", "integer", "integer", "integer"),
    ("-", "integer", "integer", "integer"),
    ("@>", "jsonb", "jsonb", "boolean"),
    ("->>", "jsonb", "integer", "text"),
    ("<>", "jsonb", "jsonb", "boolean"),
    (">", "timestamptz", "timestamptz", "boolean"),
    ("~", "text", "text", "boolean"),
    ("<", "integer", "integer", "boolean"),
    ("->", "jsonb", "integer", "jsonb"),
    (">", "integer", "integer", "boolean"),
    (">=", "integer", "integer", "boolean"),
    (">=", "bigint", "bigint", "boolean"),
    (">", "bigint", "bigint", "boolean"),
    ("<=", "bigint", "bigint", "boolean"),
    ("->>", "jsonb", "text", "text"),
    ("~", "text", "evil.text", "boolean"),
    ("!~", "text", "text", "boolean"),
    ("~~", "text", "text", "boolean"),
    ("||", "bigint[]", "bigint[]", "bigint[]"),
    ("||", "bigint[]", "bigint", "bigint[]"),
    ("-", "timestamptz", "interval", "timestamptz"),
    ("*", "double precision", "integer", "double precision"),
]


@pytest.fixture
def queue_of_each_kind(db):
    """With queues there are the functions that belong to queues too."""
    db.run("select pgmq.create('mail'), pgmq.create_unlogged('fast'), pgmq.create_partitioned('cut')")
    return db


def plant(session):
    """Put in the caller's way what raises an error when it runs."""
    body = "language plpgsql as $$ begin raise exception 'planted code ran'; end $$"
    session.run("create schema evil; create type evil.text as enum ('x')")
    for function in PLANTED:
        session.run(f"create {function} {body}")
    for number, (name, left, right, result) in enumerate(OPERATORS):
        session.run(f"create function evil.op{number}({left}, {right}) returns {result} {body}")
        session.run(f"create operator evil.{name} (leftarg = {left}, rightarg = {right}, function = evil.op{number})")


def test_every_function_pins_the_search_path_or_is_called_below_with_a_hostile_one(queue_of_each_kind):
    called = {re.split(r"\W", call)[1] for call in EVERY_CALL} | {"_planned"}

    unpinned = [
        name
        for name, settings, _body in queue_of_each_kind.rows(FUNCTIONS)
        if "search_path=pg_catalog, pg_temp" not in settings and re.sub(r'^(pgmq|hanjul|net)\."?|[.("].*', "", name) not in called
    ]

    assert unpinned == []


def test_only_scan_bounds_partitions_and_dead_letters_are_kept_with_more_rights_than_the_caller_has(queue_of_each_kind):
    """The first two with those of the queue's owner: test_owners.py. Of jobs: what changes nobody else's."""
    hooks = ["_webhook_send", "_webhook_completed", "_webhook_changed"]  # triggers: test_webhooks_rights.py
    definers = "select proname from pg_proc where pronamespace in ('pgmq'::regnamespace, 'hanjul'::regnamespace) and prosecdef"
    rounds = [f"{operation}.{queue}" for operation in ("advance", "missed", "park", "tidy") for queue in ("cut", "fast", "mail")]

    assert sorted(queue_of_each_kind.column(definers)) == sorted(
        ["_leave_dead_letters", "_replace_job", "advance_schedule", "keep_days", "roll_up", *rounds, "upkeep.cut", *hooks]
    )


def test_a_function_that_rules_plans_out_rules_the_compiler_out_too(queue_of_each_kind):
    compiled = [
        name
        for name, settings, _body in queue_of_each_kind.rows(FUNCTIONS)
        if any(setting.startswith("enable_") for setting in settings) and "jit=off" not in settings
    ]

    assert compiled == []


@pytest.mark.parametrize("path", ["evil, pg_catalog", "evil"])
def test_what_others_planted_in_the_callers_search_path_never_runs(db, path):
    plant(db)
    db.run("create temp table meta (queue_name text)")
    db.run("create temp table q_mail (msg_id bigint)")
    db.run(f"set search_path = {path}")

    for call in EVERY_CALL:
        db.run(f"select * from {call}")


# step by step, what an application's role needs beside the use of the schema
GRANTS = [
    (["insert, select on pgmq.q_mail"], ["send('mail', '1')", "send_batch('mail', array['1']::jsonb[])", "peek('mail')"]),
    (["update on pgmq.q_mail"], ["read('mail', 0, 1)", "set_vt('mail', 1, 0)", "set_vt('mail', '{1}'::bigint[], 0)"]),
    (["delete on pgmq.q_mail"], ["delete('mail', 1)", "delete('mail', '{2}'::bigint[])", "pop('mail')"]),
    (["insert, select on pgmq.a_mail"], ["archive('mail', 4)", "archive('mail', '{5}'::bigint[])"]),
    (["select on sequence pgmq.q_mail_msg_id_seq"], ["metrics('mail')"]),
    (["truncate on pgmq.q_mail"], ["purge_queue('mail')"]),
    (["create on schema pgmq", "select, insert on pgmq.meta"], ["create('own')", "create_unlogged('fast')", "list_queues()"]),
    (
        ["select, insert on pgmq.partitioning"],
        ["create_partitioned('cut')", "maintain_partitions('cut')", "convert_archive_partitioned('own')"],
    ),
    (["delete on pgmq.meta"], ["drop_queue('own')", "drop_queue('cut')"]),
]


# the same for the Python client: with the grants so far, the call does this
DEAD_LETTER_GRANTS = [
    "usage on schema hanjul",
    "execute on all functions in schema hanjul",
    "select on hanjul.dead_letter",
]
CLIENT_GRANTS = [
    (["usage on schema pgmq", "insert, select on pgmq.q_mail"], lambda q: q.send("mail", 3), 3),
    (["update on pgmq.q_mail"], lambda q: [message.msg_id for message in q.read("mail", qty=9)], [2, 3]),
    (["delete on pgmq.q_mail"], lambda q: q.delete("mail", 2), [2]),
    (["insert, select on pgmq.a_mail"], lambda q: q.archive("mail", 3), [3]),
    (DEAD_LETTER_GRANTS, lambda q: [letter.msg_id for letter in q.dead_letters("mail")], [1]),
    (["update, delete on hanjul.dead_letter"], lambda q: q.redrive("mail"), [4]),
]

# and for a worker
WORKER_GRANTS = [
    (
        [
            "usage on schema pgmq",
            "usage on schema hanjul",
            "execute on all functions in schema hanjul",
            "select on pgmq.q_mail",
            "update on pgmq.q_mail",
        ],
        [
            "claim('mail', 60, 9)",
            "extend('mail', '{1}', '{1}', 60)",
            "nack('mail', '{4}', '{1}', '{0}')",
            "release('mail', '{5}', '{1}', '{0}')",
            "wait('{mail}')",
            "unwait('{mail}')",
            "ready('{mail}')",
        ],
    ),
    (["delete on pgmq.q_mail"], ["ack('mail', '{1}', '{1}')"]),
    (["insert on hanjul.dead_letter"], ["reject('mail', '{2}', '{1}', '{rejected}', '{no}')"]),
    (["insert on pgmq.a_mail"], ["ack('mail', '{3}', '{1}', archive => true)"]),
]


@pytest.fixture
def role(mail):
    """A role of this test's own, without any rights; it may log in."""
    role = f"role_of_{mail.one('select current_database()')}"
    mail.run(f"create role {role} login password 'sesame'")
    yield role
    mail.run(f"reset role; drop owned by {role}; drop role {role}")


def test_an_application_needs_no_more_rights_than_with_pgmq_itself(mail, role, refused):
    mail.run(f"grant usage on schema pgmq to {role}")
    for grants, calls in GRANTS:
        mail.run(f"set role {role}")
        with refused("42501"):
            mail.run(f"select pgmq.{calls[0]}")
        mail.run("reset role")
        for grant in grants:
            mail.run(f"grant {grant} to {role}")
        mail.run("select pgmq.send_batch('mail', array['1', '2', '3', '4', '5']::jsonb[])")
        mail.run(f"set role {role}")
        for call in calls:
            mail.run(f"select pgmq.{call}")
        mail.run("reset role")


def test_the_python_client_also_needs_our_schema_and_the_table_of_dead_letters(mail, role, dsn):
    mail.run("select pgmq.send('mail', '1'), hanjul.claim('mail', 60, 1), pgmq.send('mail', '2')")
    mail.run("select hanjul.reject('mail', '{1}', '{1}', '{rejected}', '{no}')")
    address = urlsplit(dsn)
    url = address._replace(netloc=f"{role}:sesame@{address.hostname}:{address.port}").geturl()

    with hanjul.connect_sync(url) as queues:
        for grants, call, done in CLIENT_GRANTS:
            for grant in grants:
                with pytest.raises(hanjul.PermissionDenied):
                    call(queues)
                mail.run(f"grant {grant} to {role}")
            assert call(queues) == done


def test_a_worker_needs_our_schema_and_may_write_dead_letters(mail, role, connect, refused):
    mail.run("select pgmq.send_batch('mail', array['1', '2', '3', '4', '5']::jsonb[])")
    worker = connect()
    worker.run(f"set role {role}")

    for grants, calls in WORKER_GRANTS:
        for grant in grants:
            with refused("42501"):
                worker.run(f"select hanjul.{calls[0]}")
            mail.run(f"grant {grant} to {role}")
        for call in calls:
            worker.run(f"select hanjul.{call}")

    assert mail.rows("select (select array_agg(msg_id) from pgmq.q_mail), (select array_agg(msg_id) from pgmq.a_mail)") == [
        ([4, 5], [3])
    ]
