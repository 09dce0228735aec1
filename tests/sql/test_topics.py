"""Topics: section 10 of the contract, and the calls of sections 3.2 and 3.4."""

import pytest

DELAY = "extract(epoch from vt - clock_timestamp())"
KEY_CHARACTERS = "routing_key contains invalid characters. Only alphanumeric, dots, hyphens, and underscores are allowed. Got: "
PATTERN_CHARACTERS = (
    "pattern contains invalid characters. Only alphanumeric, dots, hyphens, underscores, *, and # are allowed. Got: "
)
HASHES = "pattern cannot contain consecutive hashes (##). A single # already matches zero or more segments. Got: "
ADJACENT = "pattern cannot contain adjacent wildcards (*# or #*). Separate wildcards with dots. Got: "
SHARED_FAULTS = [
    (None, "{} cannot be NULL or empty"),
    ("", "{} cannot be NULL or empty"),
    ("a" * 256, "{} length cannot exceed 255 characters, got 256 characters"),
    (".a", "{} cannot start with a dot. Got: .a"),
    ("a.", "{} cannot end with a dot. Got: a."),
    ("a..b", "{} cannot contain consecutive dots. Got: a..b"),
    (".", "{} cannot start with a dot. Got: ."),
]
KEY_FAULTS = [
    *((key, text.format("routing_key")) for key, text in SHARED_FAULTS),
    *((key, KEY_CHARACTERS + key) for key in (".a b", "a b", "logs.*", "a\n", "é", "a;b", "a#")),
]
PATTERN_FAULTS = [
    *((pattern, text.format("pattern")) for pattern, text in SHARED_FAULTS),
    *((pattern, PATTERN_CHARACTERS + pattern) for pattern in (".a b", "a b", "a\n", "é", "a+", "a$")),
    ("a.**", "pattern cannot contain consecutive stars (**). Use # for multi-segment matching. Got: a.**"),
    ("a.##", HASHES + "a.##"),
    ("*#", ADJACENT + "*#"),
    ("a.#*", ADJACENT + "a.#*"),
    ("**.##", "pattern cannot contain consecutive stars (**). Use # for multi-segment matching. Got: **.##"),
]
# pattern, compiled, keys that match, keys that do not
ROUTES = [
    ("logs.error", r"^logs\.error$", ["logs.error"], ["logs.Error", "logs-error", "logsxerror", "logs.error.db", "x.logs.error"]),
    ("logs.*", r"^logs\.[^.]+$", ["logs.error", "logs.a-b_c"], ["logs", "logs.error.db"]),
    ("*.error", r"^[^.]+\.error$", ["logs.error"], ["error", "a.b.error"]),
    ("logs.#", r"^logs\..*$", ["logs.error", "logs.error.db"], ["logs"]),
    ("#.error", r"^.*\.error$", ["logs.error", "a.b.error"], ["error"]),
    ("a.#.b", r"^a\..*\.b$", ["a.x.b", "a.x.y.b"], ["a.b"]),
    ("lo#", "^lo.*$", ["lo", "log", "logs.x"], ["l"]),
    ("a*b", "^a[^.]+b$", ["axb", "axyb"], ["ab", "a.b"]),
    ("#", "^.*$", ["a", "a.b.c"], []),
    ("a-b_c.9", r"^a-b_c\.9$", ["a-b_c.9"], ["a-b_cx9"]),
]


@pytest.fixture
def bound(db):
    """Queues a, b and c; a and b take logs.*, and a takes everything once more."""
    db.run("select pgmq.create(name) from unnest(array['a', 'b', 'c']) name")
    db.run("select pgmq.bind_topic('logs.*', 'b'), pgmq.bind_topic('logs.*', 'a'), pgmq.bind_topic('#', 'a')")
    return db


@pytest.mark.parametrize("key", ["a", "A.b-c_d.9", "-", "_._", "a" * 255])
def test_a_routing_key_has_1_to_255_letters_digits_dots_hyphens_and_underscores(shared, key):
    assert shared.one("select pgmq.validate_routing_key(%s)", key) is True


