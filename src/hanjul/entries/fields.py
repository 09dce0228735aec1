"""The types that fields of entries have: durations with a unit, references, numbers that a placeholder may fill in."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo, WithJsonSchema, model_validator

from hanjul.entries.placeholders import Filled
from hanjul.entries.problems import shown

UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}

NAMESPACE = r"[A-Za-z_][\w-]*(\.[A-Za-z_][\w-]*)*"
NAME = r"\w[\w.-]*"
_ID = re.compile(f"({NAMESPACE}):({NAME})", re.ASCII)
_DURATION = r"(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d))+"
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")


class Model(BaseModel):
    """What all blocks share: unknown keys are errors, keys with x- are the user's own, an empty value is the default."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _given(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {
            key: value for key, value in data.items() if not key.startswith("x-") and (value is not None or key not in known(cls))
        }


def known(model: type[BaseModel]) -> list[str]:
    """The keys that a block may have."""
    return [field.alias or name for name, field in model.model_fields.items()]


@dataclass(frozen=True, slots=True)
class Later:
    """Marks a field of the contract that is not built yet: it may be given with its default, and nothing else."""

    instead: str = ""

    def __get_pydantic_json_schema__(self, core: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Editors show it."""
        return {**handler(core), "description": "Not built yet."}


@dataclass(frozen=True, slots=True)
class _Duration:
    low_s: float
    high_s: float

    def __call__(self, value: object) -> float:
        if not isinstance(value, str) or not re.fullmatch(_DURATION, value):
            raise ValueError(f"must be a duration with its unit (ms, s, m, h, d), as in 30s or 1h30m, not {shown(value)}")
        seconds = round(sum(float(number) * UNITS_S[unit] for number, unit in _PART.findall(value)), 9)
        if not self.low_s <= seconds <= self.high_s:
            raise ValueError(f"must be from {_told(self.low_s)} to {_told(self.high_s)}, not {shown(value)}")
        return float(seconds)


def _told(seconds: float) -> str:
    """A duration as one writes it: with the largest unit that leaves a whole number."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= UNITS_S[unit] and seconds % UNITS_S[unit] == 0:
            return f"{seconds / UNITS_S[unit]:.0f}{unit}"
    return f"{seconds * 1000:g}ms"


_DURATION_SCHEMA = WithJsonSchema({"type": "string", "pattern": f"^{_DURATION}$", "examples": ["30s", "1h30m"]})

Duration = Annotated[float, BeforeValidator(_Duration(0, 86_400.0)), _DURATION_SCHEMA]
"""Seconds, from 0 to a day."""
Lease = Annotated[float, BeforeValidator(_Duration(0.1, 86_400.0)), _DURATION_SCHEMA]
"""Seconds for which a message is leased."""
Deadline = Annotated[float, BeforeValidator(_Duration(0.001, 86_400.0)), _DURATION_SCHEMA]
"""Seconds that a handler may take."""
Poll = Annotated[float, BeforeValidator(_Duration(0.05, 3600.0)), _DURATION_SCHEMA]
"""Seconds between two looks."""


def _number(kind: Callable[[str], float], what: str) -> Callable[[object], object]:
    def read(value: object) -> object:
        if not isinstance(value, Filled):
            return value
        try:
            return kind(value)
        except ValueError:
            raise ValueError(f"must be {what}, not {shown(value)}") from None

    return read


def _truth(value: object) -> object:
    if not isinstance(value, Filled):
        return value
    if (truth := {"true": True, "false": False}.get(value.lower())) is None:
        raise ValueError(f"must be true or false, not {shown(value)}")
    return truth


Whole = Annotated[int, BeforeValidator(_number(int, "a whole number"))]
Number = Annotated[float, BeforeValidator(_number(float, "a number"))]
Truth = Annotated[bool, BeforeValidator(_truth)]


def full_id(value: object, namespace: str) -> str:
    """A reference as the full id that it means: in its own namespace, if it is short. Raises ValueError."""
    if isinstance(value, dict) and value.keys() == {"ns", "name"}:
        value = f"{value['ns']}:{value['name']}"
    if isinstance(value, str):
        found = value if ":" in value else f"{namespace}:{value}"
        if _ID.fullmatch(found):
            return str(found)
    raise ValueError(f"must be the id of an entry, namespace:name, or its name alone in its own namespace, not {shown(value)}")


def _reference(value: object, info: ValidationInfo) -> str:
    return full_id(value, (info.context or {}).get("namespace", ""))


def _function(value: object, info: ValidationInfo) -> str:
    if isinstance(value, str) and value.startswith("py://"):
        return str(value)
    return _reference(value, info)


_OBJECT = {
    "type": "object",
    "properties": {"ns": {"type": "string"}, "name": {"type": "string"}},
    "required": ["ns", "name"],
    "additionalProperties": False,
}
_ID_SCHEMA = {"type": "string", "pattern": f"^({NAMESPACE}:)?{NAME}$", "examples": ["app.queue:tasks", "tasks"]}
_CODE_SCHEMA = {"type": "string", "pattern": "^py://", "examples": ["py://app.orders:handle"]}

Reference = Annotated[str, BeforeValidator(_reference), WithJsonSchema({"anyOf": [_ID_SCHEMA, _OBJECT]})]
"""The id of another entry."""
FunctionReference = Annotated[str, BeforeValidator(_function), WithJsonSchema({"anyOf": [_ID_SCHEMA, _CODE_SCHEMA, _OBJECT]})]
"""The id of a function, or py://module:function."""
