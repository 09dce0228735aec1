"""Which headers are credentials. How requests are shown without them, is PostgreSQL's to say: sql/net/credentials.sql."""

import re

_NAMES = re.compile(
    r"(^|[-_\s])auth(orization)?([-_\s]|$)|cookie|token|secret|signature|passw|credential|(api|access|private)[-_]?key|session"
    r"|^\s*(key|sig|jwt|pw|pwd)\s*$",
    re.IGNORECASE,
)
"""The same as in net.is_credential."""


def is_credential(name: str) -> bool:
    """Whether a header of this name may let somebody in.

    >>> is_credential("Authorization"), is_credential("X-Api-Key"), is_credential("Content-Type")
    (True, True, False)
    """
    return _NAMES.search(name) is not None
