"""The command `hanjul`: parse, call, print. Errors become one line and an exit code."""

import sys

import click

from hanjul.cli import adopt, database, demo, doctor, entries, jobs, net, queues, serve
from hanjul.model.errors import BadInput, HanjulError, InvalidSettings, NotFound, PermissionDenied, SchemaMismatch, Unavailable

EXIT_CODES: list[tuple[type[HanjulError], int]] = [
    (BadInput, 2),
    (InvalidSettings, 2),
    (Unavailable, 3),
    (NotFound, 4),
    (PermissionDenied, 5),
    (SchemaMismatch, 6),
    (HanjulError, 1),
]
"""The first class that fits decides."""

EPILOG = """\
\b
The database is DATABASE_URL, or else an embedded PostgreSQL that starts by itself.
Exit codes: 0 done; 1 failed; 2 bad input or settings; 3 database unavailable; 4 not found;
5 permission denied; 6 schema missing or newer; 7 stopped before all was drained.

\b
Examples:
  hanjul up                                    an embedded PostgreSQL, with queues, until Ctrl-C
  hanjul queue create email_jobs
  hanjul queue send email_jobs '{"to": "user@example.com"}'
  hanjul worker myproject.tasks:app
  hanjul up app/                               what app/_index.yaml declares
"""


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hanjul", prog_name="hanjul")
def hanjul() -> None:
    """All the background work of an application, in one line, on the PostgreSQL it already has."""


hanjul.add_command(serve.up)
hanjul.add_command(serve.worker)
hanjul.add_command(entries.validate)
hanjul.add_command(entries.schema)
hanjul.add_command(database.migrate)
hanjul.add_command(adopt.adopt)
hanjul.add_command(database.sql)
hanjul.add_command(queues.queue)
hanjul.add_command(jobs.jobs)
hanjul.add_command(net.net)
net.net.add_command(serve.http_worker)
hanjul.add_command(doctor.doctor)
hanjul.add_command(demo.demo)


def main() -> None:
    """Run the command line; the process ends with its exit code."""
    try:
        hanjul(standalone_mode=True)
    except HanjulError as error:
        click.secho(f"hanjul: {error}", fg="red", err=True)
        sys.exit(next(code for kind, code in EXIT_CODES if isinstance(error, kind)))
    except OSError as error:
        click.secho(f"hanjul: {error}", fg="red", err=True)
        sys.exit(1)
