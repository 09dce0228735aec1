"""Names of queues: the rules of the SQL side, told before a round trip."""

import re
from functools import lru_cache

from hanjul.model.errors import InvalidQueueName

MAX_CHARACTERS = 47
MAX_BYTES = 61
"""`q_<name>` is a PostgreSQL identifier, which has at most 63 bytes."""

_FORBIDDEN = re.compile(r"\$|;|--|'|\x00")


def queue_name(name: object) -> str:
    """The name itself; raises InvalidQueueName, which says what is allowed."""
    if not isinstance(name, str) or not name:
        raise InvalidQueueName(name, f"it must be a text of 1 to {MAX_CHARACTERS} characters")
    return _checked(name)


@lru_cache(maxsize=1024)  # a sender says the same few names again and again
def _checked(name: str) -> str:
    if _FORBIDDEN.search(name):
        raise InvalidQueueName(name, "it must not contain $, ;, --, ' or NUL")
    if len(name) > MAX_CHARACTERS:
        raise InvalidQueueName(name, f"it has {len(name)} characters, the maximum is {MAX_CHARACTERS}")
    try:
        size = len(name.lower().encode())
    except UnicodeEncodeError:
        raise InvalidQueueName(name, "it must be text that UTF-8 can write") from None
    if size > MAX_BYTES:
        raise InvalidQueueName(name, f"it has {size} bytes in UTF-8, the maximum is {MAX_BYTES}")
    return name
