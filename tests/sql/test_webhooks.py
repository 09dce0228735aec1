"""Webhooks: from a row that changes to the request that tells of it, in SQL alone."""

import json

import pytest

URL = "https://receiver.example/hook"
REQUESTS = """
    select convert_from(body, 'UTF8'), ordering_key, webhook from net.http_request_queue where webhook is not null order by id"""


@pytest.fixture
def orders(db):
    """A session on a database with a table of orders."""
    db.run("create table orders (id bigint primary key, item text, price numeric(8, 2))")
    return db


def watch(db, table="orders", events="{insert,update,delete}", **options):
    """Create a webhook; its name."""
    given = "".join(f", {name} => %s" for name in options)
    return db.one(
        f"select webhook from hanjul.create_webhook(%s::regclass, %s, '{URL}'{given})", table, events, *options.values()
    )


def events(db):
    return [json.loads(body) for body, _, _ in db.rows(REQUESTS)]


def lines(db):
    return [line for _, line, _ in db.rows(REQUESTS)]


# What is sent


def test_each_change_of_a_row_is_sent_as_supabase_sends_it(orders):
    watch(orders)

    orders.run("insert into orders values (1, 'tea', 2.50)")
    orders.run("update orders set item = 'coffee'")
    orders.run("delete from orders")

    tea, coffee = {"id": 1, "item": "tea", "price": 2.5}, {"id": 1, "item": "coffee", "price": 2.5}
    assert events(orders) == [
        {"type": "INSERT", "table": "orders", "schema": "public", "record": tea, "old_record": None},
        {"type": "UPDATE", "table": "orders", "schema": "public", "record": coffee, "old_record": tea},
        {"type": "DELETE", "table": "orders", "schema": "public", "record": None, "old_record": coffee},
    ]


def test_a_truncate_is_sent_without_rows(orders):
    watch(orders, events="{TRUNCATE}")

    orders.run("insert into orders values (1)")
    orders.run("truncate orders")

    assert events(orders) == [{"type": "TRUNCATE", "table": "orders", "schema": "public", "record": None, "old_record": None}]


def test_a_request_has_what_the_webhook_was_told_and_the_creators_name(orders):
    watch(orders, headers='{"X-Team": "a"}', timeout_ms=3000, retry='{"max_attempts": 3, "max_age_s": 60}')

    orders.run("insert into orders values (1)")

    [(method, url, headers, timeout_ms, who, attempts, signer, options, age)] = orders.rows("""
        select method, url, headers, timeout_milliseconds, enqueued_by, max_attempts, sign_with, options,
               round(extract(epoch from give_up_at - created)) from net.http_request_queue""")
    assert (method, url, headers) == ("POST", URL, {"X-Team": "a", "Content-Type": "application/json"})
    assert (timeout_ms, who, attempts, options, age) == (3000, "postgres", 3, {"max_redirects": 0}, 60)
    assert orders.column("select secret from hanjul.list_webhooks()") == [signer]


def test_retries_are_those_of_standard_webhooks_unless_it_is_told_otherwise(orders):
    plain, few, own = [
        orders.one("select hanjul._webhook_retry(%s)", retry) for retry in ("{}", '{"max_attempts": 2}', '{"schedule_s": [1]}')
    ]

    assert plain == {
        "schedule_s": [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400], "max_attempts": 10, "jitter": 0.1,
        "statuses": "non-2xx", "errors": True, "retry_after": True,
    }  # fmt: skip
    assert few == plain | {"max_attempts": 2}
    assert own == {key: plain[key] for key in ("jitter", "statuses", "errors", "retry_after")} | {"schedule_s": [1]}
    assert orders.one("select hanjul._webhook_retry('{\"base_s\": 1}') -> 'schedule_s'") is None


def test_a_secret_is_made_for_the_host_of_the_url_and_told_once(orders):
    [(name, signer, secret)] = orders.rows(f"select * from hanjul.create_webhook('orders', '{{insert}}', '{URL}')")

    assert name == "orders_insert"
    assert orders.rows("select name, value, hosts from net.secret") == [(signer, secret, ["receiver.example"])]
    assert secret.startswith("whsec_")
    assert len(secret) == len("whsec_") + 44


def test_a_secret_that_is_there_signs_if_it_is_named(orders, refused):
    orders.run("select net.set_secret('billing', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', array['receiver.example'])")
    orders.run("select net.set_secret('token', 'abc', array['receiver.example'])")

    watch(orders, secret="billing")

    orders.run("insert into orders values (1)")
    assert orders.rows("select sign_with from net.http_request_queue") == [("billing",)]
    with refused("P0002", "there is no secret 'none'"):
        watch(orders, name="other", secret="none")
    with refused("22023", "secret 'token' is none that signs: those begin with whsec_"):
        watch(orders, name="other", secret="token")


