"""Bodies: Python values to JSON text and back, by annotation: builtins, dataclasses, msgspec Structs, pydantic models."""

from functools import lru_cache
from typing import Any

import msgspec

from hanjul.model.errors import InvalidMessage


def _dumped(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no JSON form")


_encoder = msgspec.json.Encoder(enc_hook=_dumped)
_headers = msgspec.json.Decoder(dict[str, Any] | None)


def encoded(value: object) -> bytes:
    """The JSON of a body or of headers; raises InvalidMessage for what has none."""
    try:
        return _encoder.encode(value)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidMessage(f"a message must be JSON data, a dataclass, a Struct or a pydantic model: {error}") from error
    except RecursionError as error:
        raise InvalidMessage("the message is nested too deeply, or contains itself") from error


def decoded(text: str | None, into: Any) -> Any:
    """The body as a value of type `into`; raises InvalidMessage if it does not fit. A missing body is None."""
    if text is None:
        return None
    try:
        if hasattr(into, "model_validate_json"):
            return into.model_validate_json(text)
        return _decoder(into).decode(text)
    except ValueError as error:  # msgspec's and pydantic's errors are ValueErrors
        raise InvalidMessage(f"the message is no {getattr(into, '__name__', into)}: {error}") from error


def headers_of(text: str | None) -> dict[str, Any] | None:
    """The headers of a stored message."""
    return None if text is None else _headers.decode(text)


@lru_cache(maxsize=256)
def _decoder(into: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(into)
