"""The package `pgmq-sqlalchemy` from PyPI: over psycopg and asyncpg, by address, by engine and by session maker.

Two faults are its own, and show on PGMQ itself as well:
- It was written for rows of five columns and decodes them by position. PGMQ has put `last_read_at` before `vt` since (contract,
  fact 10), so what it calls `vt` is the last read, and what it calls `message` is the visibility.
- Over asyncpg it leaves the type of a delay and of a new visibility open, which PGMQ calls ambiguous (fact 4). Our overloads for
  text take such a call, but asyncpg refuses to give a number as text. So it can neither send nor set_vt over asyncpg.
"""

import inspect
import json
import re
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path

import pytest
from pgmq_sqlalchemy import PGMQueue
from pgmq_sqlalchemy.operation import PGMQOperation
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import sessionmaker

DRIVERS = {"psycopg": create_engine, "asyncpg": create_async_engine}
FORMS = [f"{driver} by {form}" for driver in DRIVERS for form in ("dsn", "engine", "session maker")]


class Peer:
    """The client; every method is awaited, and is the async one where the driver is."""

    def __init__(self, client):
        self.client = client

    def __getattr__(self, name):
        method = getattr(self.client, f"{name}_async" if self.client.is_async else name)

        async def call(*args, **options):
            answer = method(*args, **options)
            return await answer if inspect.isawaitable(answer) else answer

        return call


@pytest.fixture(params=FORMS)
async def peer(request, dsn):
    """A client with a queue `mail`."""
    driver, _, form = request.param.partition(" by ")
    address = dsn.replace("postgresql://", f"postgresql+{driver}://")
    engine = DRIVERS[driver](address)
    if form == "session maker":
        peer = Peer(
            PGMQueue(session_maker=sessionmaker(engine, class_=AsyncSession) if driver == "asyncpg" else sessionmaker(engine))
        )
    else:
        peer = Peer(PGMQueue(dsn=address) if form == "dsn" else PGMQueue(engine=engine))
    await peer.create_queue("mail")
    yield peer
    for used in {engine, peer.client.engine} - {None}:
        if (disposed := used.dispose()) is not None:
            await disposed


@pytest.fixture
def put(look):
    """Send past the client, which cannot over asyncpg."""

    def put(*bodies):
        look("select pgmq.send_batch('mail', %s::jsonb[])", [json.dumps(body) for body in bodies])

    return put


def unless_over_asyncpg(peer):
    """Expect the second fault of the two above."""
    return pytest.raises(Exception, match=r"is not unique|expected str, got int") if peer.client.is_async else nullcontext()


def test_every_method_of_the_client_is_driven_in_this_file():
    names = {name for name, _ in inspect.getmembers(PGMQueue, inspect.isfunction) if not name.startswith("_")}
    driven = set(re.findall(r"peer\.(\w+)\(", Path(__file__).read_text()))

    assert {name.removesuffix("_async") for name in names} - driven == set()


def test_its_operations_take_a_session_of_ours_and_find_the_extension(offered, empty_dsn):
    engine = create_engine(empty_dsn.replace("postgresql://", "postgresql+psycopg://"))
    with sessionmaker(engine)() as session:
        PGMQOperation.check_pgmq_ext(session=session)
        PGMQOperation.create_queue("mail", session=session)

        assert PGMQOperation.send("mail", {"n": 1}, session=session) == 1
    engine.dispose()


async def test_queues_are_created_listed_and_dropped(peer, look):
    await peer.create_queue("post", unlogged=True)

    assert sorted(await peer.list_queues()) == ["mail", "post"]
    assert look("select relpersistence from pg_class where oid = 'pgmq.q_post'::regclass") == [("u",)]
    assert await peer.drop_queue("post") is True
    assert await peer.list_queues() == ["mail"]


async def test_dropping_a_missing_queue_is_true_by_the_form_that_it_calls(peer):
    # its own tests want an error, as before PGMQ 1.6; drop_queue(queue, partitioned) is deprecated and always true (section 5)
    assert await peer.drop_queue("none") is True


async def test_the_longest_name_is_47_characters_as_in_pgmq(peer):
    # its documentation says "less than 48", its tests still expect the limit of PGMQ 1.5
    await peer.validate_queue_name("q" * 47)

    with pytest.raises(Exception, match="queue name is too long, maximum length is 47 characters"):
        await peer.validate_queue_name("q" * 48)


