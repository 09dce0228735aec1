"""Bodies: Python values to JSON text and back, by annotation: builtins, dataclasses, msgspec Structs, pydantic models."""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from hanjul.model.errors import BadInput, InvalidMessage


def _dumped(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no JSON form")


_encoder = msgspec.json.Encoder(enc_hook=_dumped)
_headers = msgspec.json.Decoder(dict[str, Any] | None)


def encoded(value: object) -> bytes:
    """The JSON of a body or of headers; raises InvalidMessage for what has none."""
    try:
        json = _encoder.encode(value)
        if b"null" in json:  # what msgspec makes of NaN, too
            _refuse_non_numbers(msgspec.to_builtins(value, enc_hook=_dumped, str_keys=True))
        if isinstance(value, msgspec.Raw):  # taken as it is: the only way for something to get here that is no JSON
            msgspec.json.decode(json)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidMessage(f"a message must be JSON data, a dataclass, a Struct or a pydantic model: {error}") from error
    except RecursionError as error:
        raise InvalidMessage("the message is nested too deeply, or contains itself") from error
    return json


def headers_encoded(headers: Mapping[str, Any] | None) -> bytes | None:
    """The JSON of headers, None if there are none; raises InvalidMessage for what is no JSON object."""
    if headers is None:
        return None
    if not isinstance(headers, Mapping):
        raise InvalidMessage(f"headers must be a dict of names and JSON values, not {headers!r}")
    return encoded(dict(headers))


def decoded(text: str | None, into: Any) -> Any:
    """The body as a value of type `into`; raises InvalidMessage if it does not fit. A missing body is None.

    Raises BadInput if `into` is no type that a body can be read as.
    """
    return None if text is None else reader(into)(text)


def converted(value: Any, into: Any) -> Any:
    """Plain JSON data as a value of type `into`; raises as `decoded`."""
    return value if into is Any else reader(into)(encoded(value).decode())


def reader(into: Any) -> Callable[[str], Any]:
    """What makes values of type `into` of JSON text. Raises as `decoded`."""
    try:
        return _reader(into)
    except TypeError as error:
        raise BadInput(f"into={into!r} is not a type that a message can be read as: {error}") from error


def headers_of(text: str | None) -> dict[str, Any] | None:
    """The headers of a stored message; raises InvalidMessage if they are no JSON object (other clients may send such)."""
    try:
        return None if text is None else _headers.decode(text)
    except (ValueError, msgspec.MsgspecError) as error:
        raise InvalidMessage(f"the headers are no JSON object: {error}") from error


@lru_cache(maxsize=256)
def _reader(into: Any) -> Callable[[str], Any]:
    read = (
        into.model_validate_json
        if hasattr(into, "model_validate_json")
        else msgspec.json.Decoder(into, dec_hook=_validated).decode
    )

    def body(text: str) -> Any:
        try:
            return read(text)
        except (ValueError, msgspec.MsgspecError) as error:  # pydantic's errors are ValueErrors
            raise InvalidMessage(f"the message is no {into.__name__ if isinstance(into, type) else into}: {error}") from error
        except RecursionError as error:
            raise InvalidMessage("the message is nested too deeply to be read") from error

    return body


def _validated(type_: Any, value: Any) -> Any:
    """A pydantic model inside of another type."""
    if hasattr(type_, "model_validate"):
        return type_.model_validate(value)
    raise TypeError(f"no JSON is a {type_.__name__}")


def _refuse_non_numbers(value: Any) -> None:
    """JSON has neither NaN nor infinities; raises ValueError."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not a JSON number")
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        _refuse_non_numbers(part)
