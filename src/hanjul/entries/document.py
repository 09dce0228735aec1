"""YAML as plain data, with the place of every value; what could hurt is refused while it is read.

Refused: tags (they make objects), keys that come twice, merge keys, a second document, and what is too big, too deep, or
grows too large by its aliases. The reader goes over events, so a bomb is seen before anything is built of it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hanjul.entries.problems import Place, Problem, problem

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_VALUES = 20_000

Where = tuple[str | int, ...]
"""The way to a value: keys and indexes, from the top."""


class Unreadable(Exception):
    """The text is no YAML that we take; why, and at which place."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.message, self.place = message, place


@dataclass(frozen=True, slots=True)
class Document:
    """One file.  name: as errors call it.  root: the directory that it must not reach out of."""

    path: Path
    name: str
    root: Path
    text: str
    value: Any
    values: dict[Where, Place]
    keys: dict[Where, Place]

    def problem(self, where: Where, message: str, *, at_key: bool = False, entry: str | None = None) -> Problem:
        """A problem at a value, or at its key; at the nearest value around it, where there is none."""
        place = self.keys.get(where) if at_key else None
        while place is None:
            place, where = self.values.get(where, Place(1, 1) if not where else None), where[:-1]
        return problem(self.name, self.text, place, message, entry)


def read(path: Path, name: str, root: Path, text: str) -> Document:
    """The document in the text; raises Unreadable."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise Unreadable(f"the file is longer than {MAX_BYTES:,} bytes", Place(1, 1))
    try:
        reader = _Reader(text.replace("\t", " ") if path.suffix == ".json" else text)
        value = reader.document()
    except yaml.MarkedYAMLError as error:
        raise Unreadable(_told(error, text), _place(error.problem_mark or error.context_mark)) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position].splitlines() or [""]
        raise Unreadable(f"it is no YAML: {error.reason}", Place(len(before), len(before[-1]) + 1)) from None
    return Document(path, name, root, text, value, reader.values, reader.keys)


@dataclass(slots=True)
class _Anchored:
    value: Any
    size: int


@dataclass(slots=True)
class _Reader:
    text: str
    values: dict[Where, Place] = field(default_factory=dict)
    keys: dict[Where, Place] = field(default_factory=dict)
    _loader: Any = None
    _anchors: dict[str, _Anchored] = field(default_factory=dict)
    _size: int = 0

    def __post_init__(self) -> None:
        self._loader = yaml.SafeLoader(self.text)

    def document(self) -> Any:
        self._loader.get_event()  # the stream starts
        if self._loader.check_event(yaml.StreamEndEvent):
            return None
        self._loader.get_event()  # the document starts
        value = self._value(())
        self._loader.get_event()  # the document ends
        if not self._loader.check_event(yaml.StreamEndEvent):
            raise Unreadable("a file holds one document; put what follows --- into a file of its own", self._here())
        return value

    def _here(self) -> Place:
        return _place(self._loader.peek_event().start_mark)

    def _value(self, where: Where) -> Any:
        place = self.values[where] = self._here()
        event = self._loader.get_event()
        before = self._size
        self._grow(1, place)
        if len(where) > MAX_DEPTH:
            raise Unreadable(f"values are nested more than {MAX_DEPTH} deep", place)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, place)
        _refuse_tag(event, place)
        value: Any
        if isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(where)
        elif isinstance(event, yaml.MappingStartEvent):
            value = self._mapping(where)
        else:
            value = self._scalar(event, place)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(value, self._size - before)
        return value

    def _grow(self, by: int, place: Place) -> None:
        self._size += by
        if self._size > MAX_VALUES:
            raise Unreadable(f"the file holds more than {MAX_VALUES:,} values, aliases counted in full", place)

    def _alias(self, event: Any, place: Place) -> Any:
        if (anchored := self._anchors.get(event.anchor)) is None:
            raise Unreadable(f"*{event.anchor} is not defined above, or holds itself", place)
        self._grow(anchored.size, place)
        return anchored.value

    def _sequence(self, where: Where) -> list[Any]:
        items: list[Any] = []
        while not self._loader.check_event(yaml.SequenceEndEvent):
            items.append(self._value((*where, len(items))))
        self._loader.get_event()
        return items

    def _mapping(self, where: Where) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not self._loader.check_event(yaml.MappingEndEvent):
            key = self._key(found, where)
            found[key] = self._value((*where, key))
        self._loader.get_event()
        return found

    def _key(self, found: dict[str, Any], where: Where) -> str:
        place = self._here()
        event = self._loader.get_event()
        if not isinstance(event, yaml.ScalarEvent):
            raise Unreadable("a key must be plain text", place)
        _refuse_tag(event, place)
        key = str(event.value)
        if key == "<<" and event.implicit[0]:
            raise Unreadable("merge keys (<<) are not supported; write the fields out", place)
        if key in found:
            raise Unreadable(f"{key} is given twice; first in line {self.keys[*where, key].line}", place)
        self.keys[*where, key] = place
        return key

    def _scalar(self, event: Any, place: Place) -> Any:
        node = yaml.ScalarNode(self._loader.resolve(yaml.ScalarNode, event.value, event.implicit), event.value)
        kind = node.tag.rpartition(":")[2]
        if kind not in {"null", "bool", "int", "float"}:
            return _paired(event.value)
        try:
            return self._loader.construct_object(node)
        except (ValueError, yaml.YAMLError):
            raise Unreadable("this number cannot be read", place) from None


def _refuse_tag(event: Any, place: Place) -> None:
    if event.tag is not None:
        tag = event.tag.replace("tag:yaml.org,2002:", "!!")
        raise Unreadable(f"the tag {tag} is not allowed: entries are plain data", place)


def _paired(text: str) -> str:
    """JSON writes letters beyond the first 65,536 as two escapes, which are one letter."""
    if text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _place(mark: Any) -> Place:
    return Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)


def _told(error: yaml.MarkedYAMLError, text: str) -> str:
    place = _place(error.problem_mark or error.context_mark)
    lines = text.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    hint = '; inside {...} put a placeholder in quotes: "${env:NAME}"' if "${" in line and "{" in line.replace("${", "") else ""
    return f"it is no YAML: {' '.join(part for part in (error.context, error.problem) if part)}{hint}"