async def test_messages_are_sent_one_by_one_and_in_batches_with_a_delay(peer, look):
    with unless_over_asyncpg(peer):
        assert await peer.send("mail", {"n": 1, "text": "é"}) == 1
    with unless_over_asyncpg(peer):
        assert await peer.send_batch("mail", [{"n": 2}, {"n": 3}], delay=60) == [2, 3]

    rows = look("select message, vt > now() + '30 s' from pgmq.q_mail order by msg_id")
    sent = [({"n": 1, "text": "é"}, False), ({"n": 2}, True), ({"n": 3}, True)]
    assert rows == ([] if peer.client.is_async else sent)


async def test_a_message_is_read_though_the_client_mistakes_two_columns(peer, look, put):
    put({"n": 1})

    message = await peer.read("mail", vt=60)

    assert (message.msg_id, message.read_ct) == (1, 1)
    assert look("select enqueued_at, last_read_at, vt from pgmq.q_mail") == [(message.enqueued_at, message.vt, message.message)]
    assert await peer.read("mail") is None


async def test_several_are_read_in_the_order_of_their_ids(peer, put):
    put(*range(5))

    assert [message.msg_id for message in await peer.read_batch("mail", 3, vt=60)] == [1, 2, 3]
    assert [message.msg_id for message in await peer.read_batch("mail", 9)] == [4, 5]
    assert await peer.read_batch("mail", 9) is None


async def test_polling_returns_what_is_there_and_nothing_at_its_end(peer, put):
    put({"n": 1})

    [message] = await peer.read_with_poll("mail", qty=9, max_poll_seconds=1, poll_interval_ms=10)

    assert message.msg_id == 1
    assert await peer.read_with_poll("mail", max_poll_seconds=0) is None


async def test_set_vt_makes_visible_again(peer, put):
    put({"n": 1})
    await peer.read("mail")

    with unless_over_asyncpg(peer):
        assert (await peer.set_vt("mail", 1, 0)).read_ct == 1
        assert await peer.set_vt("mail", 99, 0) is None

    assert (await peer.read("mail") is None) is peer.client.is_async


async def test_popping_removes_at_once(peer, look, put):
    put({"n": 1})

    message = await peer.pop("mail")

    assert (message.msg_id, message.vt, type(message.message)) == (1, None, datetime)  # the mistaken columns again
    assert look("select count(*) from pgmq.q_mail") == [(0,)]
    assert await peer.pop("mail") is None


async def test_deleting_and_archiving_tell_what_was_there(peer, look, put):
    put(*range(6))

    assert [await peer.delete("mail", 1), await peer.delete("mail", 1)] == [True, False]
    assert sorted(await peer.delete_batch("mail", [1, 2, 99])) == [2]
    assert [await peer.archive("mail", 3), await peer.archive("mail", 3)] == [True, False]
    assert sorted(await peer.archive_batch("mail", [3, 4, 5])) == [4, 5]

    assert look("select array_agg(msg_id order by msg_id) from pgmq.a_mail") == [([3, 4, 5],)]
    assert await peer.purge("mail") == 1


async def test_metrics_tell_length_ages_and_totals(peer, put):
    put(*range(3))

    mail = await peer.metrics("mail")

    assert (mail.queue_name, mail.queue_length, mail.total_messages) == ("mail", 3, 3)
    assert 0 <= mail.newest_msg_age_sec <= mail.oldest_msg_age_sec < 60
    assert [found.queue_name for found in await peer.metrics_all()] == ["mail"]


@pytest.mark.parametrize(("interval", "retention"), [(10, 100), ("1 day", "7 days")])
async def test_a_partitioned_queue_is_created_and_dropped(peer, partman_dsn, interval, retention):
    await peer.create_partitioned_queue("parts", partition_interval=interval, retention_interval=retention)

    assert await peer.drop_queue("parts", partitioned=True) is True
    assert await peer.list_queues() == ["mail"]


async def test_a_transaction_that_is_rolled_back_changes_nothing(peer, look, put):
    put({"n": 1})
    session = peer.client.session_maker()
    await peer.delete("mail", 1, session=session, commit=False)

    for end in (session.rollback, session.close):
        if inspect.isawaitable(ended := end()):
            await ended

    assert look("select count(*) from pgmq.q_mail") == [(1,)]
