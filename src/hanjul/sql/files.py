"""The SQL files of this package, in the order in which they are applied."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

FAMILIES = ("pgmq", "leases", "pgmq_public", "jobs", "net", "webhooks", "plans")
_FUNCTION = re.compile(r'create or replace function ([a-z_]+)\.("?[a-z_]+"?)\(')


@dataclass(frozen=True, slots=True)
class Migration:
    """One change of tables, types or indexes; applied once, never edited after a release."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """The sha256 of the text, in hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def schema(self) -> str:
        """The schema it goes with, the first word of its name: `pgmq` is left out where the extension is in charge of it."""
        return self.name.partition("_")[0]


@dataclass(frozen=True, slots=True)
class FunctionFile:
    """One family of functions; created again on every migrate."""

    family: str
    name: str
    text: str

    @property
    def schema(self) -> str:
        """The schema it goes with; one file stays within one schema. `pgmq_public` goes with `pgmq`, webhooks with `net`."""
        if self.family == "webhooks":
            return "net"
        [schema] = {found[1] for found in _FUNCTION.finditer(self.text)}
        return schema.partition("_")[0]


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations, by number; raises ValueError if a number is missing or used twice."""
    found = [_migration(file) for file in (files(__package__) / "migrations").iterdir() if file.name.endswith(".sql")]
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations must be numbered 1, 2, 3, ...: {[migration.number for migration in found]}")
    return tuple(found)


@cache
def registry() -> str:
    """The statement that makes the table of applied migrations, if it is missing."""
    return (files(__package__) / "registry.sql").read_text("utf-8")


@cache
def functions() -> tuple[FunctionFile, ...]:
    """All function files, family by family, by name within a family."""
    return tuple(
        FunctionFile(family, file.name.removesuffix(".sql"), file.read_text("utf-8"))
        for family in FAMILIES
        for file in sorted((files(__package__) / family).iterdir(), key=lambda file: file.name)
        if file.name.endswith(".sql")
    )


@cache
def functions_mark() -> str:
    """What is left in the database as the schema's comment, so that another set of functions is noticed."""
    checksum = hashlib.sha256("".join(file.text for file in functions()).encode()).hexdigest()
    return f"hanjul, functions {checksum}"


def _migration(file: Traversable) -> Migration:
    number, name = file.name.removesuffix(".sql").split("_", 1)
    return Migration(int(number), name, file.read_text("utf-8"))
