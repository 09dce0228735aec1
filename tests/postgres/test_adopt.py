"""Taking over PGMQ in place: nothing is lost, nothing is half done, and what cannot be taken over is named."""

import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from hanjul import Interrupted, PermissionDenied, SchemaMismatch
from hanjul.postgres.adopt import adopt, look
from hanjul.postgres.migrate import migrate, plan

Run = Callable[..., list[Any]]

QUEUES = """
    select pgmq.create('mail'), pgmq.create('Mixed'), pgmq.create('a b-c.d'), pgmq.create('empty');
    select pgmq.create_unlogged('fast')"""
MESSAGES = """
    select pgmq.send('mail', '{"n": 1}'), pgmq.send('mail', '{"n": 2}', '{"trace": "x"}'::jsonb);
    select pgmq.send('mail', '{"n": 3}', 3600);
    select pgmq.send('mail', '{"n": 4}', '{"x-pgmq-group": "ada"}'::jsonb), pgmq.send('mail', null), pgmq.send('mail', '"gone"');
    select pgmq.send_batch('mail', array['7', '[8]', 'null']::jsonb[]), pgmq.send('Mixed', '1'), pgmq.send('a b-c.d', '1');
    select pgmq.send_batch('fast', array['1', '2', '3']::jsonb[]);
    select pgmq.read('mail', 600, 2);
    select pgmq.archive('mail', 1), pgmq.archive('fast', 2), pgmq.delete('mail', 6);
    select pgmq.bind_topic('logs.*', 'mail'), pgmq.bind_topic('#', 'Mixed'), pgmq.enable_notify_insert('mail', 300);
    select pgmq.create_fifo_index('mail')"""
TABLES = ["q_mail", "a_mail", "q_mixed", "a_mixed", "q_fast", "a_fast", "q_a b-c.d", "a_a b-c.d", "q_empty", "a_empty"]
CONTENT = (
    """select coalesce(jsonb_agg(to_jsonb(m) - '{released, settled, due}'::text[] order by m.msg_id), '[]') from pgmq."%s" m"""
)
SHAPE = """
    select 'function', p.oid::regprocedure::text, md5(pg_get_functiondef(p.oid)) from pg_proc p
    where p.pronamespace::regnamespace::text in ('pgmq', 'hanjul', 'pgmq_public')
    union all
    select c.relkind::text, c.oid::regclass::text, concat(c.relpersistence, c.reloptions, c.relacl) || string_agg(
        concat(a.attname, ' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid)),
        ', ' order by a.attnum)
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and c.relkind <> 'i'
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where c.relnamespace::regnamespace::text in ('pgmq', 'hanjul') group by 1, 2, c.oid
    union all
    select 'index', indexname, indexdef from pg_indexes where schemaname in ('pgmq', 'hanjul')
    union all
    select 'trigger', t.tgrelid::regclass::text, pg_get_triggerdef(t.oid) from pg_trigger t where not t.tgisinternal
    union all
    select 'constraint', c.conrelid::regclass::text, c.conname || pg_get_constraintdef(c.oid)
    from pg_constraint c where c.connamespace::regnamespace::text in ('pgmq', 'hanjul')
    union all
    select 'comment', nspname, concat(obj_description(oid), nspacl) from pg_namespace where nspname in ('pgmq', 'hanjul')
    union all
    select 'migration', number::text, checksum from hanjul.migration
    order by 1, 2, 3"""


@pytest.fixture(params=["sql", "extension"])
def theirs(request: pytest.FixtureRequest, empty_dsn: str, run: Run, upstream_sql: str) -> str:
    """A database with PGMQ 1.13, pasted or as an extension, and nothing of ours."""
    if request.param == "extension":
        request.getfixturevalue("upstream_extension")
        run(empty_dsn, "create extension pgmq")
    else:
        run(empty_dsn, upstream_sql)
    return empty_dsn


@pytest.fixture
def pasted(empty_dsn: str, run: Run, upstream_sql: str) -> str:
    """A database with PGMQ 1.13 as its SQL makes it, and nothing of ours."""
    run(empty_dsn, upstream_sql)
    return empty_dsn


