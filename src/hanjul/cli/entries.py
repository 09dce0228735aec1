"""`hanjul validate` and `hanjul schema`: entries in YAML, checked without running them."""

import sys

import click
import msgspec

from hanjul.cli.output import as_json, print_json
from hanjul.model.errors import InvalidEntries


@click.command(short_help="Check entries in YAML.")
@click.argument("targets", metavar="DIR...", nargs=-1, required=True)
@click.option("--no-import", is_flag=True, help="Do not import the functions that entries name.")
@as_json
def validate(targets: tuple[str, ...], *, no_import: bool, as_json: bool) -> None:
    """Check the entries of directories and files: all errors at once, each with its place. Nothing is connected to or run.

    \b
    Examples:
      hanjul validate app/
      hanjul validate app/ --json --no-import
    """
    from hanjul.entries import load  # here, where pydantic and pyyaml are

    try:
        registry = load(targets, functions=not no_import)
    except InvalidEntries as error:
        if not as_json:
            raise
        print_json({"ok": False, "entries": [], "problems": [msgspec.to_builtins(one) for one in error.problems]})
        sys.exit(2)
    found = [{"id": id_, "kind": entry.kind} for id_, entry in sorted(registry.entries.items())]
    if as_json:
        print_json({"ok": True, "entries": found, "problems": []})
    else:
        click.echo(f"{len(found)} entries: ok")


@click.command(short_help="Print the JSON Schema of entries.")
def schema() -> None:
    """Print the JSON Schema of files of entries, for editors.

    \b
    Examples:
      hanjul schema > hanjul.schema.json
      then, as the first line of _index.yaml:
      # yaml-language-server: $schema=../hanjul.schema.json
    """
    from hanjul.entries import schema as made

    print_json(made())
