"""net.http_get, http_post and http_delete: what is stored, what is refused, and that it is the transaction's own."""

import psycopg
import pytest

QUEUED = "select method, url, headers, convert_from(body, 'UTF8'), timeout_milliseconds from net.http_request_queue order by id"


# What is stored


def test_a_get_is_one_row_with_pg_nets_defaults(db):
    db.run("select net.http_get('http://example.com/a')")

    assert db.rows(QUEUED) == [("GET", "http://example.com/a", {}, None, 5000)]


def test_arguments_by_position_are_those_of_pg_net(db):
    db.run("""select net.http_get('http://example.com/', '{"a": 1}', '{"x": "y"}', 1)""")
    db.run("""select net.http_post('http://example.com/', '{"b": 2}', '{"a": 1}', '{"Content-Type": "application/json"}', 2)""")
    db.run("""select net.http_delete('http://example.com/', '{"a": 1}', '{"x": "y"}', 3, '[1]')""")

    assert db.rows(QUEUED) == [
        ("GET", "http://example.com/?a=1", {"x": "y"}, None, 1),
        ("POST", "http://example.com/?a=1", {"Content-Type": "application/json"}, '{"b": 2}', 2),
        ("DELETE", "http://example.com/?a=1", {"x": "y"}, "[1]", 3),
    ]


def test_the_signatures_are_exactly_those_that_other_peoples_scripts_alter(db):
    signatures = [
        "net.http_get(url text, params jsonb, headers jsonb, timeout_milliseconds integer)",
        "net.http_post(url text, body jsonb, params jsonb, headers jsonb, timeout_milliseconds integer)",
        "net.http_delete(url text, params jsonb, headers jsonb, timeout_milliseconds integer, body jsonb)",
        "net._http_collect_response(request_id bigint, async boolean)",
        "net.http_collect_response(request_id bigint, async boolean)",
        "net._await_response(request_id bigint)",
        "net._urlencode_string(string varchar)",
        "net._encode_url_with_params_array(url text, params_array text[])",
        "net.worker_restart()",
        "net.wait_until_running()",
        "net.wake()",
        "net.check_worker_is_up()",
    ]

    for signature in signatures:
        db.run(f"comment on function {signature} is 'it is there'")

    names = {signature.partition("(")[0].removeprefix("net.") for signature in signatures}
    ours = "select proname from pg_proc where pronamespace = 'net'::regnamespace"
    assert db.column(f"{ours} and proname = any (%s) group by 1 having count(*) > 1", list(names)) == []


@pytest.mark.parametrize(
    ("call", "returned", "strict", "volatility"),
    [
        ("http_get", "bigint", False, "v"),
        ("http_post", "bigint", False, "v"),
        ("http_delete", "bigint", False, "v"),
        ("_http_collect_response", "net.http_response_result", False, "v"),
        ("http_collect_response", "net.http_response_result", False, "v"),
        ("_await_response", "boolean", False, "v"),
        ("_urlencode_string", "text", False, "i"),
        ("_encode_url_with_params_array", "text", False, "i"),
        ("worker_restart", "boolean", False, "v"),
        ("wait_until_running", "void", False, "v"),
        ("wake", "void", False, "v"),
        ("check_worker_is_up", "void", False, "v"),
    ],
)
def test_results_and_kinds_are_pg_nets(shared, call, returned, strict, volatility):
    kind = "select prorettype::regtype::text, proisstrict, provolatile::text, prosecdef, proparallel::text from pg_proc"
    where = "where pronamespace = 'net'::regnamespace and proname = %s"

    assert shared.rows(f"{kind} {where}", call) == [(returned, strict, volatility, False, "u")]


def test_ids_come_from_the_sequence_and_increase(db):
    first, second = db.column("select net.http_get('http://x/') from generate_series(1, 2)")
    db.run("begin; select net.http_get('http://x/'); rollback")

    third = db.one("select net.http_get('http://x/')")

    assert (second - first, third - second) == (1, 2)
    assert db.one("select last_value from net.http_request_queue_id_seq") == third


@pytest.mark.parametrize(
    ("body", "stored"),
    [("""'{"b":1,  "a":"é"}'""", '{"a": "é", "b": 1}'), ("'null'", "null"), ("null", None), ("'[]'", "[]")],
)
def test_a_posted_body_is_canonical_json_in_utf8(db, body, stored):
    db.run(f"select net.http_post('http://x/', {body})")

    assert db.one("select convert_from(body, 'UTF8') from net.http_request_queue") == stored