@pytest.fixture
def dump(psql: Path) -> Callable[[str], str]:
    """All that is in a database: its definitions and its rows."""

    def dump(dsn: str) -> str:
        text = subprocess.run([psql.parent / "pg_dump", dsn], check=True, capture_output=True, text=True).stdout
        return "\n".join(line for line in text.splitlines() if "restrict " not in line)  # those lines have a random word

    return dump


def _contents(run: Run, dsn: str) -> dict[str, Any]:
    return {table: run(dsn, (CONTENT % table).replace("%", "%%"))[0][0] for table in TABLES}


def test_every_message_in_every_state_is_as_it_was(theirs: str, run: Run) -> None:
    run(theirs, QUEUES)
    run(theirs, MESSAGES)
    queues = run(theirs, "select * from pgmq.list_queues() order by 1")
    before = _contents(run, theirs)
    files = run(
        theirs, "select oid, pg_relation_filenode(oid) from pg_class where relname ~ '^[qa]_' and relkind = 'r' order by 1"
    )

    done = adopt(theirs)

    assert _contents(run, theirs) == before
    assert [len(before[table]) for table in TABLES] == [7, 1, 1, 0, 2, 1, 1, 0, 0, 0]
    assert run(theirs, "select * from pgmq.list_queues() order by 1") == queues
    assert [queue.queue_name for queue in done.queues] == ["a b-c.d", "empty", "fast", "mail", "Mixed"]
    assert done.lost == ["convert_archive_partitioned"] or done.lost == []
    assert (
        run(theirs, "select oid, pg_relation_filenode(oid) from pg_class where relname ~ '^[qa]_' and relkind = 'r' order by 1")
        == files
    )


def test_leases_and_delays_hold_and_ids_go_on(theirs: str, run: Run) -> None:
    run(theirs, QUEUES)
    run(theirs, MESSAGES)

    adopt(theirs)

    assert run(theirs, "select msg_id from pgmq.read('mail', 0, 99)") == [(4,), (5,), (7,), (8,), (9,)]
    assert run(theirs, "select pgmq.send('mail', '10'), pgmq.send('fast', '4'), pgmq.send('mixed', '2')") == [(10, 4, 2)]
    assert run(theirs, "select pgmq.delete('mail', 2), pgmq.archive('mail', 3)") == [(True, True)]
    assert run(theirs, "select msg_id, read_ct from pgmq.pop('mail', 99)") == [(4, 1), (5, 1), (7, 1), (8, 1), (9, 1), (10, 0)]


def test_the_database_is_as_if_hanjul_had_made_it(theirs: str, dsn: str, run: Run) -> None:
    run(theirs, QUEUES + "; " + MESSAGES)

    adopt(theirs)

    run(dsn, QUEUES + "; select pgmq.enable_notify_insert('mail', 300)")
    assert run(theirs, SHAPE) == run(dsn, SHAPE)
    assert run(theirs, "select count(*) from pg_extension where extname = 'pgmq'") == [(0,)]


def test_done_again_it_finds_nothing_to_do_and_migrate_goes_on_as_usual(theirs: str, run: Run) -> None:
    run(theirs, QUEUES)
    adopt(theirs)
    before = run(theirs, SHAPE)

    again, seen = adopt(theirs), look(theirs)
    migrate(theirs)
    run(theirs, "select pgmq._adopt_queue(queue_name) from pgmq.meta")

    assert (again.found, seen.found, again.queues) == (None, None, ())
    assert plan(theirs).is_current
    assert run(theirs, SHAPE) == before


def test_it_follows_a_migrate_that_left_pgmq_in_charge(theirs: str, run: Run) -> None:
    migrate(theirs)
    run(theirs, QUEUES + "; " + MESSAGES)
    run(theirs, "select hanjul.reject('mail', '{2}', '{1}', '{rejected}', '{no}')")

    adopt(theirs)

    assert "pgmq" not in plan(theirs).foreign
    assert run(theirs, "select msg_id from hanjul.dead_letters('mail')") == [(2,)]
    assert run(theirs, "select hanjul.redrive('mail')") == [(10,)]


