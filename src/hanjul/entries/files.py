"""Which files hold entries, and what each says: single or batch, its namespace, what all its entries share."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hanjul.entries.document import MAX_BYTES, Document, Unreadable, Where, read
from hanjul.entries.fields import NAME, NAMESPACE
from hanjul.entries.problems import Place, Problem, did_you_mean, problem, shown
from hanjul.model.errors import InvalidSettings

SUFFIXES = {".yaml", ".yml", ".json"}
_SKIPPED = {"node_modules", "__pycache__"}
_BATCH = ["entries", "meta", "namespace", "version"]
_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class Written:
    """One entry as it is written.  where: the way to it in its document.  fields: to its own data, below that."""

    id: str
    namespace: str
    document: Document
    where: Where
    at: Where
    data: dict[str, Any]

    @property
    def kind(self) -> str:
        """What it says it is."""
        return str(self.data["kind"])

    def problem(self, within: Where, message: str, *, at_key: bool = False) -> Problem:
        """A problem of one of its fields."""
        base = self.where if within[:1] in {("name",), ("id",), ("kind",), ("meta",)} else self.at
        if not within:
            name = "name" if (*self.where, "name") in self.document.keys else "id"
            return self.document.problem((*self.where, name), message, entry=self.id)
        return self.document.problem((*base, *within), message, at_key=at_key, entry=self.id)


def documents(targets: Sequence[Path], problems: list[Problem]) -> Iterator[Document]:
    """Every file of the targets that has a namespace; what cannot be read becomes a problem."""
    for target in targets:
        if not target.exists():
            raise InvalidSettings(f"{target}: no such file or directory")
        root = target if target.is_dir() else target.parent
        for path in _files(target):
            try:
                text = _text(path)
                if text is None:
                    continue
                document = read(path, str(path), root.resolve(), text)
            except Unreadable as error:
                problems.append(problem(str(path), _lines(path), error.place, error.message))
            else:
                if _is_ours(document):
                    yield document


def _files(target: Path) -> Iterator[Path]:
    if target.is_file():
        yield target
        return
    for folder, folders, names in os.walk(target):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED)
        yield from (Path(folder, name) for name in sorted(names) if Path(name).suffix in SUFFIXES)


def _text(path: Path) -> str | None:
    """What the file holds; None if it cannot be one of ours, because it never says namespace."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise Unreadable(f"the file cannot be read: {error.strerror}", Place(1, 1)) from None
    if b"namespace" not in raw:
        return None
    if len(raw) > MAX_BYTES:
        raise Unreadable(f"the file is longer than {MAX_BYTES:,} bytes", Place(1, 1))
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise Unreadable("the file is not UTF-8", Place(line, error.start - raw.rfind(b"\n", 0, error.start))) from None


def _lines(path: Path) -> str:
    """The text for an excerpt, of whatever can be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES).decode("utf-8-sig", "replace")
    except OSError:
        return ""


def _is_ours(document: Document) -> bool:
    value = document.value
    return isinstance(value, dict) and isinstance(value.get("namespace"), str) and bool(value["namespace"].strip())


def written(document: Document, problems: list[Problem]) -> Iterator[Written]:
    """The entries of a file; what has no usable name or kind becomes a problem."""
    top = document.value
    namespace = top["namespace"]
    if not re.fullmatch(NAMESPACE, namespace, re.ASCII):
        message = f"namespace must be words with dots between, as in app.queue, not {shown(namespace)}"
        problems.append(document.problem(("namespace",), message))
        return
    if str(top.get("version", _VERSION)) != _VERSION:
        problems.append(document.problem(("version",), f"version must be {_VERSION!r}, not {shown(top['version'])}"))
    shared = top.get("meta") or {}
    if not isinstance(shared, dict):
        problems.append(document.problem(("meta",), f"meta must be a mapping, not {shown(shared)}"))
        shared = {}
    for where, raw in _raw(document, problems):
        if (entry := _written(document, namespace, shared, where, raw, problems)) is not None:
            yield entry


def _raw(document: Document, problems: list[Problem]) -> Iterator[tuple[Where, Any]]:
    top = document.value
    if "entries" not in top:
        if "kind" in top and ("name" in top or "id" in top):
            yield (), {key: value for key, value in top.items() if key not in {"namespace", "version"}}
        else:
            problems.append(
                document.problem(("namespace",), "the file has a namespace, but neither entries: nor name: and kind:")
            )
        return
    for key in top:
        if key not in _BATCH and not key.startswith("x-"):
            message = f"unknown key {key!r} beside entries{did_you_mean(key, _BATCH)}"
            problems.append(document.problem((key,), message, at_key=True))
    entries = top["entries"]
    if not isinstance(entries, list):
        problems.append(document.problem(("entries",), f"entries must be a list, not {shown(entries)}"))
        return
    for n, raw in enumerate(entries):
        yield ("entries", n), raw


def _written(
    document: Document, namespace: str, shared: dict[str, Any], where: Where, raw: Any, problems: list[Problem]
) -> Written | None:
    def refuse(within: Where, message: str) -> None:
        problems.append(document.problem((*where, *within), message))

    if not isinstance(raw, dict):
        refuse((), f"an entry must be a mapping with name: and kind:, not {shown(raw)}")
        return None
    name, kind = raw.get("name", raw.get("id")), raw.get("kind")
    if "id" in raw and isinstance(name, str):
        prefix, _, rest = name.rpartition(":")
        if "name" in raw or prefix not in {"", namespace}:
            refuse(("id",), f"id is the older word for name: give one, in the namespace of the file, {namespace}")
            return None
        name = rest
    for field, value, pattern in (("name", name, NAME), ("kind", kind, r"\S+")):
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.ASCII):
            wrong = "is missing" if value is None else f"is not {shown(value)}: letters, digits, _, - and ."
            refuse((field,), f"the {field} of an entry {wrong}")
            return None
    data = {key: value for key, value in raw.items() if key not in {"name", "id", "meta", "data"}}
    at = where
    if "data" in raw:
        at = (*where, "data")
        if not isinstance(raw["data"], dict) or data.keys() - {"kind"}:
            refuse(("data",), "data: is a mapping that holds all fields of the entry; beside it are only name, kind and meta")
            return None
        data = {**raw["data"], "kind": kind}
    meta = raw.get("meta") or {}
    data["meta"] = {**shared, **meta} if isinstance(meta, dict) else meta
    return Written(f"{namespace}:{name}", namespace, document, where, at, data)
