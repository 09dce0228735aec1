"""Answers: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click
import msgspec

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def show(rows: Sequence[Any], columns: Sequence[str], *, as_json: bool, empty: str = "nothing") -> None:
    """Print rows (Structs, or tuples in the order of the columns) as a table, or as a JSON list of objects."""
    found = [row if isinstance(row, tuple) else tuple(getattr(row, column) for column in columns) for row in rows]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in found])
    elif not found:
        click.echo(empty, err=True)
    else:
        print_table(columns, found)


def print_json(value: object) -> None:
    """Print one value as JSON."""
    click.echo(json.dumps(msgspec.to_builtins(value, str_keys=True, enc_hook=str), ensure_ascii=False, indent=2))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table. Piped, it has no colours and is never cut."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for n, column in enumerate(columns):
        numbers = all(isinstance(row[n], int | float) for row in rows)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*[plain(value) for value in row])
    console = Console(highlight=False, markup=False)
    if not sys.stdout.isatty():
        console.width = 10_000
    console.print(table)


def plain(value: object) -> str:
    """A value as people read it in a cell."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