@pytest.mark.parametrize("function", ["http_get", "http_post", "http_delete"])
@pytest.mark.parametrize(("ms", "stored"), [(-5, 0), (0, 0), (2147483647, 2147483647)])
def test_any_timeout_is_taken_and_a_negative_one_is_none(db, function, ms, stored):
    db.run(f"select net.{function}('http://x/', timeout_milliseconds => %s)", ms)

    assert db.one("select timeout_milliseconds from net.http_request_queue") == stored


def test_the_functions_that_pg_net_calls_with_nulls_take_them(db):
    db.run("select net.http_get('http://x/', null, null), net.http_delete('http://x/', null, null, 1, null)")

    assert db.rows(QUEUED) == [("GET", "http://x/", None, None, 5000), ("DELETE", "http://x/", None, None, 1)]


# The content type of http_post


@pytest.mark.parametrize(
    ("headers", "stored"),
    [
        ("""'{"a": "b"}'""", {"a": "b", "Content-Type": "application/json"}),
        ("""'{"content-type": "application/json"}'""", {"content-type": "application/json"}),
        ("""'{"content-type": null}'""", {"content-type": None, "Content-Type": "application/json"}),
        ("'{}'", {"Content-Type": "application/json"}),
        ("null", {"Content-Type": "application/json"}),
        ("""'{"Content-Type": "application/json", "content-type": "x/y"}'""",  # the first, in the order of jsonb, counts
         {"Content-Type": "application/json", "content-type": "x/y"}),
    ],
)  # fmt: skip
def test_a_post_is_json_unless_it_says_so_itself(db, headers, stored):
    db.run(f"select net.http_post('http://x/', headers => {headers})")

    assert db.one("select headers from net.http_request_queue") == stored


@pytest.mark.parametrize("value", ["text/plain", "application/json; charset=utf-8", "Application/JSON", ""])
def test_another_content_type_is_refused_in_pg_nets_words(shared, refused, value):
    with refused("P0001", 'Content-Type header must be "application/json"'):
        shared.run("select net.http_post('http://x/', headers => jsonb_build_object('content-TYPE', %s::text))", value)


# What is refused


@pytest.mark.parametrize("call", ["http_get(null)", "http_post(null)", "http_delete(null)", "http_get(null, '{\"a\": 1}')"])
def test_a_null_url_is_refused_by_its_column(shared, refused, call):
    with refused("23502", 'null value in column "url" of relation "http_request_queue" violates not-null constraint'):
        shared.run(f"select net.{call}")


@pytest.mark.parametrize("function", ["http_get", "http_post", "http_delete"])
def test_a_null_timeout_is_refused_by_its_column(shared, refused, function):
    column = 'null value in column "timeout_milliseconds" of relation "http_request_queue" violates not-null constraint'
    with refused("23502", column):
        shared.run(f"select net.{function}('http://x/', timeout_milliseconds => null)")


CARRYING = 'headers => \'{"Authorization": "Bearer X", "Content-Type": "application/json"}\''


@pytest.mark.parametrize(
    ("missing", "arguments"), [("url", "null"), ("timeout_milliseconds", "'http://x', timeout_milliseconds => null")]
)
@pytest.mark.parametrize(
    "call", ["http_get(", "http_post(", "http_delete(", "http_put(", "http_patch(", "http_head(", "http_request('GET', "]
)
def test_what_is_missing_is_named_and_the_row_with_its_credentials_stays_out_of_the_log(shared, call, missing, arguments):
    with pytest.raises(psycopg.errors.NotNullViolation) as refused:
        shared.run(f"select net.{call}{arguments}, {CARRYING})")

    said = refused.value.diag
    assert (said.schema_name, said.table_name, said.column_name) == ("net", "http_request_queue", missing)
    assert (said.message_detail, "Bearer" in str(refused.value)) == (None, False)


@pytest.mark.parametrize("function", ["http_get", "http_post", "http_delete"])
@pytest.mark.parametrize("argument", ["params", "headers"])
@pytest.mark.parametrize(
    ("value", "kind"), [("[1]", "an array"), ('"a"', "a JSON string"), ("1", "a JSON number"), ("null", "a JSON null")]
)
def test_params_and_headers_are_objects(shared, refused, function, argument, value, kind):
    with refused("22023", f"{argument} must be a JSON object, not {kind}"):
        shared.run(f"select net.{function}('http://x/', {argument} => '{value}')")


