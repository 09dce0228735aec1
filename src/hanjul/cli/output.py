"""Answers: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPED_WIDTH = 200
"""Columns of a table that goes to a file or a program."""

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
    _console().print(_table(columns, rows))


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table, or, where it is wider than the terminal (piped: than PIPED_WIDTH), a block for each row; nothing is cut."""
    console, table = _console(), _table(columns, rows)
    needed = console.measure(table, options=console.options.update(max_width=1_000_000)).maximum
    if needed <= (console.width if sys.stdout.isatty() else PIPED_WIDTH):
        console.print(table)
        return
    for number, row in enumerate(rows, 1):
        console.print(f"-[ row {number} ]-", style="bold")
        console.print(_block(columns, row))


def _console() -> "Console":
    from rich.console import Console

    console = Console(highlight=False, markup=False)
    if not sys.stdout.isatty():
        console.width = 10_000
    return console


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for n, column in enumerate(columns):
        numbers = all(isinstance(row[n], int | float) for row in rows)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*[plain(value) for value in row])
    return table


def _block(columns: Sequence[str], row: Sequence[Any]) -> "Table":
    from rich.table import Table

    block = Table.grid(padding=(0, 2))
    block.add_column(no_wrap=True)
    block.add_column(overflow="fold")
    for column, value in zip(columns, row, strict=True):
        block.add_row(column, plain(value))
    return block


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