def test_a_look_changes_nothing_and_tells_what_there_is(theirs: str, run: Run, dump: Callable[[str], str]) -> None:
    run(theirs, QUEUES + "; " + MESSAGES)
    before, catalog = dump(theirs), run(theirs, "select oid, xmin::text, proname from pg_proc where oid > 16383 order by 1")

    seen = look(theirs)

    assert (dump(theirs), run(theirs, "select oid, xmin::text, proname from pg_proc where oid > 16383 order by 1")) == (
        before,
        catalog,
    )
    mail = next(queue for queue in seen.queues if queue.queue_name == "mail")
    assert (mail.kind, mail.messages, mail.parked, mail.archived, mail.gone) == ("standard", 7, 2, 1, False)
    assert mail.steps == [
        "add to pgmq.q_mail: released, settled, due",
        "drop index pgmq.q_mail_vt_idx",
        "drop index pgmq.q_mail_fifo_idx",
        "index pgmq.q_mail by (due, msg_id) and by group",
        "keep its notifications",
    ]
    assert seen.found in {"the extension pgmq 1.13.0", "PGMQ's SQL, 1.13 or later"}


def test_a_look_waits_for_nobody_who_uses_the_queues(theirs: str, run: Run) -> None:
    run(theirs, QUEUES)
    with psycopg.connect(theirs) as busy:
        busy.execute("select pgmq.send('mail', '1')")

        seen = look(theirs)

    assert len(seen.queues) == 5


def test_topics_and_notifications_go_on(theirs: str, run: Run) -> None:
    run(theirs, QUEUES + "; " + MESSAGES)
    bindings = run(theirs, "select * from pgmq.list_topic_bindings() order by 1")
    with psycopg.connect(theirs, autocommit=True) as listener:
        listener.execute('listen "pgmq.q_mail.INSERT"')

        adopt(theirs)

        run(theirs, "select pgmq.send_topic('logs.db', '1')")
        assert [notify.channel for notify in listener.notifies(timeout=20, stop_after=1)] == ["pgmq.q_mail.INSERT"]
    assert run(theirs, "select * from pgmq.list_topic_bindings() order by 1") == bindings
    assert run(theirs, "select queue_name, throttle_interval_ms from pgmq.list_notify_insert_throttles()") == [("mail", 300)]
    assert run(theirs, "select m.message from pgmq.q_mixed m order by m.msg_id") == [(1,), (1,)]


def test_notifications_whose_settings_a_crash_has_emptied_come_back(pasted: str, run: Run) -> None:
    run(pasted, "select pgmq.create('mail'), pgmq.enable_notify_insert('mail', 10); truncate pgmq.notify_insert_throttle")

    adopt(pasted)

    assert run(pasted, "select queue_name, throttle_interval_ms from pgmq.list_notify_insert_throttles()") == [("mail", 250)]


def test_spellings_of_one_table_become_one_queue_and_rows_without_a_table_go(pasted: str, run: Run) -> None:
    run(pasted, "select pgmq.create('News'), pgmq.create('news'), pgmq.create('Lost'), pgmq.create('lost')")
    run(pasted, "select pgmq.bind_topic('a.*', 'News'), pgmq.bind_topic('a.*', 'news'), pgmq.bind_topic('b', 'News')")
    run(pasted, "select pgmq.bind_topic('c', 'Lost'), pgmq.send('news', '1'), pgmq.drop_queue('lost')")

    done = adopt(pasted)

    assert [(queue.queue_name, queue.gone, queue.steps[0]) for queue in done.queues] == [
        ("Lost", True, "remove its row from pgmq.meta: there is no table pgmq.q_lost"),
        ("news", False, "merge the spellings News, news: they share one table"),
    ]
    assert run(pasted, "select queue_name from pgmq.list_queues()") == [("news",)]
    assert run(pasted, "select pattern, queue_name from pgmq.list_topic_bindings() order by 1") == [
        ("a.*", "news"),
        ("b", "news"),
    ]
    assert run(pasted, "select queue_name, queue_length from pgmq.metrics_all()") == [("news", 1)]
    assert run(pasted, "select pgmq.drop_queue('NEWS')") == [(True,)]