@pytest.mark.parametrize(("key", "message"), KEY_FAULTS)
def test_a_bad_routing_key_is_refused_in_pgmqs_words(shared, refused, key, message):
    for call in ("validate_routing_key(%s)", "test_routing(%s)", "send_topic(%s, '1'::jsonb)", "send_batch_topic(%s, null)"):
        with refused("P0001", message):
            shared.run(f"select pgmq.{call}", key)


@pytest.mark.parametrize("pattern", ["a", "*", "#", "lo#", "a*b", "*.#", "a.*.#", "#.*", "a" * 255])
def test_a_pattern_may_have_wildcards_also_inside_a_segment(shared, pattern):
    assert shared.one("select pgmq.validate_topic_pattern(%s)", pattern) is True


@pytest.mark.parametrize(("pattern", "message"), PATTERN_FAULTS)
def test_a_bad_pattern_is_refused_in_pgmqs_words(shared, refused, pattern, message):
    for call in ("validate_topic_pattern(%s)", "bind_topic(%s, null)"):
        with refused("P0001", message):
            shared.run(f"select pgmq.{call}", pattern)


@pytest.mark.parametrize(("pattern", "compiled", "matching", "others"), ROUTES)
def test_a_pattern_matches_as_in_pgmq_and_its_regex_shows_it(mail, pattern, compiled, matching, others):
    mail.run("select pgmq.bind_topic(%s, 'mail')", pattern)

    assert mail.rows("select distinct pattern, compiled_regex from pgmq.topic_bindings") == [(pattern, compiled)]
    routed = {key: mail.rows("select * from pgmq.test_routing(%s)", key) for key in matching + others}
    assert routed == {key: [(pattern, "mail", compiled)] if key in matching else [] for key in routed}


def test_binding_checks_the_queue_after_the_pattern_in_exactly_its_spelling(mail, refused):
    for queue in (None, ""):
        with refused("P0001", "queue_name cannot be NULL or empty"):
            mail.run("select pgmq.bind_topic('a', %s)", queue)
    for queue in ("none", "Mail"):
        with refused("P0001", f'Queue "{queue}" does not exist. Create the queue first using pgmq.create()'):
            mail.run("select pgmq.bind_topic('a', %s)", queue)


def test_binding_twice_is_one_binding(mail):
    mail.run("select pgmq.bind_topic('a', 'mail'), pgmq.bind_topic('a', 'mail')")
    mail.run("select pgmq.bind_topic(pattern => 'a', queue_name => 'mail')")

    assert mail.one("select count(*) from pgmq.topic_bindings") == 1


def test_unbinding_says_whether_there_was_a_binding_and_validates_no_pattern(mail, refused):
    mail.run("select pgmq.bind_topic('a', 'mail')")

    assert mail.column("select pgmq.unbind_topic('a', 'mail') from generate_series(1, 2)") == [True, False]
    assert mail.one("select pgmq.unbind_topic('..', 'none')") is False
    for arguments, what in (
        ("null, 'mail'", "pattern"),
        ("'', ''", "pattern"),
        ("'a', null", "queue_name"),
        ("'a', ''", "queue_name"),
    ):
        with refused("P0001", f"{what} cannot be NULL or empty"):
            mail.run(f"select pgmq.unbind_topic({arguments})")


def test_bindings_are_listed_newest_first_then_by_pattern_then_by_queue(bound):
    bound.run("update pgmq.topic_bindings set bound_at = now()")
    bound.run("select pgmq.bind_topic('z', 'a')")

    every = bound.rows("select pattern, queue_name, bound_at <= now(), compiled_regex from pgmq.list_topic_bindings()")
    assert every == [
        ("z", "a", True, "^z$"),
        ("#", "a", True, "^.*$"),
        ("logs.*", "a", True, r"^logs\.[^.]+$"),
        ("logs.*", "b", True, r"^logs\.[^.]+$"),
    ]
    assert bound.column("select pattern from pgmq.list_topic_bindings('a')") == ["z", "#", "logs.*"]
    assert bound.rows("select * from pgmq.list_topic_bindings(queue_name => 'A')") == []
    cursor = bound.connection.execute("select * from pgmq.list_topic_bindings('b')")
    assert [column.name for column in cursor.description] == ["pattern", "queue_name", "bound_at", "compiled_regex"]


