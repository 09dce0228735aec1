"""The package `pgmq` from PyPI, all four clients in it: psycopg, asyncpg, and SQLAlchemy over each of them."""

import asyncio
import functools
import inspect
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pgmq
import pytest
from pgmq.notify_listener import AsyncNotificationListener, SyncNotificationListener

CLIENTS = {
    "psycopg": (pgmq.SyncPGMQueue, pgmq.transaction),
    "asyncpg": (pgmq.AsyncPGMQueue, pgmq.async_transaction),
    "sqlalchemy": (pgmq.SQLAlchemyPGMQueue, pgmq.sqlalchemy_transaction),
    "sqlalchemy_async": (pgmq.SQLAlchemyAsyncPGMQueue, pgmq.sqlalchemy_async_transaction),
}
SOON = timedelta(minutes=1)
BINDING = ("orders.*", "mail", "^orders\\.[^.]+$")


class Peer:
    """One of the four clients; every method is awaited, also of the two that are not async."""

    def __init__(self, kind, client):
        self.kind, self.client = kind, client

    def __getattr__(self, name):
        method = getattr(self.client, name)

        async def call(*args, **options):
            answer = method(*args, **options)
            return await answer if inspect.isawaitable(answer) else answer

        return call


async def _open(kind, dsn, **options):
    peer = Peer(kind, CLIENTS[kind][0](conn_string=dsn, **options))
    if hasattr(peer.client, "init"):
        await peer.init()
    return peer


async def _close(peer):
    await (peer.dispose() if peer.kind == "sqlalchemy" else peer.close())


@pytest.fixture(params=CLIENTS)
async def peer(request, dsn):
    """A client that does not try CREATE EXTENSION, as our documentation tells to set it up; with a queue `mail`."""
    peer = await _open(request.param, dsn, init_extension=False)
    await peer.create_queue("mail")
    yield peer
    await _close(peer)


def bodies(messages):
    return [message.message["n"] for message in messages]


def test_every_method_of_the_client_is_driven_in_this_file():
    offered = {name for name, _ in inspect.getmembers(pgmq.SyncPGMQueue, inspect.isfunction) if not name.startswith("_")}
    driven = set(re.findall(r"peer\.(\w+)\(", Path(__file__).read_text()))

    assert offered - driven == set()


@pytest.mark.parametrize("kind", CLIENTS)
async def test_its_own_create_extension_succeeds_where_the_server_offers_ours(offered, empty_dsn, kind):
    peer = await _open(kind, empty_dsn)

    await peer.create_queue("mail")

    assert await peer.send("mail", {"n": 1}) == 1
    await _close(peer)


# queues


async def test_queues_are_created_listed_and_dropped(peer):
    await peer.create_queue("post", unlogged=True)
    with pytest.warns(UserWarning, match="QueueRecord"):
        queues = await peer.list_queues()

    found = {
        queue.queue_name: (queue.is_unlogged, queue.is_partitioned, queue.created_at <= datetime.now(UTC)) for queue in queues
    }
    assert found == {"mail": (False, False, True), "post": (True, False, True)}
    assert [await peer.drop_queue("post"), await peer.drop_queue("post")] == [True, False]


async def test_a_name_of_48_characters_is_refused_as_pgmq_refuses_it(peer):
    assert await peer.validate_queue_name("q" * 47) is True

    with pytest.raises(Exception, match="queue name is too long, maximum length is 47 characters"):
        await peer.validate_queue_name("q" * 48)


async def test_metrics_tell_length_ages_and_totals(peer):
    await peer.create_queue("post")
    await peer.send_batch("mail", [{"n": n} for n in range(3)])
    await peer.read("mail")

    mail = await peer.metrics("mail")
    both = await peer.metrics_all()

    assert (mail.queue_name, mail.queue_length, mail.queue_visible_length, mail.total_messages) == ("mail", 3, 2, 3)
    assert 0 <= mail.newest_msg_age_sec <= mail.oldest_msg_age_sec < 60
    assert {found.queue_name: (found.queue_length, found.newest_msg_age_sec is None) for found in both} == {
        "mail": (3, False),
        "post": (0, True),
    }


async def test_purging_counts_what_it_removes(peer):
    await peer.send_batch("mail", [{"n": n} for n in range(3)])

    assert await peer.purge("mail") == 3

    assert (await peer.metrics("mail")).queue_length == 0


