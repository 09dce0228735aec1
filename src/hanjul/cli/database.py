"""`hanjul migrate` and `hanjul sql`: the schema, and SQL by hand."""

from pathlib import Path

import click

from hanjul.cli.output import as_json, plain, print_json, print_rows, print_table, show
from hanjul.clients import address, migrated_address
from hanjul.config import settings
from hanjul.model.errors import BadInput
from hanjul.postgres import migrate as schema
from hanjul.postgres import script
from hanjul.sql import extension_files, install_script


@click.group(invoke_without_command=True, short_help="Install the schema, or bring it up to date.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.pass_context
def migrate(context: click.Context, *, dry_run: bool) -> None:
    """Install the schema, or bring it up to date. Safe to run at any time, also twice at once.

    \b
    Examples:
      DATABASE_URL=postgresql://... hanjul migrate
      hanjul migrate --dry-run
      hanjul migrate status
    """
    if context.invoked_subcommand is not None:
        if dry_run:
            raise click.UsageError(f"{context.invoked_subcommand} changes nothing; --dry-run is for migrate itself")
        return
    with address(settings()) as url:
        if dry_run:
            plan = schema.plan(url)
            for migration in plan.pending:
                click.echo(f"would apply  migration {migration.number:04} {migration.name}")
            click.echo("functions are this version's" if plan.functions_are_current else "would renew  functions")
        else:
            plan = schema.migrate(url, lambda step: click.echo(f"applying  {step}"))
            click.echo(f"done: {len(plan.pending)} migrations applied, functions are this version's")
        _tell_of_others(plan)


@migrate.command()
@as_json
def status(*, as_json: bool) -> None:
    """Show which migrations are applied."""
    with address(settings()) as url:
        plan = schema.plan(url)
    rows = [(step.migration.number, step.migration.name, step.state, step.applied_at) for step in plan.steps]
    show(rows, ["number", "name", "state", "applied_at"], as_json=as_json)
    if not plan.functions_are_current:
        click.echo("the functions are another version's: hanjul migrate", err=True)
    _tell_of_others(plan)


def _tell_of_others(plan: schema.Plan) -> None:
    if "pgmq" in plan.foreign:
        said = "schema pgmq belongs to another installation of pgmq; it was left alone, hanjul works with it"
        click.echo(f"{said}; `hanjul adopt --dry-run` tells what taking it over would mean", err=True)
    if "net" in plan.foreign:
        said = "schema net belongs to another installation of pg_net, whose worker sends its requests; it was left alone"
        click.echo(f"{said}; everything of hanjul but HTTP requests and webhooks works beside it", err=True)


@click.command(short_help="Print the schema as one SQL file, or run one.")
@click.option("-f", "--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Run this SQL file.")
@click.option("--extension", type=click.Path(file_okay=False, path_type=Path), help="Write CREATE EXTENSION's files there.")
@as_json
def sql(file: Path | None, extension: Path | None, *, as_json: bool) -> None:
    """Print the whole schema as one SQL file, to paste into a SQL editor. It can be run again.

    \b
    Examples:
      hanjul sql > hanjul.sql
      hanjul sql -f tutorial.sql
      hanjul sql --extension "$(pg_config --sharedir)/extension"
    """
    if extension is not None:
        _write_extension(extension)
    elif file is not None:
        _run(file, as_json=as_json)
    else:
        click.echo(install_script(), nl=False)


def _write_extension(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in extension_files().items():
            (directory / name).write_text(text, "utf-8")
            click.echo(f"wrote {directory / name}")
    except OSError as error:
        raise BadInput(f"cannot write there: {error}") from error


def _run(file: Path, *, as_json: bool) -> None:
    with migrated_address(settings()) as url:
        results = script.run(url, _text(file), name=str(file))
        if as_json:
            print_json([_plain(result) for result in results])
            return
        for result in results:
            _print(result)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")  # editors on Windows begin a file with a mark
    except (UnicodeDecodeError, OSError) as error:
        raise BadInput(f"{file} cannot be read as UTF-8 text: {error}") from error


def _plain(result: script.Result) -> dict[str, object]:
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows]
    return {"statement": result.statement, "status": result.status, "rows": rows, "notices": result.notices}


def _print(result: script.Result) -> None:
    click.secho(f"{result.statement};", dim=True)
    for notice in result.notices:
        click.secho(notice, fg="yellow", err=True)
    if result.columns and len(result.rows) == 1 and len(result.columns) > 4:  # wide: one line a column reads better
        print_table(["column", "value"], list(zip(result.columns, map(plain, result.rows[0]), strict=True)))
    elif result.columns:
        print_rows(result.columns, result.rows)
        click.echo(f"({len(result.rows)} row{'' if len(result.rows) == 1 else 's'})\n")
    else:
        click.echo(f"{result.status}\n")
