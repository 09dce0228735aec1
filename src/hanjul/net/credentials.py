"""Which headers are credentials, and how requests are shown without them."""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"

_NAMES = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "cookie2", "set-cookie2", "www-authenticate"})
_PARTS = re.compile(r"api-?key|token|secret|passw|credential|signature|session|\bauth\b|-auth-|^auth-", re.IGNORECASE)
_LOGIN = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@")
_PARAMETER = re.compile(
    r"([?&;](?:[^=&;#]*(?:key|token|secret|passw|credential|signature|session|auth|code)[^=&;#]*|sig|pwd|jwt)=)[^&;#]*",
    re.IGNORECASE,
)


def is_credential(name: str) -> bool:
    """Whether a header of this name may let somebody in.

    >>> is_credential("Authorization"), is_credential("X-Api-Key"), is_credential("Content-Type")
    (True, True, False)
    """
    name = name.strip().lower().replace("_", "-")
    return name in _NAMES or _PARTS.search(name) is not None


def redacted_headers(headers: Mapping[str, Any] | None) -> dict[str, Any]:
    """The headers with *** in place of credentials, for whoever logs or shows them.

    >>> redacted_headers({"Authorization": "Bearer abc", "Accept": "text/plain"})
    {'Authorization': '***', 'Accept': 'text/plain'}
    """
    return {name: HIDDEN if is_credential(name) else value for name, value in (headers or {}).items()}


def redacted_url(url: str) -> str:
    """The URL with *** in place of user and password, and of parameters whose names sound like credentials.

    >>> redacted_url("https://ada:pw@example.com/a?token=abc&page=2")
    'https://***@example.com/a?token=***&page=2'
    """
    return _PARAMETER.sub(rf"\g<1>{HIDDEN}", _LOGIN.sub(rf"\g<1>{HIDDEN}@", url))