@pytest.mark.parametrize("function", ["http_get", "http_post", "http_delete", "http_request"])
@pytest.mark.parametrize("name", ["", "a b", "a:", "a\n", "é", "(x)", 'a"'])
def test_names_of_headers_are_tokens(shared, refused, function, name):
    method = "'GET', " if function == "http_request" else ""
    with refused("22023"):
        shared.run(f"select net.{function}({method}'http://x/', headers => jsonb_build_object(%s::text, 1))", name)


@pytest.mark.parametrize("function", ["http_get", "http_post", "http_delete", "http_request"])
@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\rb", "\x01", "\x7f"])
def test_a_value_of_a_header_stays_on_its_line(shared, refused, function, value):
    said = 'the value of header "X-A" has a control character (a line break?), which cannot be sent'
    method = "'GET', " if function == "http_request" else ""
    with refused("22023", said):
        shared.run(f"select net.{function}({method}'http://x/', headers => jsonb_build_object('X-A', %s::text))", value)


def test_values_of_any_json_type_and_of_any_script_are_fine(db):
    headers = '{"a": 5, "b": true, "c": {"d": [1, "x\\ny"]}, "e": null, "f": "", "g": "한 줄\\tein ß", "X-y.z~": "\\"q\\""}'

    db.run("select net.http_get('http://x/', headers => %s::jsonb)", headers)

    assert db.one("select headers = %s::jsonb from net.http_request_queue", headers)


CALLS = ["http_get('http://x/', {})", "http_post('http://x/', {})", "http_delete('http://x/', {})", "http_head('http://x/', {})",
         "http_put('http://x/', {})", "http_patch('http://x/', {})", "http_request('GET', 'http://x/', {})"]  # fmt: skip
TOO_MUCH = [
    ("repeat('[', 21) || repeat(']', 21)", "the values of headers must not be nested deeper than 20 levels"),
    ("repeat('[', 2000) || repeat(']', 2000)", "the values of headers must not be nested deeper than 20 levels"),
    ("repeat('{\"a\":', 21) || '{}' || repeat('}', 21)", "the values of headers must not be nested deeper than 20 levels"),
    ("to_json(repeat('x', 65537))", 'the value of header "X" must have at most 64 KiB, not 65537 bytes'),
    ("to_json(repeat('x', 262136))", "headers must have at most 256 KiB in all, as JSON, not 262145 bytes"),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("value", "said"), TOO_MUCH)
def test_headers_that_nobody_could_read_are_refused(shared, refused, call, value, said):
    with refused("22023", said):
        shared.run("select net." + call.format(f"headers => ('{{\"X\": ' || ({value}) || '}}')::jsonb"))


@pytest.mark.parametrize("value", ["repeat('[', 20) || '1' || repeat(']', 20)", "to_json(repeat('x', 65536))"])
def test_headers_up_to_the_limits_are_fine(db, value):
    for call in CALLS:
        db.run("select net." + call.format(f"headers => ('{{\"X\": ' || ({value}) || '}}')::jsonb"))

    assert db.one("select count(*) from net.http_request_queue") == len(CALLS)


@pytest.mark.parametrize("call", [call for call in CALLS if "GET" not in call])
def test_a_url_has_at_most_256_kib_with_its_params(db, refused, call):
    def ask(url, params="'{}'"):
        db.run("select net." + call.replace("'http://x/'", url).format(f"params => {params}"))

    with refused("22023", "url must have at most 256 KiB, not 262145 bytes"):
        ask("'http://x/' || repeat('a', 262136)")
    with refused("22023", "url must have at most 256 KiB, not 262145 bytes"):
        ask("'http://x/'", "jsonb_build_object('a', repeat('b', 262133))")

    ask("'http://x/' || repeat('a', 262135)")


def test_what_frames_the_message_is_stored_by_pg_nets_functions_for_the_sender_to_leave_out(db):
    db.run("""select net.http_get('http://x/', headers => '{"Content-Length": 3, "Connection": "close"}')""")

    assert db.one("select headers from net.http_request_queue") == {"Content-Length": 3, "Connection": "close"}