def test_ids_go_on_above_an_archive_that_outlived_a_crash(pasted: str, run: Run) -> None:
    run(pasted, "select pgmq.create_unlogged('fast'), pgmq.send_batch('fast', array['1', '2', '3']::jsonb[])")
    run(pasted, "select pgmq.archive('fast', 3); truncate pgmq.q_fast restart identity")  # as after a crash

    adopt(pasted)

    assert run(pasted, "select pgmq.send('fast', '4')") == [(4,)]
    assert run(pasted, "select pgmq.archive('fast', 4)") == [(True,)]


def test_many_delayed_messages_are_parked(pasted: str, run: Run) -> None:
    run(pasted, "select pgmq.create('mail')")
    run(
        pasted,
        "insert into pgmq.q_mail (vt, message) select now() + interval '1 h', to_jsonb(n) from generate_series(1, 12000) n",
    )
    run(pasted, "select pgmq.send('mail', '0')")

    adopt(pasted)

    assert run(pasted, "select count(*) filter (where due = vt) >= 10000, count(*) from pgmq.q_mail") == [(True, 12001)]
    assert run(pasted, "select message from pgmq.read('mail', 30, 5)") == [(0,)]


OLDER = {
    "1.12": "drop function pgmq.create_partitioned(text, text, text, integer); drop function pgmq.read_grouped_head_with_poll",
    "1.10": "drop table pgmq.topic_bindings; drop function pgmq.read_grouped_head(text, integer, integer)",
    "1.9": """
        drop function pgmq.read, pgmq.pop, pgmq.read_with_poll, pgmq.read_grouped, pgmq.read_grouped_with_poll,
                      pgmq.read_grouped_rr, pgmq.read_grouped_rr_with_poll;
        drop function pgmq.set_vt(text, bigint, integer), pgmq.set_vt(text, bigint, timestamptz);
        drop function pgmq.set_vt(text, bigint[], integer), pgmq.set_vt(text, bigint[], timestamptz);
        alter type pgmq.message_record drop attribute last_read_at;
        alter table pgmq.q_mail drop column last_read_at; alter table pgmq.a_mail drop column last_read_at;
        create function pgmq.pop(queue_name text) returns setof pgmq.message_record language sql
            begin atomic select null::pgmq.message_record; end;
        create function pgmq.read_grouped(queue_name text) returns setof pgmq.message_record language sql
            begin atomic select null::pgmq.message_record; end;
        """,
    "1.8": "drop function pgmq.read_grouped",
    "1.7": "drop table pgmq.notify_insert_throttle",
    "1.5": "drop function pgmq.enable_notify_insert, pgmq.notify_queue_listeners cascade",
}
"""What later releases brought, one after the other, taken away again."""


@pytest.mark.parametrize("release", OLDER)
def test_older_releases_are_brought_up_to_date(pasted: str, run: Run, release: str) -> None:
    run(pasted, "select pgmq.create('mail'), pgmq.send_batch('mail', array['1', '2']::jsonb[]), pgmq.archive('mail', 1)")
    run(pasted, "select pgmq.enable_notify_insert('mail', 300)")
    for older, changes in OLDER.items():
        run(pasted, changes)
        if older == release:
            break

    done = adopt(pasted)

    assert done.found == f"PGMQ's SQL, {'1.11' if release == '1.12' else release} or later"
    assert run(pasted, "select msg_id, read_ct, last_read_at is null, message, headers from pgmq.read('mail', 0, 9)") == [
        (2, 1, False, 2, None)
    ]
    assert run(pasted, "select pgmq.archive('mail', 2)") == [(True,)]
    assert run(pasted, "select msg_id, last_read_at is null from pgmq.a_mail order by 1") == [(1, True), (2, False)]
    notified: list[Any] = {"1.7": [("mail", 0)], "1.5": []}.get(release, [("mail", 300)])
    assert run(pasted, "select queue_name, throttle_interval_ms from pgmq.list_notify_insert_throttles()") == notified


