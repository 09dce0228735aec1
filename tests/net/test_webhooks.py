"""Webhooks by the client: created, watched, paused, tested, dropped."""

from datetime import timedelta
from typing import Any

import pytest
from tests.net.conftest import Sender

from hanjul import BadInput, HttpRetry, HttpSync, NewWebhook, NotFound
from hanjul.net.client import Http
from hanjul.net.webhooks import Webhooks
from hanjul.postgres.database_sync import DatabaseSync

URL = "http://a.example/hook"


@pytest.fixture
async def webhooks(http: Http, sender: Sender) -> Webhooks:
    sender.sql.execute("create table orders (id bigint primary key, paid boolean)")
    return http.webhooks


async def test_what_happens_to_a_table_becomes_a_request(webhooks: Webhooks, http: Http, sender: Sender) -> None:
    created = await webhooks.create("orders", ["insert"], URL, headers={"X-A": "b"})
    sender.sql.execute("insert into orders values (7, true)")

    [line] = await http.requests(webhook=created.name)
    request = await http.get_request(line.id)
    assert (created.name, request.sign_with) == ("orders_insert", created.signed_with)
    assert created.signing_secret is not None
    assert created.signing_secret.startswith("whsec_")
    assert request.body is not None
    assert b'"record": {"id":7,"paid":true}' in request.body
    assert (request.method, request.url, (request.headers or {})["X-A"]) == ("POST", URL, "b")


async def test_a_webhook_is_listed_with_all_that_was_said_of_it(webhooks: Webhooks, http: Http) -> None:
    await http.set_secret("mine", "whsec_" + "a" * 32, ["a.example"])
    created = await webhooks.create(
        "public.orders", ("update", "delete"), "http://a.example/?token=t", name="paid", headers={"Authorization": "t"},
        secret="mine", timeout_ms=3000, retry=HttpRetry(max_attempts=3), ordering=(), columns=["paid"], condition="old.paid",
        disable_after=timedelta(days=1),
    )  # fmt: skip

    [webhook] = await webhooks.list()
    assert created == NewWebhook("paid", "mine", None)
    assert (webhook.name, webhook.table, webhook.events, webhook.columns) == (
        "paid",
        "public.orders",
        ["UPDATE", "DELETE"],
        ["paid"],
    )
    assert webhook.url == "http://a.example/?token=[hidden]"
    assert webhook.headers["Authorization"] == "[hidden]"
    assert (webhook.secret, webhook.timeout_ms, webhook.ordering) == ("mine", 3000, [])
    assert (webhook.retry["max_attempts"], webhook.disable_after) == (3, timedelta(days=1))
    assert (webhook.state, webhook.pending, webhook.failing_since) == ("active", 0, None)


async def test_a_webhook_that_is_paused_keeps_its_events_until_it_is_resumed(webhooks: Webhooks, sender: Sender) -> None:
    name = (await webhooks.create("orders", ["insert"], URL)).name
    await webhooks.pause(name, reason="receiver moves")
    sender.sql.execute("insert into orders values (1), (2)")
    paused, sent_meanwhile = (await webhooks.list())[0], sender.settle()

    await webhooks.resume(name)

    assert (paused.state, paused.state_why, paused.pending, sent_meanwhile) == ("paused", "receiver moves", 2, [])
    assert len(sender.settle()) == 2
    assert [event.what for event in await webhooks.events(name)] == ["resumed", "paused", "created"]
    assert [event.what for event in await webhooks.events(limit=1)] == ["resumed"]


async def test_a_webhook_is_tested_rotated_and_dropped(webhooks: Webhooks, http: Http) -> None:
    created = await webhooks.create("orders", ["insert"], URL)

    tested = await http.get_request(await webhooks.test(created.name))
    rotated = await webhooks.rotate_secret(created.name, keep=timedelta(hours=1))
    await webhooks.drop(created.name)

    assert tested.body is not None
    assert b'"type": "TEST"' in tested.body
    assert rotated.startswith("whsec_")
    assert rotated != created.signing_secret
    assert await webhooks.list() == []


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no table": ({"table": "none"}, NotFound, 'relation "none" does not exist'),
    "no event": ({"events": ["explode"]}, BadInput, "explode"),
    "events as text": ({"events": "insert"}, BadInput, "events must be a list of names, as in ['insert'], not 'insert'"),
    "URL": ({"url": "nonsense"}, BadInput, "nonsense"),
    "retry": ({"retry": {"max_attempts": 1}}, BadInput, "retry must be a hanjul.HttpRetry"),
    "column": ({"ordering": ["none"]}, BadInput, "none"),
    "span": ({"disable_after": 5}, BadInput, "a span of time must be a timedelta, not 5"),
    "a view": ({"table": "pg_stat_activity"}, BadInput, "pg_stat_activity"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_can_be_no_webhook_is_refused_and_says_why(webhooks: Webhooks, case: str) -> None:
    how, error, words = REFUSED[case]

    with pytest.raises(error) as refused:
        await webhooks.create(**{"table": "orders", "events": ["insert"], "url": URL, **how})

    assert words in str(refused.value)
    assert await webhooks.list() == []


async def test_a_name_that_is_taken_or_not_there_is_told_so(webhooks: Webhooks) -> None:
    await webhooks.create("orders", ["insert"], URL, name="w")

    with pytest.raises(BadInput, match="there is a webhook 'w' already"):
        await webhooks.create("orders", ["insert"], URL, name="w")
    for call in (webhooks.drop, webhooks.pause, webhooks.resume, webhooks.test, webhooks.rotate_secret):
        with pytest.raises(NotFound, match="webhook 'none' does not exist"):
            await call("none")


def test_the_sync_client_has_them_too(dsn: str, webhooks: Webhooks) -> None:
    with HttpSync(DatabaseSync(dsn)) as http:
        http.webhooks.create("orders", ["insert"], URL)

        assert [webhook.name for webhook in http.webhooks.list()] == ["orders_insert"]
