"""The fields of every kind: defaults, limits, words; what the contract has and we have not is refused by name."""

from pathlib import Path

import pytest
from tests.entries.conftest import GOOD, Load, Refused

from hanjul.entries.kinds import Consumer, PostgresDriver, Queue

DRIVER = "- {name: d, kind: queue.driver.memory}\n"
PG = "- {name: d, kind: queue.driver.postgres, dsn: 'postgresql://h/d', MORE}\n"
QUEUE = DRIVER + "- {name: q, kind: queue.queue, driver: d, MORE}\n"
CONSUMER = GOOD.replace("func: handle,", "func: handle, MORE,")
FUNCTION = "- {name: f, kind: function.python, source: file://handlers.py, MORE}\n"


def test_defaults_are_those_of_the_contract(load_entries: Load) -> None:
    entries = load_entries(GOOD + "- {name: p, kind: queue.driver.postgres, dsn: x}").entries
    queue, consumer, postgres = entries["app:mail"], entries["app:worker"], entries["app:p"]
    assert isinstance(queue, Queue)
    assert isinstance(consumer, Consumer)
    assert isinstance(postgres, PostgresDriver)

    assert (queue.codec, queue.visibility_timeout, queue.declare, queue.dead_letter) == ("json/plain", 30.0, "ensure", None)
    assert (consumer.concurrency, consumer.prefetch, consumer.auto_ack, consumer.timeout) == (1, 10, False, None)
    life = consumer.lifecycle
    assert (life.startup, life.start_timeout, life.stop_timeout, life.stable_threshold) == ("required", 10.0, 10.0, 5.0)
    restart = life.restart
    assert (restart.initial_delay, restart.max_delay, restart.backoff_factor, restart.jitter) == (1.0, 90.0, 2.0, 0.1)
    assert (postgres.schema_, postgres.listen, postgres.notify_throttle, postgres.archive) == ("pgmq", True, 0.25, "none")
    assert (postgres.pool.min, postgres.pool.max, postgres.statement_timeout) == (1, 10, 15.0)