@pytest.mark.parametrize("interval", ["3", "1 day"])
def test_a_queue_of_pg_partman_is_adopted_as_it_is(pasted: str, run: Run, partman: None, interval: str) -> None:
    run(pasted, f"create extension pg_partman; select pgmq.create_partitioned('mail', '{interval}', '{interval}')")
    run(pasted, "select pgmq.send_batch('mail', array['1', '2', '3', '4', '5']::jsonb[]), pgmq.archive('mail', 1)")
    config = run(pasted, "select * from part_config order by parent_table")
    rows = run(pasted, "select tableoid::regclass::text, msg_id, message from pgmq.q_mail order by 2")

    done = adopt(pasted)

    assert run(pasted, "select tableoid::regclass::text, msg_id, message from pgmq.q_mail order by 2") == rows
    assert run(pasted, "select * from part_config order by parent_table") == config
    assert (done.queues[0].kind, done.queues[0].steps[-1]) == ("partitioned", "leave its partitions to pg_partman")
    assert run(pasted, "select msg_id from pgmq.read('mail', 60, 2)") == [(2,), (3,)]
    assert run(pasted, "select pgmq.delete('mail', 2), pgmq.archive('mail', 3), pgmq.send('mail', '6')") == [(True, True, 6)]
    run(pasted, "call run_maintenance_proc()")
    assert run(pasted, "select msg_id from pgmq.pop('mail', 9)") == [(4,), (5,), (6,)]


def test_clients_at_work_lose_nothing(theirs: str, run: Run) -> None:
    run(theirs, "select pgmq.create('mail')")
    adopted, refused = Event(), list[psycopg.Error]()

    def retried(query: str, *arguments: object) -> list[Any]:
        while True:
            try:
                return run(theirs, query, *arguments)
            except psycopg.Error as error:
                refused.append(error)

    def send() -> list[int]:
        sent: list[int] = []
        while not adopted.is_set() or len(sent) < 200:
            sent += [msg_id for (msg_id,) in retried("select pgmq.send('mail', '1')")]
        return sent

    def finish(total: Callable[[], int | None]) -> list[int]:
        done: list[int] = []
        while (expected := total()) is None or len(done) < expected:
            for (msg_id,) in retried("select msg_id from pgmq.read('mail', 600, 3)"):
                assert retried("select pgmq.archive('mail', %s::bigint)", msg_id) == [(True,)]
                done.append(msg_id)
        return done

    with ThreadPoolExecutor(2) as clients:
        sender = clients.submit(send)
        reader = clients.submit(finish, lambda: len(sender.result()) if sender.done() else None)
        while run(theirs, "select count(*) < 20 from pgmq.a_mail") == [(True,)]:
            pass
        try:
            adopt(theirs, lock_timeout_s=20)
        finally:
            adopted.set()
        sent, read = sender.result(timeout=60), reader.result(timeout=60)

    assert sorted(read) == sorted(sent) == sorted(set(sent))
    assert all(error.sqlstate for error in refused), "refused by the server, so nothing was done: safe to repeat"
    assert run(theirs, "select array_agg(msg_id order by msg_id), (select count(*) from pgmq.q_mail) from pgmq.a_mail") == [
        (sorted(sent), 0)
    ]


def test_the_way_back_that_the_documentation_shows_keeps_every_message(theirs: str, run: Run, upstream_sql: str) -> None:
    guide = Path(__file__).parents[2] / "docs" / "coming-from-pgmq.md"
    [leave, enter] = re.findall(r"```sql\n(.*?)```", guide.read_text(), re.DOTALL)
    was_extension = run(theirs, "select count(*) from pg_extension where extname = 'pgmq'") == [(1,)]
    run(theirs, QUEUES + "; " + MESSAGES)
    adopt(theirs)
    before = _contents(run, theirs)

    run(theirs, leave)
    run(theirs, "create extension pgmq" if was_extension else upstream_sql)
    run(theirs, enter)

    assert _contents(run, theirs) == before
    assert "pgmq" in plan(theirs).foreign
    assert run(theirs, "select pgmq.send_topic('logs.x', '1'), pgmq.send('mail', '2')") == [(2, 11)]
    assert run(theirs, "select throttle_interval_ms from pgmq.list_notify_insert_throttles()") == [(300,)]
    assert len(adopt(theirs).queues) == 5