# sending


@pytest.mark.parametrize("headers", [None, {"trace": "t1"}])
@pytest.mark.parametrize("delay", [None, 60, SOON])
async def test_a_message_is_sent_with_headers_and_delay_in_every_form(peer, look, headers, delay):
    when = datetime.now(UTC) + delay if delay is SOON else delay
    assert await peer.send("mail", {"n": 1}, headers=headers, delay=when) == 1
    assert await peer.send_batch("mail", [{"n": 2}, {"n": 3}], headers=headers and [headers] * 2, delay=when) == [2, 3]

    rows = look("select message, headers, vt > now() + '30 s' from pgmq.q_mail order by msg_id")
    assert rows == [({"n": n}, headers, delay is not None) for n in (1, 2, 3)]


async def test_the_older_argument_tz_is_a_delay(peer):
    await peer.send("mail", {"n": 1}, tz=datetime.now(UTC) + SOON)

    assert await peer.read("mail") is None


async def test_a_transaction_that_fails_sends_nothing(peer):
    transaction = CLIENTS[peer.kind][1]

    if peer.kind in {"psycopg", "sqlalchemy"}:

        @transaction
        def work(client, conn=None):
            client.send("mail", {"n": 1}, conn=conn)
            raise LookupError
    else:

        @transaction
        async def work(client, conn=None):
            await client.send("mail", {"n": 1}, conn=conn)
            raise LookupError

    with pytest.raises(LookupError):
        await asyncio.ensure_future(work(peer.client)) if inspect.iscoroutinefunction(work) else work(peer.client)

    assert (await peer.metrics("mail")).queue_length == 0


# reading


async def test_a_read_message_has_every_field_and_is_hidden(peer):
    await peer.send("mail", {"n": 1, "nested": [None, {"a": "é"}]}, headers={"trace": "t1"})

    message = await peer.read("mail", vt=60)

    assert (message.msg_id, message.read_ct, message.headers) == (1, 1, {"trace": "t1"})
    assert message.message == {"n": 1, "nested": [None, {"a": "é"}]}
    assert message.enqueued_at <= message.last_read_at < message.vt
    assert timedelta(seconds=55) < message.vt - message.last_read_at < timedelta(seconds=65)
    assert await peer.read("mail") is None


async def test_several_are_read_in_the_order_of_their_ids(peer):
    await peer.send_batch("mail", [{"n": n} for n in range(5)])

    assert bodies(await peer.read("mail", qty=2)) == [0, 1]
    assert bodies(await peer.read_batch("mail", batch_size=9)) == [2, 3, 4]
    assert await peer.read_batch("mail") == []


async def test_a_condition_filters_before_the_quantity(peer):
    await peer.send_batch("mail", [{"n": n, "kind": "odd" if n % 2 else "even"} for n in range(4)])

    assert bodies(await peer.read("mail", qty=2, conditional={"kind": "odd"})) == [1, 3]


async def test_polling_returns_what_is_there_and_nothing_at_its_end(peer):
    await peer.send_batch("mail", [{"n": n, "kind": "odd" if n % 2 else "even"} for n in range(3)])

    odd = await peer.read_with_poll("mail", qty=9, max_poll_seconds=1, conditional={"kind": "odd"})
    rest = await peer.read_with_poll("mail", qty=9, max_poll_seconds=1, poll_interval_ms=10)

    assert (bodies(odd), bodies(rest)) == ([1], [0, 2])
    assert await peer.read_with_poll("mail", max_poll_seconds=0) == []


async def test_popping_removes_at_once(peer):
    await peer.send_batch("mail", [{"n": n} for n in range(4)])

    first = await peer.pop("mail")

    assert (first.msg_id, first.read_ct, first.last_read_at) == (1, 0, None)
    assert bodies(await peer.pop("mail", qty=2)) == [1, 2]
    assert (await peer.metrics("mail")).queue_length == 1


# finishing


async def test_deleting_tells_what_was_there(peer):
    await peer.send_batch("mail", [{"n": n} for n in range(4)])

    assert [await peer.delete("mail", 1), await peer.delete("mail", 1)] == [True, False]
    assert sorted(await peer.delete_batch("mail", [1, 2, 3, 99])) == [2, 3]
    assert bodies(await peer.read("mail", qty=9)) == [3]