@pytest.mark.parametrize(
    ("entries", "more", "said"),
    [
        (CONSUMER, "prefetch: 0", "prefetch must be at least 1, not 0"),
        (CONSUMER, "prefetch: 10001", "prefetch must be at most 10000, not 10001"),
        (CONSUMER, "concurrency: 0", "concurrency must be at least 1, not 0"),
        (CONSUMER, "concurrency: 1001", "concurrency must be at most 1000, not 1001"),
        (CONSUMER, "concurrency: ten", "concurrency must be a whole number, not 'ten'"),
        (CONSUMER, "concurrency: 1.5", "concurrency must be a whole number, not 1.5"),
        (CONSUMER, "concurrency: true", "concurrency must be a whole number, not True"),
        (CONSUMER, "auto_ack: 1", "auto_ack must be true or false, not 1"),
        (CONSUMER, "timeout: 30", "timeout must be a duration with its unit (ms, s, m, h, d), as in 30s or 1h30m, not 30"),
        (CONSUMER, "timeout: 0s", "timeout must be from 1ms to 1d, not '0s'"),
        (CONSUMER, "timeout: 1w", "not '1w'"),
        (CONSUMER, "concurency: 3", "unknown key 'concurency'; did you mean 'concurrency'?"),
        (CONSUMER, "driver_options: {amqq: {}}", "unknown key 'amqq'; did you mean 'amqp'?"),
        (CONSUMER, "driver_options: {memory: {a: 1}}", "unknown key 'a'"),
        (CONSUMER, "retry: {initial_dela: 1s}", "unknown key 'initial_dela'; did you mean 'initial_delay'?"),
        (CONSUMER, "retry: {initial_delay: 2m, max_delay: 1m}", "retry needs an initial_delay that is not longer"),
        (CONSUMER, "retry: {jitter: 2}", "jitter must be at most 1"),
        (CONSUMER, "retry: soon", "retry must be a mapping, not 'soon'"),
        (QUEUE, "visibility_timeout: 10ms", "visibility_timeout must be from 100ms to 1d, not '10ms'"),
        (QUEUE, "codec: jsn", "codec must be 'json/plain', 'json', 'application/msgpack' or 'msgpack', not 'jsn'"),
        (QUEUE, "declare: maybe", "declare must be 'ensure', 'verify' or 'never', not 'maybe'"),
        (QUEUE, "declare: never", "a queue in memory is made by its process: declare: never cannot be"),
        (QUEUE, "dead_letter: {max_attempts: 0}", "max_attempts must be at least 1, not 0"),
        (QUEUE, "queue_name: a;b", "'a;b' is not a queue name: it must not contain"),
        (QUEUE, "driver_options: {postgres: {unlogged: maybe}}", "unlogged must be true or false, not 'maybe'"),
        (QUEUE, "driver_options: {postgres: {unlogged: true, partitioned: true}}", "cannot be unlogged and partitioned at once"),
        (QUEUE, "options: {unlogged: true}", "unknown key 'unlogged'; it may be max_length"),
        (QUEUE, "meta: [1]", "meta must be a mapping, not [1]"),
        (PG, "database: db", "exactly one of dsn and database"),
        (PG, "pool: {max: 1}", "max must be at least 2, not 1"),
        (PG, "schema: other", "schema must be 'pgmq', not 'other'"),
        (PG, "dsn2: x", "unknown key 'dsn2'"),
        (PG, "lifecycle: {startup: perhaps}", "startup must be 'required' or 'optional', not 'perhaps'"),
        (PG, "lifecycle: {requires: d}", "requires must be a list, not 'd'"),
        (PG, "lifecycle: {auto_strt: true}", "did you mean 'auto_start'?"),
        (FUNCTION, "func: main, method: main", "names its function twice"),
        (FUNCTION, "executor: {type: fork}", "type must be 'auto', 'loop', 'thread' or 'process', not 'fork'"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_is_refused_by_name_and_value(refused: Refused, entries: str, more: str, said: str) -> None:
    [why] = refused(entries.replace("MORE", more))

    assert said in why


@pytest.mark.parametrize(
    ("entries", "more", "named"),
    [
        (CONSUMER, "auto_ack: true", "auto_ack"),
        (CONSUMER, "reject_on: ['m:E']", "reject_on"),
        (CONSUMER, "release_on: ['m:E']", "release_on"),
        (CONSUMER, "on_decode_error: nack", "on_decode_error"),
        (CONSUMER, "lease_renewal: off", "lease_renewal must be"),  # YAML's off is false
        (CONSUMER, "lease_renewal: 'off'", "lease_renewal"),
        (CONSUMER, "max_in_flight_per_key: 2", "max_in_flight_per_key"),
        (CONSUMER, "executor: {size: 4}", "size"),
        (CONSUMER, "executor: {type: process}", "executor type process"),
        (CONSUMER, "retry: {backoff_factor: 3}", "backoff_factor"),
        (QUEUE, "codec: msgpack", "codec"),
        (QUEUE, "message_ttl: 1h", "message_ttl"),
        (QUEUE, "max_length: 10", "max_length"),
        (QUEUE, "driver_options: {memory: {max_length: 10}}", "max_length"),
        (QUEUE, "options: {max_length: 10}", "max_length"),
        (QUEUE, "overflow: block", "overflow"),
        (QUEUE, "priority: {levels: 3}", "levels"),
        (QUEUE, "dedup: {by: id, window: 5m}", "dedup"),
        (QUEUE, "ordering: {by: customer}", "by must be 'x-pgmq-group'"),
        (PG, "pool: {min: 5}", "min"),
        (PG, "statement_timeout: 5s", "statement_timeout"),
        (PG, "notify_throttle: 1s", "notify_throttle"),
        (PG, "poll_max_interval: 9s", "poll_max_interval"),
        (PG, "archive: on_dead_letter", "archive: on_dead_letter"),
        (PG, "lifecycle: {startup: optional}", "startup"),
        (PG, "lifecycle: {start_timeout: 1s}", "start_timeout"),
        (PG, "lifecycle: {stable_threshold: 1s}", "stable_threshold"),
        (PG, "lifecycle: {restart: {max_attempts: 3}}", "max_attempts"),
        (PG, "lifecycle: {security: {actor: {id: a}}}", "security"),
        (FUNCTION, "inject: {db: pg}", "inject"),
    ],
)  # fmt: skip
def test_what_is_not_built_yet_is_refused_never_ignored(refused: Refused, entries: str, more: str, named: str) -> None:
    [why] = refused(entries.replace("MORE", more))

    assert why.startswith(named)
    assert "not built yet" in why or "must be" in why


def test_what_is_not_built_yet_may_be_given_with_its_default(load_entries: Load) -> None:
    load_entries(CONSUMER.replace("MORE", "auto_ack: false, lease_renewal: auto, retry: {backoff_factor: 2}"))
    load_entries(QUEUE.replace("MORE", "codec: json, priority: {levels: 0}, ordering: none, message_ttl: "))
    load_entries(PG.replace("MORE", "statement_timeout: 15s, lifecycle: {startup: required, restart: {max_delay: 90s}}"))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("queue.driver.amqp", "the kind queue.driver.amqp is not built yet; use memory or postgres"),
        ("queue.driver.redis", "is not built yet"),
        ("queue.driver.sqs", "is not built yet"),
        ("queue.driver.nats", "is not built yet"),
        ("function.lua", "use function.python"),
        ("env.variable", "${env:NAME} reads the environment"),
        ("security.policy", "is not built yet"),
        ("queue.que", "unknown kind 'queue.que'; did you mean 'queue.queue'?"),
        ("queue.driver.postgress", "did you mean 'queue.driver.postgres'?"),
    ],
)
def test_a_kind_that_we_have_not_is_named(refused: Refused, kind: str, said: str) -> None:
    [why] = refused(f"- {{name: a, kind: {kind}, whatever: 1}}")

    assert said in why


@pytest.mark.parametrize(("missing", "entries"), [
    ("driver", "- {name: q, kind: queue.queue}"),
    ("queue", GOOD.replace("queue: mail, ", "")),
    ("func", GOOD.replace("func: handle, ", "")),
    ("source", "- {name: f, kind: function.python}"),
])  # fmt: skip
def test_a_field_that_must_be_there_is_asked_for(refused: Refused, missing: str, entries: str) -> None:
    [why] = refused(entries)

    assert why.endswith(f" needs {missing}")


def test_all_problems_are_told_at_once_in_the_order_of_the_file(refused: Refused) -> None:
    why = refused(GOOD.replace("driver: driver", "driver: drivr, codec: x").replace("func: handle", "func: handel, prefetch: 0"))

    assert [text.split()[0] for text in why] == ["codec", "prefetch"]


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("30s", 30), ("1h30m", 5400), ("1.5m", 90), ("1d", 86_400), ("100000us", 0.1)]
)
def test_durations_have_units(load_entries: Load, text: str, seconds: float) -> None:
    queue = load_entries(QUEUE.replace("MORE", f"visibility_timeout: {text}")).queue("app:q")

    assert queue.visibility_timeout == pytest.approx(seconds)


