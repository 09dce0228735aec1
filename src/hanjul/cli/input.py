"""What was typed on the command line."""

from collections.abc import Sequence
from typing import Any

import msgspec

from hanjul.model.errors import BadInput, InvalidMessage


def json_value(what: str, text: str) -> Any:
    """The value of a JSON text; raises InvalidMessage, which tells how to quote it."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise InvalidMessage(f'{what} {text!r} is not JSON ({error}); quote it for the shell: \'{{"to": "ada"}}\'') from None


def json_text(what: str, text: str) -> msgspec.Raw:
    """The text itself, known to be JSON: what was typed is what is sent, to the last digit."""
    json_value(what, text)
    return msgspec.Raw(text.encode())


def pairs(option: str, given: Sequence[str], separator: str) -> dict[str, str]:
    """What a repeatable option like `-H 'NAME: VALUE'` was given; raises BadInput, which names the option."""
    found = {}
    for one in given:
        name, between, value = one.partition(separator)
        if not between or not name.strip():
            raise BadInput(f"{option} {one!r}: it takes NAME{separator}{' ' if separator == ':' else ''}VALUE")
        found[name.strip()] = value.strip() if separator == ":" else value
    return found
