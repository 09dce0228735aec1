"""`hanjul net webhook`: events of tables that become requests."""

from collections.abc import Sequence
from datetime import timedelta

import click

from hanjul.cli.input import pairs
from hanjul.cli.output import as_json, print_json, show
from hanjul.clients import connect_http_sync
from hanjul.net.outgoing import HttpRetry
from hanjul.net.rows import WebhookEvent, WebhookRecord

LISTED = ["name", "table", "events", "url", "state", "pending", "failing_since", "last_success_at", "last_error"]
"""What a table has room for; as JSON a webhook has all its fields."""

webhook_name = click.argument("name", metavar="NAME")


@click.group()
def webhook() -> None:
    """Send what happens to a table's rows to a URL: signed, in order, again until it has arrived.

    \b
    Examples:
      hanjul net webhook create orders insert,update https://hooks.example.com/orders
      hanjul net webhook test orders_insert_update
      hanjul net webhook list
      hanjul net webhook pause orders_insert_update --reason "receiver moves"
    """


@webhook.command(short_help="Make a webhook on a table.")
@click.argument("table")
@click.argument("events", metavar="EVENTS")
@click.argument("url")
@click.option("--name", help="Its name; <table>_<events> if not given.")
@click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header; repeatable.")
@click.option("--secret", metavar="NAME", help="The secret that signs; one is made, and printed once, if not given.")
@click.option("--timeout-ms", default=15_000, show_default=True, help="Of one attempt.")
@click.option("--attempts", type=click.IntRange(1, 1000), help="How many in all; ten in three days if not given.")
@click.option(
    "--order-by", multiple=True, metavar="COLUMN", help="Rows alike in it arrive in order; the primary key if not given."
)
@click.option("--no-order", is_flag=True, help="Send all side by side.")
@click.option("--column", "columns", multiple=True, help="Only updates that name this column; repeatable.")
@click.option("--when", "condition", metavar="SQL", help="Only rows for which this holds, as in a trigger's WHEN.")
@click.option("--disable-after-days", default=5.0, show_default=True, help="Of nothing but failures.")
@as_json
def create(
    table: str,
    events: str,
    url: str,
    *,
    headers: Sequence[str],
    attempts: int | None,
    order_by: Sequence[str],
    no_order: bool,
    columns: Sequence[str],
    disable_after_days: float,
    as_json: bool,
    name: str | None,
    secret: str | None,
    timeout_ms: int,
    condition: str | None,
) -> None:
    """Make a webhook: EVENTS are out of insert, update, delete and truncate, with commas between.

    \b
    Examples:
      hanjul net webhook create orders insert https://hooks.example.com/orders
      hanjul net webhook create orders update https://hooks.example.com/paid --column paid --when 'NEW.paid'
    """
    with connect_http_sync() as http:
        created = http.webhooks.create(
            table,
            [event.strip() for event in events.split(",")],
            url,
            name=name,
            headers=pairs("-H", headers, ":"),
            secret=secret,
            timeout_ms=timeout_ms,
            retry=None if attempts is None else HttpRetry(max_attempts=attempts),
            ordering=() if no_order else order_by or None,
            columns=columns or None,
            condition=condition,
            disable_after=timedelta(days=disable_after_days),
        )
    if as_json:
        print_json(created)
        return
    click.echo(f"webhook {created.name} is there; try it: hanjul net webhook test {created.name}")
    if created.signing_secret is not None:
        click.echo(f"its deliveries are signed with this secret, which is shown only now:\n{created.signing_secret}")


@webhook.command("list")
@as_json
def list_(*, as_json: bool) -> None:
    """All webhooks: how they stand, what waits."""
    with connect_http_sync() as http:
        found = http.webhooks.list()
    columns = WebhookRecord.__struct_fields__ if as_json else LISTED
    show(found, columns, as_json=as_json, empty="no webhooks: hanjul net webhook create TABLE EVENTS URL")


@webhook.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many at most.")
@as_json
def events(name: str | None, limit: int, *, as_json: bool) -> None:
    """What became of one webhook, or of all, newest first."""
    with connect_http_sync() as http:
        show(http.webhooks.events(name, limit=limit), WebhookEvent.__struct_fields__, as_json=as_json, empty="nothing yet")


@webhook.command()
@webhook_name
@click.option("--reason", help="Why, for whoever looks.")
def pause(name: str, reason: str | None) -> None:
    """Keep a webhook's events until it is resumed."""
    with connect_http_sync() as http:
        http.webhooks.pause(name, reason=reason)
    click.echo(f"webhook {name} is paused; go on with: hanjul net webhook resume {name}")


@webhook.command()
@webhook_name
def resume(name: str) -> None:
    """Send what waits, in order; of one that was disabled, too."""
    with connect_http_sync() as http:
        http.webhooks.resume(name)
    click.echo(f"webhook {name} is active")


@webhook.command(short_help="Send a test event.")
@webhook_name
def test(name: str) -> None:
    """Send an event of type TEST, signed as all are; prints the request's id: see `hanjul net wait ID`."""
    with connect_http_sync() as http:
        click.echo(http.webhooks.test(name))


@webhook.command(short_help="Another signing secret, while the former signs as well.")
@webhook_name
@click.option(
    "--keep-hours", default=24.0, show_default=True, type=click.FloatRange(0, 8760), help="How long the former signs, too."
)
def rotate(name: str, keep_hours: float) -> None:
    """Make another signing secret, and print it once; the former one signs, too, while the receiver follows."""
    with connect_http_sync() as http:
        value = http.webhooks.rotate_secret(name, keep=timedelta(hours=keep_hours))
    click.echo(f"webhook {name} has another secret; the former signs for {keep_hours:g} more hours", err=True)
    click.echo(value)


@webhook.command()
@webhook_name
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(name: str, *, yes: bool) -> None:
    """Drop a webhook; what has not been sent ends as an error."""
    if not yes:
        click.confirm(f"drop webhook {name}? What has not been sent ends as an error", abort=True)
    with connect_http_sync() as http:
        http.webhooks.drop(name)
    click.echo(f"webhook {name} is dropped")
