"""From an entry as it is written to one that is typed: placeholders filled in, fields checked, all errors at once."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from hanjul.entries.document import Where
from hanjul.entries.fields import Later, known
from hanjul.entries.files import Written
from hanjul.entries.kinds import KINDS, UNBUILT, Entry
from hanjul.entries.placeholders import BadPlaceholder, Filled, fill
from hanjul.entries.problems import Problem, did_you_mean, shown

MAX_FILE_BYTES = 256 << 10
"""Of a file whose content a value is."""


def decoded(entry: Written, environment: Mapping[str, str], problems: list[Problem]) -> Entry | None:
    """The typed entry; None if it has problems, which are added."""
    if (model := KINDS.get(entry.kind)) is None:
        problems.append(entry.problem(("kind",), _unknown(entry.kind)))
        return None
    before = len(problems)
    data = {key: _filled(value, (key,), entry, environment, problems) for key, value in entry.data.items()}
    if len(problems) > before:
        return None
    try:
        found = model.model_validate(data, context={"namespace": entry.namespace})
    except ValidationError as error:
        problems += [problem_of(entry, model, told) for told in error.errors(include_url=False)]
        return None
    problems += later(entry, found, ())
    return found


def later(entry: Written, block: BaseModel, at: Where) -> Iterator[Problem]:
    """What the entry asks for that is not built yet."""
    for name, field in type(block).model_fields.items():
        value, key = getattr(block, name), field.alias or name
        if name in block.model_fields_set:
            mark = next((mark for mark in field.metadata if isinstance(mark, Later)), None)
            if mark is not None and value != field.get_default(call_default_factory=True) and not _is_alias(key, value):
                instead = f"; {mark.instead}" if mark.instead else ""
                yield entry.problem((*at, key), f"{key} is not built yet{instead}", at_key=True)
        if isinstance(value, BaseModel):
            yield from later(entry, value, (*at, key))


def _is_alias(key: str, value: object) -> bool:
    return key == "codec" and value == "json"


def _unknown(kind: str) -> str:
    if kind in UNBUILT:
        return f"the kind {kind} is not built yet{f'; {UNBUILT[kind]}' if UNBUILT[kind] else ''}"
    return f"unknown kind {kind!r}{did_you_mean(kind, [*KINDS, *UNBUILT])}"


def _filled(value: Any, at: Where, entry: Written, environment: Mapping[str, str], problems: list[Problem]) -> Any:
    """The value, with the placeholders of all its texts filled in, and files in place of file://."""
    if isinstance(value, dict):
        return {key: _filled(one, (*at, key), entry, environment, problems) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, (*at, n), entry, environment, problems) for n, one in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        text = fill(value, environment)
        if text.startswith("file://") and not (at == ("source",) and entry.kind.startswith("function.")):
            return _content(text, entry)
    except BadPlaceholder as error:
        problems.append(entry.problem(at, str(error)))
        return value
    return text


def _content(text: str, entry: Written) -> str:
    path = inside(text, entry)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise BadPlaceholder(f"{shown(text)} is longer than {MAX_FILE_BYTES:,} bytes")
        return Filled.of(content.decode(), text)
    except OSError as error:
        raise BadPlaceholder(f"{shown(text)} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadPlaceholder(f"{shown(text)} is not UTF-8") from None


def inside(text: str, entry: Written) -> Path:
    """The file that file://... names, from the directory of its YAML; raises BadPlaceholder where that is outside the root."""
    try:
        path = (entry.document.path.parent / text.removeprefix("file://")).resolve()
    except (OSError, ValueError) as error:
        raise BadPlaceholder(f"{shown(text)} names no file: {error}") from None
    if not path.is_relative_to(entry.document.root):
        raise BadPlaceholder(f"{shown(text)} is outside {entry.document.root}, the directory of the entries")
    return path


_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def problem_of(entry: Written, model: type[BaseModel], told: Any, base: Where = ()) -> Problem:
    """What pydantic tells of a block that stands at `base`, in our words."""
    at: Where = (*base, *told["loc"])
    field = at[-1] if at else entry.kind
    if isinstance(field, int):
        field = f"{at[-2]}[{field}]"
    given, limits = shown(told["input"]), told.get("ctx", {})
    match told["type"]:
        case "missing":
            return entry.problem(at[:-1], f"{entry.kind} needs {'.'.join(map(str, at))}", at_key=True)
        case "extra_forbidden":
            allowed = [key for key in known(_block(model, tuple(told["loc"][:-1]))) if key != "kind"]
            return entry.problem(at, f"unknown key {field!r}{did_you_mean(field, allowed)}", at_key=True)
        case "greater_than_equal":
            message = f"must be at least {limits['ge']}, not {given}"
        case "less_than_equal":
            message = f"must be at most {limits['le']}, not {given}"
        case "literal_error":
            message = f"must be {limits['expected']}, not {given}"
        case "string_too_short":
            message = "must not be empty"
        case "value_error":
            message = str(limits["error"])
        case kind:
            message = f"must be {_TYPES[kind]}, not {given}" if kind in _TYPES else f"is not allowed: {told['msg']}"
    return entry.problem(at, f"{field} {message}")


def _block(model: type[BaseModel], at: Where) -> type[BaseModel]:
    """The model of the block at this way below another."""
    for step in at:
        field = next((field for name, field in model.model_fields.items() if (field.alias or name) == step), None)
        parts = () if field is None else (field.annotation, *getattr(field.annotation, "__args__", ()))
        model = next((part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)), model)
    return model
