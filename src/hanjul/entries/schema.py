"""One JSON Schema of a file of entries, for editors; made from the models that read it."""

from typing import Any

from hanjul.entries.fields import NAME, NAMESPACE
from hanjul.entries.kinds import KINDS

_PLACEHOLDER = {"$ref": "#/$defs/placeholder"}
_SCALARS = {"string", "integer", "number", "boolean"}
_OWN_KEYS: dict[str, Any] = {"^x-": {}}


def schema() -> dict[str, Any]:
    """The schema, draft 2020-12. What concerns several entries, as references, no schema can say: `hanjul validate` does."""
    definitions: dict[str, Any] = {"placeholder": {"type": "string", "pattern": r"\$\{", "examples": ["${env:NAME|default}"]}}
    for kind, model in KINDS.items():
        made = model.model_json_schema(by_alias=True)
        definitions |= made.pop("$defs", {})
        definitions[kind] = made
        made["properties"]["name"] = {"type": "string", "pattern": f"^{NAME}$"}
        made["required"] = ["name", *made["required"]]
    for name, definition in definitions.items():
        if "properties" in definition:
            _loosen(definition, is_entry=name in KINDS)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Entries of hanjul",
        "type": "object",
        "required": ["namespace", "entries"],
        "properties": {
            "version": {"enum": ["1.0", 1.0]},
            "namespace": {"type": "string", "pattern": f"^{NAMESPACE}$"},
            "meta": {"type": "object"},
            "entries": {"type": "array", "items": _entry()},
        },
        "patternProperties": _OWN_KEYS,
        "additionalProperties": False,
        "$defs": definitions,
    }


def _entry() -> dict[str, Any]:
    cases = [
        {"if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]}, "then": {"$ref": f"#/$defs/{kind}"}}
        for kind in KINDS
    ]
    return {"type": "object", "required": ["name", "kind"], "properties": {"kind": {"enum": list(KINDS)}}, "allOf": cases}


def _loosen(block: dict[str, Any], *, is_entry: bool) -> None:
    """Let a placeholder stand for a value, nothing for a default, and keys with x- be the user's."""
    block["patternProperties"] = _OWN_KEYS
    for name, value in block["properties"].items():
        if is_entry and name in {"name", "kind", "meta"}:
            continue
        told = {word: value.pop(word) for word in ("description", "default") if word in value}
        value.pop("title", None)
        forms = [_bounded(form) for form in value.pop("anyOf", [value])]
        if not isinstance(told.get("default"), bool | int | str):  # durations are seconds there, blocks have their own
            told.pop("default", None)
        if any(form.get("type") in _SCALARS or "enum" in form or "const" in form for form in forms):
            forms.append(_PLACEHOLDER)
        if name not in block.get("required", []) and {"type": "null"} not in forms:
            forms.append({"type": "null"})
        block["properties"][name] = {**told, "anyOf": forms}


def _bounded(form: dict[str, Any]) -> dict[str, Any]:
    """Bounds by their names in JSON Schema, which pydantic forgets behind a validator."""
    names = {"ge": "minimum", "le": "maximum"}
    return {names.get(word, word): value for word, value in form.items()}