def test_a_function_of_the_users_own_stays(pasted: str, run: Run) -> None:
    run(pasted, "create function pgmq.ours() returns integer language sql as 'select 7'")

    done = adopt(pasted)

    assert done.kept == ["ours"]
    assert run(pasted, "select pgmq.ours()") == [(7,)]


@pytest.fixture
def role(server: str, empty_dsn: str, run: Run) -> Iterator[str]:
    """A role that owns nothing."""
    name = f"visitor_{urlsplit(empty_dsn).path[1:]}"
    run(server, f"create role {name} login password 'x'")
    yield name
    run(empty_dsn, f"drop owned by {name} cascade")
    run(server, f"drop role {name}")


def test_rights_that_were_given_are_kept(pasted: str, run: Run, role: str) -> None:
    run(
        pasted, f"select pgmq.create('mail'); grant usage on schema pgmq to {role}; grant insert, select on pgmq.q_mail to {role}"
    )
    run(pasted, f"grant select on pgmq.meta to {role}; revoke execute on function pgmq.create(text) from public")
    run(pasted, f"grant execute on function pgmq.send(text, jsonb) to {role} with grant option")

    adopt(pasted)

    rights = """select has_table_privilege(%s, 'pgmq.meta', 'select'), has_table_privilege(%s, 'pgmq.meta', 'insert'),
        has_function_privilege(%s, 'pgmq.create(text)', 'execute'),
        has_function_privilege(%s, 'pgmq.send(text, jsonb)', 'execute with grant option')"""
    assert run(pasted, rights, role, role, role, role) == [(True, False, False, True)]
    visitor = urlsplit(pasted)
    visiting = visitor._replace(netloc=f"{role}:x@{visitor.hostname}:{visitor.port}").geturl()
    assert run(visiting, "select pgmq.send('mail', '1')") == [(1,)]


def test_who_owned_the_queues_goes_on_owning_and_making_them(empty_dsn: str, run: Run, role: str, upstream_sql: str) -> None:
    url = urlsplit(empty_dsn)
    owner = url._replace(netloc=f"{role}:x@{url.hostname}:{url.port}").geturl()
    run(empty_dsn, f"grant create on database {url.path[1:]} to {role}")
    run(owner, upstream_sql.replace("pg_monitor", role))
    run(owner, "select pgmq.create('mail'), pgmq.send('mail', '1'), pgmq.enable_notify_insert('mail')")

    adopt(empty_dsn)

    owned = "select distinct relowner::regrole::text from pg_class where relname ~ '^[qab]_mail'"
    assert run(empty_dsn, owned) == [(role,)]
    assert run(owner, "select pgmq.send('mail', '2'), pgmq.create('post'), pgmq.send('post', '1')") == [(2, "", 1)]
    assert run(owner, "select msg_id from pgmq.read('mail', 0, 9)") == [(1,), (2,)]
    assert run(owner, "select pgmq.archive('mail', 1), pgmq.drop_queue('mail')") == [(True, True)]