def test_placeholders_are_filled_in_from_the_environment_with_the_type_of_their_field(load_entries: Load) -> None:
    more = 'concurrency: "${env:N}", prefetch: "${env:P|7}", timeout: "${T|5s}", auto_ack: "${A|false}", meta: {price: $${env:N}}'
    consumer = load_entries(CONSUMER.replace("MORE", more.replace("$${env:N}", "'$${env:N}'")), N="3").entries["app:worker"]

    assert isinstance(consumer, Consumer)
    assert (consumer.concurrency, consumer.prefetch, consumer.timeout, consumer.auto_ack) == (3, 7, 5.0, False)
    assert consumer.meta == {"price": "${env:N}"}


def test_placeholders_stand_within_a_text_too(load_entries: Load) -> None:
    driver = load_entries(
        '- {name: d, kind: queue.driver.postgres, dsn: "postgresql://${env:WHO}@${H|localhost}/d"}', WHO="ada"
    ).entries["app:d"]

    assert isinstance(driver, PostgresDriver)
    assert driver.dsn == "postgresql://ada@localhost/d"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${env:NOT_SET}", "the variable NOT_SET is not set; set it, or give a default: ${env:NOT_SET|default}"),
        ("${NOT_SET}", "${NOT_SET} is no placeholder: write ${env:NAME}"),
        ("${lower|x}", "${lower|x} is no placeholder"),
        ("${env:a b}", "'a b' is not the name of a variable"),
        ("${env:A", "a placeholder is not closed"),
    ],
)
def test_a_placeholder_that_cannot_be_filled_in_is_refused(refused: Refused, text: str, said: str) -> None:
    [why] = refused(f'- {{name: d, kind: queue.driver.postgres, dsn: "{text}"}}')

    assert said in why


def test_what_came_out_of_a_placeholder_is_never_shown(refused: Refused) -> None:
    [why] = refused(CONSUMER.replace("MORE", 'concurrency: "${env:SECRET}"'), SECRET="s3cret")

    assert why == "concurrency must be a whole number, not what ${env:SECRET} holds"


def test_the_registry_keeps_the_placeholder(load_entries: Load) -> None:
    registry = load_entries('- {name: d, kind: queue.driver.postgres, dsn: "${env:URL}"}', URL="postgresql://u:s3cret@h/d")

    assert registry.written["app:d"].data["dsn"] == "${env:URL}"
    assert "s3cret" not in repr(registry)


def test_a_value_can_be_the_content_of_a_file_beside_it(load_entries: Load, directory: Path) -> None:
    (directory / "dsn.txt").write_text("postgresql://h/d")

    driver = load_entries("- {name: d, kind: queue.driver.postgres, dsn: file://dsn.txt}").entries["app:d"]

    assert isinstance(driver, PostgresDriver)
    assert driver.dsn == "postgresql://h/d"


@pytest.mark.parametrize(
    ("path", "said"), [("../secret", "is outside"), ("/etc/passwd", "is outside"), ("none.txt", "cannot be read: No such file")]
)
def test_a_file_outside_the_directory_or_not_there_is_refused(refused: Refused, path: str, said: str) -> None:
    [why] = refused(f"- {{name: d, kind: queue.driver.postgres, dsn: file://{path}}}")

    assert said in why
