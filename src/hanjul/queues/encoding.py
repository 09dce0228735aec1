"""What is sent, as JSON: bodies and headers, each within a limit of size."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hanjul.model.errors import BadInput, MessageTooLarge
from hanjul.model.payload import encoded, headers_encoded

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a client writes its messages.  max_message_bytes: of a body, and of its headers, as JSON."""

    max_message_bytes: int

    def body(self, message: object) -> bytes:
        """The body; raises InvalidMessage, MessageTooLarge."""
        return self._measured(encoded(message))

    def head(self, headers: Mapping[str, Any] | None) -> bytes | None:
        """The headers, None if there are none; raises as `body`."""
        json = headers_encoded(headers)
        return None if json is None else self._measured(json)

    def batch(
        self, messages: Iterable[object], headers: Iterable[Mapping[str, Any] | None] | None
    ) -> tuple[list[bytes], list[bytes | None]]:
        """Bodies and as many headers; raises BadInput if there is nothing, or not as many of both."""
        bodies = [self.body(message) for message in listed("messages", messages)]
        heads: list[bytes | None] = [None] * len(bodies)
        if headers is not None:
            heads = [self.head(head) for head in listed("headers", headers)]
        if not bodies or len(heads) != len(bodies):
            raise BadInput(f"a batch needs messages, and as many headers if any: not {len(bodies)} and {len(heads)}")
        return bodies, heads

    def _measured(self, json: bytes) -> bytes:
        if len(json) > self.max_message_bytes:
            raise MessageTooLarge(len(json), self.max_message_bytes)
        return json


def listed(name: str, values: Iterable[T]) -> Sequence[T]:
    """The values as a list; raises BadInput for a text or a mapping, which would be taken apart."""
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise BadInput(f"{name} must be a list, not {values!r}")
    return [*values]
