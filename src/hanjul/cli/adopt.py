"""`hanjul adopt`: an existing installation of PGMQ becomes hanjul's."""

import click
import msgspec

from hanjul.cli.output import as_json, print_json
from hanjul.clients import address
from hanjul.config import settings
from hanjul.postgres import adopt as adoption


@click.command(short_help="Take over an existing installation of PGMQ, in place.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done, and count the messages.")
@click.option("--keep-extension", is_flag=True, help="Leave the extension's name registered, without content.")
@click.option(
    "--lock-timeout",
    type=click.FloatRange(0.001, 3600),
    default=adoption.LOCK_TIMEOUT_S,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for one table in use.",
)
@as_json
def adopt(*, dry_run: bool, keep_extension: bool, lock_timeout: float, as_json: bool) -> None:
    """Take over PGMQ, the extension or its SQL, with its queues and every message: in one transaction, or not at all.

    \b
    Examples:
      hanjul adopt --dry-run
      hanjul adopt
    """
    told = (lambda _line: None) if as_json else (lambda step: click.echo(f"adopting  {step}"))
    with address(settings()) as url:
        if dry_run:
            done = adoption.look(url, keep_extension=keep_extension)
        else:
            done = adoption.adopt(url, told, keep_extension=keep_extension, lock_timeout_s=lock_timeout)
    if as_json:
        print_json({"dry_run": dry_run, **msgspec.to_builtins(done)})
    elif done.found is None:
        click.echo("nothing to do: there is no installation of pgmq besides hanjul's")
    elif dry_run:
        _print_adoption(done)
    else:
        click.echo(f"done: {sum(not queue.gone for queue in done.queues)} queues adopted")
        _print_notes(done)


def _print_adoption(found: adoption.Adoption) -> None:
    click.echo(f"found {found.found}; nothing was changed. To be done, in one transaction:")
    for queue in found.queues:
        if not queue.gone:
            size = f"{(queue.bytes or 0) / 2**20:.1f} MiB"
            counts = f"{queue.messages} messages, {queue.parked} of them not visible yet, {queue.archived} archived"
            click.echo(f"queue {queue.queue_name}, {queue.kind}: {counts}, {size}")
        else:
            click.echo(f"queue {queue.queue_name}:")
        for step in queue.steps:
            click.echo(f"  {step}")
    _print_notes(found)


def _print_notes(found: adoption.Adoption) -> None:
    if found.extension is not None:
        click.echo("extension pgmq: " + ("kept, without content" if found.extension == "keep" else "dropped, without its tables"))
    for name in found.lost:
        click.echo(f"function pgmq.{name}: goes, hanjul has none", err=True)
    for name in found.kept:
        click.echo(f"function pgmq.{name}: is not PGMQ's, it stays", err=True)