def test_routing_is_shown_by_pattern(bound):
    assert bound.rows("select pattern, queue_name from pgmq.test_routing('logs.x')") == [
        ("#", "a"),
        ("logs.*", "a"),
        ("logs.*", "b"),
    ]


def test_functions_that_only_look_say_so(shared):
    volatility = "select provolatile::text from pg_proc where oid = any (%s::regprocedure[])"
    stable = ["list_topic_bindings()", "list_topic_bindings(text)", "test_routing(text)"]
    immutable = ["validate_routing_key(text)", "validate_topic_pattern(text)"]

    assert set(shared.column(volatility, [f"pgmq.{name}" for name in stable])) == {"s"}
    assert set(shared.column(volatility, [f"pgmq.{name}" for name in immutable])) == {"i"}


def test_dropping_a_queue_removes_its_bindings(bound):
    bound.run("select pgmq.drop_queue('a')")

    assert bound.rows("select pattern, queue_name from pgmq.topic_bindings") == [("logs.*", "b")]


def test_each_queue_gets_one_copy_however_many_bindings_match(bound):
    assert bound.one("select pgmq.send_topic('logs.x', '1')") == 2
    assert bound.one("select pgmq.send_topic('other', '2')") == 1

    assert [bound.column(f"select message from pgmq.read('{queue}', 0, 9)") for queue in "abc"] == [[1, 2], [1], []]


def test_a_key_that_nothing_matches_reaches_no_queue(mail):
    mail.run("select pgmq.bind_topic('a', 'mail')")

    assert mail.one("select pgmq.send_topic('b', '1')") == 0
    assert mail.one("select pgmq.send_topic('b', '1', null::integer)") == 0
    assert mail.rows("select * from pgmq.send_batch_topic('b', array['1']::jsonb[])") == []


def test_all_copies_are_sent_or_none(bound, refused):
    bound.run("alter table pgmq.q_b add check (message <> '1')")

    with refused("23514"):
        bound.run("select pgmq.send_topic('logs.x', '1')")

    assert bound.rows("select * from pgmq.read('a', 0, 9)") == []


@pytest.mark.parametrize(
    ("arguments", "headers", "delay_s"),
    [
        ("'k', '1'", None, 0),
        ("'k', '1'::jsonb, 60", None, 60),
        ("'k', '1'::jsonb, 60::smallint", None, 60),
        ("'k', '1'::jsonb, '{\"h\": 1}'::jsonb", {"h": 1}, 0),
        ("'k', '1'::jsonb, '{\"h\": 1}'::jsonb, 60", {"h": 1}, 60),
        ("'k', '1', null, 60", None, 60),
        ("routing_key => 'k', msg => '1'", None, 0),
        ("routing_key => 'k', msg => '1', delay => 60", None, 60),
        ("routing_key => 'k', msg => '1', headers => '{\"h\": 1}'", {"h": 1}, 0),
        ("routing_key => 'k', msg => '1', headers => '{\"h\": 1}', delay => 60", {"h": 1}, 60),
    ],
)
def test_every_form_of_send_topic(mail, arguments, headers, delay_s):
    mail.run("select pgmq.bind_topic('k', 'mail')")

    assert mail.rows(f"select * from pgmq.send_topic({arguments})") == [(1,)]

    [(message, got, delay)] = mail.rows(f"select message, headers, {DELAY} from pgmq.q_mail")
    assert (message, got) == (1, headers)
    assert delay == pytest.approx(delay_s, abs=5)


def test_send_topic_checks_key_then_message_then_delay(mail, refused):
    mail.run("select pgmq.bind_topic('k', 'mail')")

    with refused("P0001", "routing_key cannot be NULL or empty"):
        mail.run("select pgmq.send_topic('', null, null, -1)")
    with refused("P0001", "msg cannot be NULL"):
        mail.run("select pgmq.send_topic('k', null, null, -1)")
    with refused("P0001", "delay cannot be negative, got: -1"):
        mail.run("select pgmq.send_topic('k', '1', null, -1)")
    with refused("23502"):
        mail.run("select pgmq.send_topic('k', '1', null::integer)")


