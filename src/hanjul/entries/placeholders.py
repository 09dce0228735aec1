"""`${env:NAME}`, `${env:NAME|default}`, `${NAME|default}`: filled in when an entry is decoded, never stored or shown."""

import re
from collections.abc import Mapping
from typing import Self

_PLACEHOLDER = re.compile(r"\$\$\{|\$\{(?:(?P<env>env:)?(?P<name>[^{}|]*)(?P<default>\|[^{}]*)?\}|(?P<open>))")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_UPPER = re.compile(r"[A-Z][A-Z0-9_]*")


class BadPlaceholder(Exception):
    """A placeholder that cannot be filled in; the text says why."""


class Filled(str):
    """Text that came out of placeholders.  told: the text as it stands in the file, which is all that errors may show."""

    __slots__ = ("told",)
    told: str

    @classmethod
    def of(cls, text: str, told: str) -> Self:
        """The text, and what it was made of."""
        made = cls(text)
        made.told = told
        return made


def fill(text: str, environment: Mapping[str, str]) -> str:
    """The text with its placeholders filled in; Filled, if there were any. Raises BadPlaceholder."""
    if "${" not in text:
        return text
    was_filled = False

    def value(found: "re.Match[str]") -> str:
        nonlocal was_filled
        if found[0] == "$${":
            return "${"
        was_filled = True
        return _value(found, environment)

    result = _PLACEHOLDER.sub(value, text)
    return Filled.of(result, text) if was_filled else result


def _value(found: "re.Match[str]", environment: Mapping[str, str]) -> str:
    if found["open"] is not None:
        raise BadPlaceholder("a placeholder is not closed: write ${env:NAME}, or $${ for the characters themselves")
    name, default = found["name"], found["default"]
    if found["env"] is None and (default is None or not _UPPER.fullmatch(name)):
        raise BadPlaceholder(f"{found[0]} is no placeholder: write ${{env:NAME}}, ${{env:NAME|default}} or ${{NAME|default}}")
    if not _NAME.fullmatch(name):
        raise BadPlaceholder(f"{found[0]}: {name!r} is not the name of a variable")
    if (value := environment.get(name)) is not None:
        return value
    if default is None:
        raise BadPlaceholder(f"the variable {name} is not set; set it, or give a default: ${{env:{name}|default}}")
    return default[1:]
