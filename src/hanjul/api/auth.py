"""Who may: whoever knows a token, or whom the application itself lets in."""

import hmac
from collections.abc import Callable
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from hanjul.config import settings
from hanjul.model.errors import InvalidSettings

MIN_TOKEN = 16
"""The shortest token that nobody guesses."""

Dependency = Callable[..., Any]

_bearer = HTTPBearer(auto_error=False, description="The token of HANJUL_API_TOKEN.")


def anybody() -> None:
    """The dependency that lets everybody in, for APIs that something else protects: `auth=hanjul.api.anybody`."""


def guard(auth: str | Dependency | None) -> Dependency:
    """The dependency that lets in whom `auth` says: who knows the token, or passes the dependency; None: HANJUL_API_TOKEN.

    Raises InvalidSettings if there is none, rather than let everybody in.
    """
    if auth is None:
        auth = settings().api_token
    if auth is None:
        raise InvalidSettings(
            "the status API needs somebody to let in: set HANJUL_API_TOKEN, or give auth=, a token or a FastAPI dependency "
            "of yours; auth=hanjul.api.anybody lets everybody in"
        )
    return _token_guard(auth) if isinstance(auth, str) else auth


def _token_guard(text: str) -> Dependency:
    """Commas separate tokens: the next is let in while the last one still is."""
    tokens = [token.strip() for token in text.split(",") if token.strip()]
    if not tokens or min(map(len, tokens)) < MIN_TOKEN:
        raise InvalidSettings(f"a token of the status API (HANJUL_API_TOKEN) needs {MIN_TOKEN} or more characters")
    known = [_digest(token) for token in tokens]

    def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> None:
        digest = _digest(given.credentials if given else "")
        matching = [hmac.compare_digest(digest, one) for one in known]  # of all: which one it is, is not to be timed
        if not any(matching):
            raise HTTPException(401, "a token is needed: Authorization: Bearer ...", {"WWW-Authenticate": "Bearer"})

    return check


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogateescape")).digest()