@pytest.mark.parametrize(
    ("arguments", "headers", "delay_s"),
    [
        ("'k', array['1', '2']::jsonb[]", [None, None], 0),
        ("'k', array['1', '2']::jsonb[], array['3', '4']::jsonb[]", [3, 4], 0),
        ("'k', array['1', '2']::jsonb[], 60", [None, None], 60),
        ("'k', array['1', '2']::jsonb[], -60", [None, None], -60),
        ("'k', array['1', '2']::jsonb[], clock_timestamp() + '1 hour'", [None, None], 3600),
        ("'k', array['1', '2']::jsonb[], array['3', '4']::jsonb[], 60", [3, 4], 60),
        ("'k', array['1', '2']::jsonb[], array['3', '4']::jsonb[], clock_timestamp() + '1 hour'", [3, 4], 3600),
        ("routing_key => 'k', msgs => '{1, 2}', headers => '{3, 4}', delay => 60", [3, 4], 60),
    ],
)
def test_every_form_of_send_batch_topic(mail, arguments, headers, delay_s):
    mail.run("select pgmq.bind_topic('k', 'mail')")

    assert mail.rows(f"select queue_name, msg_id from pgmq.send_batch_topic({arguments})") == [("mail", 1), ("mail", 2)]

    rows = mail.rows(f"select message, headers, {DELAY} from pgmq.q_mail order by msg_id")
    assert [row[:2] for row in rows] == [(1, headers[0]), (2, headers[1])]
    assert [row[2] for row in rows] == [pytest.approx(delay_s, abs=5)] * 2


def test_send_batch_topic_goes_queue_by_queue_in_the_order_of_names(bound):
    bound.run("select pgmq.send('b', '0')")

    rows = bound.rows("select * from pgmq.send_batch_topic('logs.x', array['1', '2']::jsonb[])")

    assert rows == [("a", 1), ("a", 2), ("b", 2), ("b", 3)]


def test_send_batch_topic_has_the_rules_of_a_batch_after_those_of_a_key(shared, refused):
    for msgs in ("null", "'{}'::jsonb[]"):
        with refused("P0001", "msgs cannot be NULL or empty"):
            shared.run(f"select pgmq.send_batch_topic('k', {msgs})")
    with refused("P0001", "headers array length (1) must match msgs array length (2)"):
        shared.run("select pgmq.send_batch_topic('k', array['1', '2']::jsonb[], array['1']::jsonb[])")


def test_the_bindings_have_the_columns_and_names_that_clients_read(shared):
    columns = """
        select attname::text, atttypid::regtype::text from pg_attribute
        where attrelid = 'pgmq.topic_bindings'::regclass and attnum > 0 order by attnum"""
    assert shared.rows(columns) == [
        ("pattern", "text"),
        ("queue_name", "text"),
        ("bound_at", "timestamp with time zone"),
        ("compiled_regex", "text"),
    ]
    names = "select conname::text from pg_constraint where conrelid = 'pgmq.topic_bindings'::regclass and contype = 'u'"
    assert shared.column(names) == ["topic_bindings_unique_pattern_queue"]
    assert shared.one("select to_regclass('pgmq.idx_topic_bindings_covering') is not null") is True


BIND = "select queue_name, pattern, created_at from hanjul.bind_topics('{Mail, mail, none}', '{a.*, b, c}', %s)"


def test_a_consumers_queue_is_bound_when_it_is_new(mail):
    bound = mail.rows(BIND, [None] * 3)

    assert [row[:2] for row in bound] == [("Mail", "a.*"), ("mail", "b")]
    assert sorted(mail.column("select pattern from pgmq.list_topic_bindings('mail')")) == ["a.*", "b"]
    assert {row[2] for row in bound} == set(mail.column("select created_at from pgmq.meta"))


def test_what_was_unbound_stays_so_until_the_queue_is_made_anew(mail):
    created_at = mail.one("select created_at from pgmq.meta")
    mail.rows(BIND, [None] * 3)
    mail.run("select pgmq.unbind_topic('b', 'mail')")

    assert mail.rows(BIND, [created_at] * 3) == []
    assert mail.column("select pattern from pgmq.list_topic_bindings('mail')") == ["a.*"]
    mail.run("select pgmq.drop_queue('mail'), pgmq.create('mail')")
    assert len(mail.rows(BIND, [created_at] * 3)) == 2
    assert sorted(mail.column("select pattern from pgmq.list_topic_bindings('mail')")) == ["a.*", "b"]