async def test_archiving_keeps_what_was_there(peer, look):
    await peer.send_batch("mail", [{"n": n} for n in range(4)])

    assert [await peer.archive("mail", 1), await peer.archive("mail", 1)] == [True, False]
    assert sorted(await peer.archive_batch("mail", [1, 2, 3, 99])) == [2, 3]
    assert look("select msg_id, message from pgmq.a_mail order by 1") == [(1, {"n": 0}), (2, {"n": 1}), (3, {"n": 2})]


@pytest.mark.parametrize("at_once", [0, timedelta()])
async def test_set_vt_makes_visible_again_by_seconds_and_by_instant(peer, at_once):
    await peer.send_batch("mail", [{"n": n} for n in range(3)])
    await peer.read("mail", qty=3)
    vt = datetime.now(UTC) - SOON if at_once == timedelta() else at_once

    one = await peer.set_vt("mail", 1, vt)
    two = await peer.set_vt("mail", [2, 3], vt)

    assert [message.msg_id for message in (one, *two)] == [1, 2, 3]
    assert [message.read_ct for message in await peer.read("mail", qty=9)] == [2, 2, 2]
    assert await peer.set_vt("mail", 99, vt) is None


# topics


async def test_bindings_are_made_listed_tested_and_removed(peer):
    await peer.create_queue("post")
    await peer.bind_topic("orders.*", "mail")
    await peer.bind_topic("#", "post")

    everything = await peer.list_topic_bindings()
    assert {(found.pattern, found.queue_name) for found in everything} == {("orders.*", "mail"), ("#", "post")}
    [mail] = await peer.list_topic_bindings("mail")
    assert (mail.pattern, mail.queue_name, mail.compiled_regex) == BINDING
    routed = await peer.test_routing("orders.new")
    assert [(found.pattern, found.queue_name) for found in routed] == [("#", "post"), ("orders.*", "mail")]
    assert [await peer.unbind_topic("#", "post"), await peer.unbind_topic("#", "post")] == [True, False]


async def test_keys_and_patterns_are_validated(peer):
    keys = [await peer.validate_routing_key(key) for key in ("orders.new", "orders..new", "orders.*")]
    patterns = [await peer.validate_topic_pattern(pattern) for pattern in ("orders.*", "**")]

    assert (keys, patterns) == ([True, False, False], [True, False])


@pytest.mark.parametrize("headers", [None, {"trace": "t1"}])
@pytest.mark.parametrize("delay", [None, 60])
async def test_a_topic_reaches_every_bound_queue_in_every_form(peer, look, headers, delay):
    # headers without a delay: the client calls a form that PGMQ 1.13 lacks; ours has it (contract, fact 5)
    await peer.create_queue("post")
    await peer.bind_topic("orders.*", "mail")
    await peer.bind_topic("orders.#", "post")

    assert await peer.send_topic("orders.new", {"n": 1}, headers=headers, delay=delay) == 2
    assert await peer.send_topic("other", {"n": 9}, headers=headers, delay=delay) == 0

    for queue in ("mail", "post"):
        assert look(f"select message, headers, vt > now() + '30 s' from pgmq.q_{queue}") == [
            ({"n": 1}, headers, delay is not None)
        ]


@pytest.mark.parametrize("headers", [None, {"trace": "t1"}])
@pytest.mark.parametrize("delay", [None, 60, SOON])
async def test_a_batch_reaches_every_bound_queue_in_every_form(peer, look, headers, delay):
    await peer.create_queue("post")
    await peer.bind_topic("orders.*", "mail")
    await peer.bind_topic("orders.#", "post")
    when = datetime.now(UTC) + delay if delay is SOON else delay

    sent = await peer.send_batch_topic("orders.new", [{"n": 1}, {"n": 2}], headers=headers and [headers] * 2, delay=when)

    assert [(found.queue_name, found.msg_id) for found in sent] == [("mail", 1), ("mail", 2), ("post", 1), ("post", 2)]
    for queue in ("mail", "post"):
        rows = look(f"select message, headers, vt > now() + '30 s' from pgmq.q_{queue} order by msg_id")
        assert rows == [({"n": n}, headers, delay is not None) for n in (1, 2)]


# groups