def test_updates_may_be_those_of_some_columns_and_events_those_of_some_rows(orders):
    watch(orders, events="{update}", columns="{price}", condition="new.price > 5")
    orders.run("insert into orders values (1, 'tea', 1)")

    orders.run("update orders set item = 'gold tea'")
    orders.run("update orders set price = 2")
    orders.run("update orders set price = 9")

    assert [event["record"]["price"] for event in events(orders)] == [9]


def test_the_webhooks_of_one_table_do_not_mix(orders):
    for number in range(12):
        watch(orders, events="{insert}", name=f"hook {number}", ordering="{item}" if number % 2 else "{}")

    orders.run("insert into orders values (1, 'tea'), (2, 'milk')")

    sent = orders.rows(f"select webhook, array_agg(ordering_key), count(*) from ({REQUESTS}) r group by webhook")
    assert {(name, *keys, n) for name, keys, n in sent} == {
        (f"hook {number}", *([f"hook {number}/tea", f"hook {number}/milk"] if number % 2 else [None, None]), 2)
        for number in range(12)
    }


# Order


def test_events_of_one_row_stand_in_one_line(orders):
    watch(orders)

    orders.run("insert into orders values (1), (2)")
    orders.run("update orders set item = 'x'")

    assert lines(orders) == [f"orders_insert_update_delete/{key}" for key in (1, 2, 1, 2)]


def test_only_the_first_event_of_a_row_is_handed_out(orders):
    watch(orders)
    orders.run("insert into orders values (1), (2)")
    orders.run("update orders set item = 'x'")

    first = orders.rows("select id, claims, ordering_key from net.claim_requests(10, 60)")

    assert [key.rpartition("/")[2] for _, _, key in first] == ["1", "2"]
    answers = [{"id": id_, "claim": claim, "how": "success", "status_code": 200} for id_, claim, _ in first]
    assert orders.rows("select * from net.settle_requests(%s::json)", json.dumps(answers)) == []
    second = orders.column("select ordering_key from net.claim_requests(10, 60)")
    assert sorted(key.rpartition("/")[2] for key in second) == ["1", "2"]


def test_order_may_go_by_other_columns_or_there_may_be_none(orders):
    watch(orders, name="by item", ordering="{item,id}", events="{insert}")
    watch(orders, name="loose", ordering="{}", events="{insert}")

    orders.run("insert into orders values (1, 'a/b%'), (2, null)")

    assert sorted(lines(orders), key=str) == [None, None, "by item/%00/2", "by item/a%2Fb%25/1"]


def test_a_table_without_a_primary_key_has_no_order_unless_it_is_told(db):
    db.run("create table notes (said text)")
    watch(db, "notes", "{insert}")

    db.run("insert into notes values ('x')")

    assert lines(db) == [None]


def test_a_key_that_is_too_long_for_an_index_stands_by_its_hash(db):
    db.run("create table notes (said text)")
    watch(db, "notes", "{insert}", ordering="{said}")

    db.run("insert into notes select repeat(x, 100000) from unnest(array['x', 'x', 'y']) x")

    first, second, third = lines(db)
    assert first == second != third
    assert first.startswith("notes_insert/sha256:")


def test_events_go_on_without_order_when_its_column_has_another_name(orders):
    watch(orders, ordering="{item}")
    orders.run("alter table orders rename item to thing")

    orders.run("insert into orders values (1, 'tea')")

    assert lines(orders) == [None]


# Transactions


def test_nothing_is_sent_of_what_is_rolled_back_also_to_a_savepoint(orders, connect):
    watch(orders)
    other = connect()

    orders.run("begin")
    orders.run("insert into orders values (1)")
    orders.run("savepoint s")
    orders.run("insert into orders values (2)")
    orders.run("rollback to s")
    assert events(other) == []
    orders.run("commit")
    orders.run("begin")
    orders.run("insert into orders values (3)")
    orders.run("rollback")

    assert [event["record"]["id"] for event in events(other)] == [1]


def test_ten_thousand_rows_of_one_statement_are_ten_thousand_requests_in_their_order(orders):
    watch(orders, events="{insert}")

    orders.run("insert into orders select n, 'x' from generate_series(1, 10000) n")

    assert [event["record"]["id"] for event in events(orders)] == list(range(1, 10001))


