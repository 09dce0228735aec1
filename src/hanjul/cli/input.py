"""What was typed on the command line."""

from typing import Any

import msgspec

from hanjul.model.errors import InvalidMessage


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