@pytest.mark.parametrize(
    ("function", "taken"),
    [
        ("read_grouped", [1, 2, 4]),
        ("read_grouped_with_poll", [1, 2, 4]),
        ("read_grouped_rr", [1, 3, 2]),
        ("read_grouped_rr_with_poll", [1, 3, 2]),
    ],
)
async def test_grouped_reads_take_the_oldest_group_first_or_each_in_turn(peer, function, taken):
    groups = [{"x-pgmq-group": group} for group in "AABA"]
    await peer.send_batch("mail", [{"n": n} for n in (1, 2, 3, 4)], headers=groups)

    read = {
        "read_grouped": lambda: peer.read_grouped("mail", qty=3),
        "read_grouped_with_poll": lambda: peer.read_grouped_with_poll("mail", qty=3, max_poll_seconds=1),
        "read_grouped_rr": lambda: peer.read_grouped_rr("mail", qty=3),
        "read_grouped_rr_with_poll": lambda: peer.read_grouped_rr_with_poll("mail", qty=3, poll_interval_ms=10),
    }[function]

    assert bodies(await read()) == taken


async def test_fifo_indexes_are_made_and_made_again(peer, look):
    await peer.create_queue("post")

    await peer.create_fifo_index("mail")
    await peer.create_fifo_indexes_all()

    indexes = "select indexname from pg_indexes where schemaname = 'pgmq' and indexname like '%%fifo_idx' order by 1"
    assert look(indexes) == [("q_mail_fifo_idx",), ("q_post_fifo_idx",)]


# notifications


async def test_notifications_are_enabled_throttled_listed_and_disabled(peer):
    await peer.enable_notify("mail", throttle_interval_ms=100)
    await peer.update_notify("mail", 200)
    [throttle] = await peer.list_notify_throttles()

    await peer.disable_notify("mail")

    assert (throttle.queue_name, throttle.throttle_interval_ms) == ("mail", 200)
    assert throttle.last_notified_at == datetime(1970, 1, 1, tzinfo=UTC)
    assert await peer.list_notify_throttles() == []


async def test_its_listeners_hear_of_an_insert(peer, look):
    await peer.enable_notify("mail", throttle_interval_ms=0)
    heard = asyncio.Queue()
    if peer.kind in {"psycopg", "sqlalchemy"}:
        tell = functools.partial(asyncio.get_running_loop().call_soon_threadsafe, heard.put_nowait)
        listener = SyncNotificationListener(peer.client)
        ended = asyncio.ensure_future(asyncio.to_thread(listener.listen, "mail", tell))
    else:
        listener = AsyncNotificationListener(peer.client)
        ended = asyncio.ensure_future(listener.listen("mail", heard.put))

    listening = "select from pg_stat_activity where query ilike 'listen%' and state = 'idle' and datname = current_database()"
    while not await asyncio.to_thread(look, listening):
        pass
    await peer.send("mail", {"n": 1})

    assert await heard.get() == {"event": "insert", "payload_empty": True}
    listener.stop()
    await ended


# partitions


@pytest.mark.parametrize(("interval", "retention"), [(10, 100), ("1 day", "7 days")])
async def test_a_partitioned_queue_works_like_any_other(peer, partman_dsn, interval, retention):
    await peer.create_partitioned_queue("parts", partition_interval=interval, retention_interval=retention)

    assert await peer.send_batch("parts", [{"n": n} for n in range(3)]) == [1, 2, 3]

    assert bodies(await peer.read("parts", qty=9)) == [0, 1, 2]
    assert (await peer.archive("parts", 1), await peer.delete("parts", 2)) == (True, True)
    assert await peer.drop_queue("parts") is True


async def test_an_archive_becomes_partitioned(peer, partman_dsn, look):
    await peer.convert_archive_partitioned("mail", partition_interval=10, retention_interval=100, leading_partition=2)

    await peer.send("mail", {"n": 1})

    assert await peer.archive("mail", 1) is True
    assert look("select relkind, (select count(*) from pgmq.a_mail) from pg_class where oid = 'pgmq.a_mail'::regclass") == [
        ("p", 1)
    ]


async def test_detaching_an_archive_changes_nothing(peer, look):
    await peer.detach_archive("mail")

    assert look("select count(*) from pgmq.a_mail") == [(0,)]