def test_one_transaction_wakes_senders_once(orders, connect):
    watch(orders)
    sender = connect()
    sender.run("listen hanjul")
    sender.run("select hanjul.wait('{http requests}')")

    orders.run("insert into orders select n, 'x' from generate_series(1, 100) n")

    assert [notify.payload for notify in sender.connection.notifies(timeout=5, stop_after=1)] == ["http requests"]
    sender.run("select 1")
    assert list(sender.connection.notifies(timeout=0)) == []


# Tables of all kinds


def test_names_may_be_anything(db):
    db.run('create schema "a.b"')
    db.run("""create table "a.b"."o'rd""ers; drop" ("k'ey;" integer primary key, "select" text, "ü{}%s" integer)""")
    name = watch(db, """"a.b"."o'rd""ers; drop\"""", columns="""{select}""")

    db.run("""insert into "a.b"."o'rd""ers; drop" values (1, '"', 2)""")
    db.run("""update "a.b"."o'rd""ers; drop" set "select" = null""")

    assert name == """o'rd"ers; drop_insert_update_delete"""
    assert [event["record"] for event in events(db)] == [
        {"k'ey;": 1, "select": '"', "ü{}%s": 2},
        {"k'ey;": 1, "select": None, "ü{}%s": 2},
    ]
    assert {(event["schema"], event["table"]) for event in events(db)} == {("a.b", """o'rd"ers; drop""")}
    assert lines(db) == [f"{name}/1"] * 2
    db.run("select hanjul.drop_webhook(%s)", name)
    assert db.one("""select count(*) from pg_trigger where tgrelid = '"a.b"."o''rd""ers; drop"'::regclass""") == 0


def test_the_events_of_partitions_are_those_of_the_table(db):
    db.run('create schema "a.b"; set search_path = "a.b"')
    db.run("create table sales (id integer, day integer, primary key (id, day)) partition by range (day)")
    db.run("create table sales_1 partition of sales for values from (0) to (10) partition by range (day)")
    db.run("create table sales_1_1 partition of sales_1 for values from (0) to (10)")
    watch(db, "sales")
    db.run("create table sales_2 (id integer, day integer, primary key (id, day))")
    db.run("alter table sales attach partition sales_2 for values from (10) to (20)")

    db.run("insert into sales values (1, 1), (2, 11)")
    db.run("insert into sales_2 values (3, 12)")

    assert [(event["schema"], event["table"], event["record"]["id"]) for event in events(db)] == [
        ("a.b", "sales", number) for number in (1, 2, 3)
    ]
    assert lines(db)[0] == "sales_insert_update_delete/1/1"


def test_generated_columns_are_sent(db):
    db.run("create table boxes (a integer, b integer, area integer generated always as (a * b) stored)")
    watch(db, "boxes")

    db.run("insert into boxes values (2, 3)")

    assert events(db)[0]["record"] == {"a": 2, "b": 3, "area": 6}


def test_virtual_generated_columns_are_sent_and_null_if_they_cannot_be_computed(db):
    virtual = db.connection.info.server_version >= 180000
    kind = "virtual" if virtual else "stored"
    db.run("create type mood as enum ('fine')")
    db.run(f"""create table boxes (a integer, "b b" integer, m mood, share integer generated always as (a / "b b") {kind})""")
    watch(db, "boxes")

    db.run("insert into boxes values (6, 3, 'fine')")
    db.run("update boxes set a = 9")
    if virtual:
        db.run("insert into boxes values (1, 0, null)")

    shares = [(event["record"]["share"], (event["old_record"] or {}).get("share")) for event in events(db)]
    assert shares == [(2, None), (3, 2), (None, None)][: len(shares)]
    assert len(shares) == 3 - (not virtual)
    assert events(db)[0]["record"]["m"] == "fine"


def test_values_that_jsonb_would_refuse_do_not_fail_the_statement(db):
    db.run("create table odd (j json, n numeric, t timestamptz)")
    watch(db, "odd")

    db.run("""insert into odd values ('{"a": "\\u0000", "n": 1e999999}', 'NaN', 'infinity')""")

    [(body, _, _)] = db.rows(REQUESTS)
    assert '"j":{"a": "\\u0000", "n": 1e999999},"n":"NaN","t":"infinity"' in body


def test_a_row_of_megabytes_is_sent_whole_and_one_that_is_too_large_as_an_event_that_says_so(db):
    db.run("create table files (id integer primary key, content text)")
    watch(db, "files")

    db.run("insert into files values (1, repeat('x', 5000000)), (2, repeat('x', 68000000))")

    whole, without = events(db)
    assert len(whole["record"]["content"]) == 5_000_000
    assert (without["record"], without["old_record"], without["key"]) == (None, None, "2")
    assert without["too_large"] > 68_000_000


