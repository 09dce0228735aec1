"""`hanjul queue ...`: look at queues, and put things right."""

import click

from hanjul.cli.input import json_text, json_value
from hanjul.cli.output import as_json, show
from hanjul.clients import connect_sync, migrated_address
from hanjul.config import settings
from hanjul.model.call import Call
from hanjul.model.names import queue_name
from hanjul.postgres.database_sync import DatabaseSync

MESSAGE = ["msg_id", "read_ct", "enqueued_at", "vt", "message", "headers"]
METRICS = ["queue_name", "queue_length", "queue_visible_length", "oldest_msg_age_sec", "newest_msg_age_sec", "total_messages"]

name = click.argument("queue", metavar="QUEUE")
quantity = click.option("--qty", default=1, show_default=True, help="How many messages at most.")
role = click.option("--role", required=True, help="A role of the PostgreSQL server.")
kind = click.option("--as", "kind", required=True, type=click.Choice(["producer", "consumer", "admin"]), help="What it may do.")
confirmed = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group()
def queue() -> None:
    """Make, fill, watch and empty queues.

    \b
    Examples:
      hanjul queue create email_jobs
      hanjul queue send email_jobs '{"to": "user@example.com"}' --delay 60
      hanjul queue read email_jobs --vt 30 --qty 10 --json
      hanjul queue redrive email_jobs
      hanjul queue grant email_jobs --role website --as producer
    """


@queue.command()
@name
@click.option("--unlogged", is_flag=True, help="Faster; a crash of the server empties it.")
def create(queue: str, *, unlogged: bool) -> None:
    """Make a queue, if there is none of this name."""
    with connect_sync() as queues:
        queues.create(queue, unlogged=unlogged)
    click.echo(f"queue {queue} is there")


@queue.command("list")
@as_json
def list_(*, as_json: bool) -> None:
    """All queues."""
    with connect_sync() as queues:
        show(
            queues.list(),
            ["queue_name", "is_unlogged", "is_partitioned", "created_at"],
            as_json=as_json,
            empty="no queues yet: hanjul queue create NAME",
        )


@queue.command()
@name
@click.argument("messages", nargs=-1, required=True, metavar="JSON...")
@click.option("--delay", default=0.0, help="Seconds until which nobody sees it.")
@click.option("--headers", help="A JSON object, given to every message.")
def send(queue: str, messages: tuple[str, ...], delay: float, headers: str | None) -> None:
    """Send messages, each one JSON; prints their ids."""
    heads = None if headers is None else [json_value("--headers", headers)] * len(messages)
    bodies = [json_text("the message", text) for text in messages]
    with connect_sync() as queues:
        ids = queues.send_batch(queue, bodies, headers=heads, delay=delay)
    for msg_id in ids:
        click.echo(msg_id)


@queue.command()
@name
@quantity
@click.option("--vt", default=30, show_default=True, help="Seconds for which others do not see them.")
@as_json
def read(queue: str, qty: int, vt: int, *, as_json: bool) -> None:
    """Lease the next messages, and show them."""
    with connect_sync() as queues:
        show(queues.read(queue, vt=vt, qty=qty), MESSAGE, as_json=as_json, empty="no visible message")


@queue.command()
@name
@quantity
@as_json
def peek(queue: str, qty: int, *, as_json: bool) -> None:
    """Look at the next messages, and leave them as they are."""
    with connect_sync() as queues:
        show(queues.peek(queue, qty=qty), MESSAGE, as_json=as_json, empty="no visible message")


@queue.command(short_help="Move messages to the archive.")
@name
@click.argument("msg_ids", nargs=-1, required=True, type=int, metavar="MSG_ID...")
def archive(queue: str, msg_ids: tuple[int, ...]) -> None:
    """Move messages to the queue's archive; prints the ids that were there."""
    with connect_sync() as queues:
        for msg_id in queues.archive(queue, msg_ids):
            click.echo(msg_id)


@queue.command()
@name
@confirmed
def purge(queue: str, *, yes: bool) -> None:
    """Throw all messages of a queue away."""
    with connect_sync() as queues:
        length = queues.metrics(queue).queue_length
        _confirm(f"throw away the {length} messages of queue {queue}?", yes=yes)
        click.echo(f"{queues.purge(queue)} messages thrown away")


@queue.command()
@name
@confirmed
def drop(queue: str, *, yes: bool) -> None:
    """Remove a queue, its messages and its archive."""
    with connect_sync() as queues:
        length = queues.metrics(queue).queue_length
        _confirm(f"remove queue {queue}, with {length} messages and its archive?", yes=yes)
        queues.drop(queue)
    click.echo(f"queue {queue} is gone")


@queue.command()
@click.argument("queue", required=False, metavar="[QUEUE]")
@as_json
def metrics(queue: str | None, *, as_json: bool) -> None:
    """Counts and ages of one queue, or of all."""
    with connect_sync() as queues:
        found = queues.metrics_all() if queue is None else [queues.metrics(queue)]
        show(found, METRICS, as_json=as_json, empty="no queues yet: hanjul queue create NAME")


@queue.command(short_help="Put dead letters back, or list them.")
@name
@click.option("--qty", type=int, help="How many at most, oldest first; all if not given.")
@click.option("--list", "only_list", is_flag=True, help="Only show the dead letters.")
@as_json
def redrive(queue: str, qty: int | None, *, only_list: bool, as_json: bool) -> None:
    """Put dead letters back into their queue, or look at them first.

    \b
    Examples:
      hanjul queue redrive email_jobs --list
      hanjul queue redrive email_jobs --qty 100
    """
    with connect_sync() as queues:
        if only_list:
            columns = ["id", "msg_id", "attempts", "reason", "error", "died_at", "message"]
            show(queues.dead_letters(queue, qty=100 if qty is None else qty), columns, as_json=as_json, empty="no dead letters")
        else:
            click.echo(f"{len(queues.redrive(queue, qty=qty))} messages put back into {queue}")


@queue.command(short_help="Let a role of the server use a queue.")
@name
@role
@kind
def grant(queue: str, role: str, kind: str) -> None:
    """Let a role use a queue: a producer sends, a consumer reads and settles, the admin owns it.

    \b
    Examples:
      hanjul queue grant email_jobs --role website --as producer
      hanjul queue grant email_jobs --role mailer --as consumer
    """
    _change_rights("hanjul.grant_queue", queue, role, kind)
    click.echo(f"role {role} is {kind} of queue {queue}")


@queue.command(short_help="Take a role's rights on a queue away.")
@name
@role
@kind
def revoke(queue: str, role: str, kind: str) -> None:
    """Take away what `hanjul queue grant` gave."""
    _change_rights("hanjul.revoke_queue", queue, role, kind)
    click.echo(f"role {role} is no {kind} of queue {queue}")


def _change_rights(function: str, queue: str, role: str, kind: str) -> None:
    arguments = {"queue_name text": queue_name(queue), "role text": role, "as_what text": kind}
    with migrated_address(settings()) as url, DatabaseSync(url, max_connections=1) as database:
        database.rows(Call(function, arguments, row=lambda _nothing: None, repeatable=True))


def _confirm(question: str, *, yes: bool) -> None:
    if not yes:
        click.confirm(question, abort=True)
