"""`hanjul demo`: the whole thing in a minute, and the proof that it works."""

import sys

import click

from hanjul.model.errors import InvalidSettings


@click.command(short_help="The tutorial, 2,000 e-mails, a killed worker.")
@click.option("--mails", default=2000, type=click.IntRange(2, 100_000), show_default=True, help="How many e-mails to deliver.")
def demo(mails: int) -> None:
    """Run the tutorial, then deliver e-mails with two workers, one of which is killed on the way.

    Uses a database of its own on the embedded PostgreSQL, and an SMTP server on this machine; no mail leaves it.
    """
    try:
        from hanjul.demo.show import show
    except ModuleNotFoundError as error:
        raise InvalidSettings(f"the demo needs {error.name}: pip install 'hanjul[all]'") from error
    sys.exit(0 if show(mails) else 1)