@pytest.mark.parametrize(
    ("make", "table", "why"),
    [
        ("create view seen as select 1 as a", "seen", "webhooks are on tables; public.seen is a view"),
        ("create materialized view seen as select 1 as a", "seen", "webhooks are on tables; public.seen is a view"),
        (
            "create temporary table seen (a integer)",
            "seen",
            "webhooks are on tables; seen is a temporary table, and gone with its session",
        ),
        ("create sequence seen", "seen", "webhooks are on tables; public.seen is no table"),
        (
            "select",
            "net.http_request_queue",
            "webhooks are on tables; net.http_request_queue is hanjul's own: its events would make events",
        ),
    ],
    ids=["view", "materialized view", "temporary", "sequence", "own"],
)
def test_what_is_no_table_is_refused(db, refused, make, table, why):
    db.run(make)

    with refused("42809", why):
        watch(db, table)


BAD_WEBHOOKS = [
    ("events", "{}", "22023", "a webhook needs events, as in array['insert', 'update']"),
    ("events", "{insrt}", "22023", "an event is insert, update, delete or truncate, not 'insrt'"),
    ("name", "", "22023", "name must be text of 1 to 200 characters without control characters, not ''"),
    ("name", "a\nb", "22023", None),
    ("headers", "[1]", "22023", "headers must be a JSON object, not an array"),
    ("headers", '{"a b": 1}', "22023", None),
    ("headers", '{"Host:": 1}', "22023", None),
    ("headers", '{"Connection": "close"}', "22023", None),
    ("headers", '{"A": "1\\r\\nB: 2"}', "22023", None),
    ("timeout_ms", 0, "22023", "timeout_ms must be between 1 and 3600000 (an hour), not 0"),
    ("timeout_ms", None, "22023", None),
    ("retry", '{"tries": 3}', "22023", 'retry has no field "tries"'),
    ("retry", "[]", "22023", None),
    ("retry", '{"max_attempts": 0}', "22023", None),
    ("ordering", "{no}", "42703", "ordering: table public.orders has no column no"),
    ("ordering", "{NULL}", "42703", None),
    ("columns", "{no}", "42703", "columns: table public.orders has no column no"),
    ("columns", "{}", "22023", None),
    ("condition", "true) execute function x(); --", "22023", None),
    ("condition", " ", "22023", None),
    ("condition", "new.nothing > 1", "42703", None),
    ("condition", "true) (", "42601", None),
    ("disable_after", "0", "22023", None),
    ("disable_after", "-1 day", "22023", None),
    ("disable_after", None, "22023", None),
]


@pytest.mark.parametrize(("option", "value", "state", "why"), BAD_WEBHOOKS)
def test_what_cannot_be_is_refused_and_leaves_nothing(orders, refused, option, value, state, why):
    with refused(state, why):
        watch(orders, **{option: value})

    assert orders.rows("select from hanjul.webhook union all select from net.secret") == []
    assert orders.rows("select from pg_trigger where tgrelid = 'orders'::regclass") == []


@pytest.mark.parametrize(
    "url", ["", "receiver.example", "ftp://receiver.example/", "https://", "https://a b/", "https://x:99999/"]
)
def test_a_url_that_is_none_is_refused(orders, refused, url):
    with refused("XX000"):
        orders.run("select hanjul.create_webhook('orders', '{insert}', %s)", url)


def test_a_name_is_taken_once(orders, refused):
    watch(orders, events="{insert}")

    with refused("23505", "there is a webhook 'orders_insert' already"):
        watch(orders, events="{insert}")
    assert watch(orders, events="{insert}", name="another") == "another"


def test_a_table_that_is_dropped_leaves_a_webhook_that_says_so_and_can_be_dropped(orders):
    name = watch(orders)
    orders.run("insert into orders values (1)")
    orders.run("drop table orders")

    assert orders.rows('select "table", pending from hanjul.list_webhooks()') == [(None, 1)]
    orders.run("select hanjul.drop_webhook(%s)", name)
    assert orders.rows("select name from hanjul.list_webhooks()") == []


def test_a_table_that_is_renamed_keeps_its_webhook(orders):
    watch(orders, events="{insert}")
    orders.run("alter table orders rename to purchases")

    orders.run("insert into purchases values (1)")

    assert [event["table"] for event in events(orders)] == ["purchases"]
    assert orders.column('select "table" from hanjul.list_webhooks()') == ["public.purchases"]