REFUSED = {
    "rule _RETURN on view public.numbers depends on function pgmq.metrics_all()": """
        create view numbers as select * from pgmq.metrics_all()""",
    "rule _RETURN on view public.names depends on table pgmq.meta": "create view names as select queue_name from pgmq.meta",
    "column m of table public.kept depends on type pgmq.message_record": "create table kept (m pgmq.message_record)",
    "constraint t_q_fkey on table public.t depends on table pgmq.meta": """
        create table t (q varchar references pgmq.meta (queue_name))""",
    "trigger mine on table pgmq.q_mail depends on function pgmq.notify_queue_listeners()": """
        create trigger mine after insert on pgmq.q_mail for each row execute function pgmq.notify_queue_listeners()""",
    "policy mine on table pgmq.meta depends on table pgmq.meta": "create policy mine on pgmq.meta",
    "table pgmq.q_mail has no column vt": "alter table pgmq.q_mail rename vt to visible",
    "table pgmq.meta has no column created_at": "alter table pgmq.meta rename created_at to at",
    'queue "mail" has no archive pgmq.a_mail': "drop table pgmq.a_mail",
    "column msg_id of pgmq.q_mail has no sequence": "alter table pgmq.q_mail alter msg_id drop identity",
    "pgmq.q_mail is no table": "drop table pgmq.q_mail; create view pgmq.q_mail as select * from pgmq.a_mail",
    "there is no table pgmq.meta": "drop table pgmq.meta cascade",
    "function pgmq.peek(text) is not PGMQ's, and hanjul has one of that name": """
        create function pgmq.peek(text) returns integer language sql as 'select 7'""",
    "pgmq.b_mail is in the place of the sequence of a queue": "create table pgmq.b_mail ()",
    f'queue "{"ü" * 40}": its name has 80 bytes, 61 are possible': f"""
        insert into pgmq.meta values ('{"ü" * 40}', false, false); create table pgmq."q_{"ü" * 30}" ()""",
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_carried_over_is_named_and_nothing_is_changed(
    pasted: str, run: Run, dump: Callable[[str], str], said: str
) -> None:
    run(pasted, "select pgmq.create('mail'), pgmq.send('mail', '1')")
    run(pasted, REFUSED[said])
    before = dump(pasted)

    for attempt in (look, adopt):
        with pytest.raises(SchemaMismatch, match="this installation of pgmq cannot be adopted, nothing was changed: ") as refused:
            attempt(pasted)
        assert said in str(refused.value)

    assert dump(pasted) == before


def test_a_release_that_is_not_known_is_refused(empty_dsn: str, run: Run, upstream_extension: None) -> None:
    run(empty_dsn, "create extension pgmq version '1.14.0'")

    with pytest.raises(SchemaMismatch, match=r"the extension pgmq is version 1\.14\.0; 1\.5 to 1\.13 can be adopted"):
        adopt(empty_dsn)


def test_an_extension_that_others_need_can_be_kept_without_content(empty_dsn: str, run: Run, upstream_extension: None) -> None:
    run(empty_dsn, "create extension needs_pgmq cascade; select pgmq.create('mail')")
    with pytest.raises(SchemaMismatch, match="extension needs_pgmq needs the extension pgmq; it can be kept, without content"):
        adopt(empty_dsn)

    done = adopt(empty_dsn, keep_extension=True)

    assert done.extension == "keep"
    run(empty_dsn, "create extension if not exists pgmq cascade; drop extension needs_pgmq; drop extension pgmq")
    assert run(empty_dsn, "select pgmq.send('mail', '1')") == [(1,)]


def test_a_role_that_does_not_own_it_is_refused(theirs: str, run: Run, dump: Callable[[str], str], role: str) -> None:
    run(theirs, f"select pgmq.create('mail'); grant create on database {urlsplit(theirs).path[1:]} to {role}")
    url = urlsplit(theirs)
    visiting = url._replace(netloc=f"{role}:x@{url.hostname}:{url.port}").geturl()
    before = dump(theirs)

    with pytest.raises(PermissionDenied, match=f"schema pgmq belongs to role postgres, and the role {role} is not in it"):
        adopt(visiting)

    run(theirs, f"alter schema pgmq owner to {role}")
    with pytest.raises(PermissionDenied, match=r"table pgmq\.a_mail and \d more tables belong to role postgres"):
        adopt(visiting)
    run(theirs, "alter schema pgmq owner to postgres")
    run(theirs, f"revoke all on schema pgmq from {role}")
    assert dump(theirs) == before


def test_a_table_in_use_is_waited_for_shortly_and_its_user_is_named(theirs: str, run: Run, dump: Callable[[str], str]) -> None:
    run(theirs, QUEUES)
    before = dump(theirs)
    with psycopg.connect(theirs) as busy:
        busy.execute("select pgmq.send('mail', '1')")

        with pytest.raises(
            Interrupted, match=rf"table pgmq.q_mail is in use by process {busy.info.backend_pid}, idle in transaction for"
        ):
            adopt(theirs, lock_timeout_s=0.1)

        busy.rollback()
    assert run(theirs, "select pgmq.send('empty', '1'), pgmq.purge_queue('empty')") == [(1, 1)]
    run(theirs, "select setval('pgmq.q_empty_msg_id_seq', 1, false), setval('pgmq.q_mail_msg_id_seq', 1, false)")
    assert dump(theirs) == before