@pytest.mark.parametrize("function", ["http_post('http://x/', {})", "http_delete('http://x/', body => {})"])
def test_a_body_over_64_mib_is_refused_with_its_size(shared, refused, function):
    body = "to_jsonb(repeat('x', 67108863))"
    with refused("54000", "body must have at most 64 MiB, not 67108865 bytes; keep it elsewhere, and send where"):
        shared.run(f"select net.{function.format(body)}")


# Transactions


@pytest.mark.parametrize("end", ["rollback", "rollback to before; commit"])
def test_what_is_rolled_back_is_not_enqueued(db, end):
    db.run("begin; savepoint before; select net.http_get('http://x/')")

    db.run(end)

    assert db.rows(QUEUED) == []


def test_nobody_else_sees_a_request_before_its_commit(db, connect):
    sender = connect()
    db.run("begin; select net.http_get('http://x/')")

    before = sender.column("select id from net.claim_requests(9, 30)")
    db.run("commit")

    assert before == []
    assert len(sender.column("select id from net.claim_requests(9, 30)")) == 1


def test_a_row_of_the_six_old_columns_may_be_inserted_directly_and_is_sent(db):
    db.run("insert into net.http_request_queue (id, method, url, headers, body, timeout_milliseconds) "
           "values (nextval('net.http_request_queue_id_seq'), 'get', 'http://x/', '{}', 'abc', 5)")  # fmt: skip
    db.run("insert into net.http_request_queue (method, url, timeout_milliseconds) values ('Delete', 'http://x/', 5)")

    assert db.rows("select method, attempts, max_attempts from net.claim_requests(9, 30)") == [("get", 0, 1), ("Delete", 0, 1)]


def test_a_method_that_is_none_is_refused_by_the_domain(shared, refused):
    with refused("23514"):
        shared.run("insert into net.http_request_queue (method, url, timeout_milliseconds) values ('BREW', 'http://x/', 5)")


def test_the_six_old_columns_come_first_and_in_their_order(shared):
    columns = """select array_agg(attname::text || ' ' || format_type(atttypid, null) order by attnum) from pg_attribute
                 where attnum > 0 and attrelid = """
    assert shared.one(columns + "'net.http_request_queue'::regclass")[:6] == [
        "id bigint", "method net.http_method", "url text", "headers jsonb", "body bytea", "timeout_milliseconds integer",
    ]  # fmt: skip
    assert shared.one(columns + "'net._http_response'::regclass")[:8] == [
        "id bigint", "status_code integer", "content_type text", "headers jsonb", "content text", "timed_out boolean",
        "error_msg text", "created timestamp with time zone",
    ]  # fmt: skip


def test_types_have_pg_nets_names_and_values(shared):
    assert shared.one("select enum_range(null::net.request_status)::text") == "{PENDING,SUCCESS,ERROR}"
    fields = """select string_agg(attname || ' ' || format_type(atttypid, null), ', ' order by attnum) from pg_attribute
                where attrelid = """
    assert shared.one(fields + "'net.http_response'::regclass") == "status_code integer, headers jsonb, body text"
    assert shared.one(fields + "'net.http_response_result'::regclass") == (
        "status net.request_status, message text, response net.http_response"
    )
    assert shared.one("select relpersistence::text from pg_class where oid = 'net.http_request_queue'::regclass") == "p"


def test_the_tutorials_query_shows_requests_with_what_came_of_them(db):
    db.run("select net.http_get('http://x/')")

    [newest] = db.rows(
        "SELECT created, status, status_code, attempts, error_msg FROM net.http_request_queue ORDER BY created DESC LIMIT 5"
    )

    assert newest[1:] == ("PENDING", None, 0, None)


def test_a_trigger_posts_each_new_row(db):
    db.run("""
        create table todo (id bigint primary key, title text);
        create function post_it() returns trigger language plpgsql as $$
        begin
            perform net.http_post(url := 'https://example.com/hook', body := jsonb_build_object('record', new),
                                  headers := '{"Content-Type": "application/json"}'::jsonb);
            return new;
        end $$;
        create trigger post_it after insert on todo for each row execute function post_it();
        insert into todo values (1, 'a'), (2, 'b')""")

    assert db.column("select convert_from(body, 'UTF8')::jsonb from net.http_request_queue order by id") == [
        {"record": {"id": 1, "title": "a"}},
        {"record": {"id": 2, "title": "b"}},
    ]
