"""Redirects, followed one hop at a time: each is a request of its own, to the guard and to libcurl."""

from dataclasses import dataclass

from hanjul.sender.headers import Header
from hanjul.sender.urls import Target, target

_FOLLOWED = frozenset({300, 301, 302, 303, 307, 308})
_SEE_OTHER = 303
_KEEP_THE_METHOD = frozenset({300, 307, 308})
_BECOME_GET = frozenset({"POST", "PUT", "PATCH", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Sending:
    """What is to be sent to one place. body: None: none."""

    method: str
    target: Target
    headers: tuple[Header, ...]
    body: bytes | None


def leads_on(status: int, location: str | None) -> bool:
    """Whether an answer is a redirect that can be followed."""
    return bool(location) and status in _FOLLOWED


def followed(sending: Sending, status: int, location: str) -> Sending:
    """What is to be sent where the redirect leads; raises Unsendable.

    location: absolute. As browsers do: POST becomes GET by 301 and 302, everything but DELETE and HEAD by 303; 307 and 308
    keep method and body. To another origin goes what is known to be harmless; a name does not tell what may let somebody in.
    """
    place = target(location)
    headers, method, body = sending.headers, sending.method, sending.body
    if not place.is_of_the_origin_of(sending.target):
        headers = tuple(header for header in headers if header.goes_anywhere)
    elif place.userinfo is None and sending.target.userinfo is not None:
        place = place.with_login_of(sending.target)
    if status not in _KEEP_THE_METHOD and (method == "POST" or (status == _SEE_OTHER and method in _BECOME_GET)):
        method, body = "GET", None
    elif status == _SEE_OTHER:
        body = None
    return Sending(method, place, headers, body)
