"""The headers that go out: those of the caller as text, with the values of secrets put in, and what we add."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from hanjul.model.request import Request, Secret
from hanjul.sender.credentials import is_credential
from hanjul.sender.failures import Unsendable
from hanjul.sender.guard import Guard
from hanjul.sender.urls import Target
from hanjul.webhooks import sign

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BREAKS = re.compile(r"[\r\n\0]")
_PLACEHOLDER = re.compile(r"\$\{secret:([^}]*)\}")
_OURS = frozenset({
    "connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade",
    "http2-settings", "content-length", "expect",
})  # fmt: skip
"""Of the connection, not of the request: they are libcurl's to say."""
_HARMLESS = frozenset(
    {"accept", "content-type", "content-language", "user-agent", "idempotency-key", "traceparent", "tracestate"}
)
"""What goes along to another origin, beside Accept-Language and its kin."""


@dataclass(frozen=True, slots=True)
class Header:
    """One header. private: its value is not to be shown.  secret: one of net.set_secret's is in it."""

    name: str
    value: str
    private: bool = False
    secret: bool = False

    @property
    def line(self) -> bytes:
        """For libcurl, which sends no header without a value, not even one of its own."""
        return f"{self.name}: {self.value}".encode()

    @property
    def goes_anywhere(self) -> bool:
        """Whether it goes along when a redirect leads to another origin."""
        name = self.name.lower()
        return not self.private and (name in _HARMLESS or name.startswith("accept-"))

    def __repr__(self) -> str:
        return f"Header({self.name!r}, {'***' if self.private else self.value!r})"


_OUR_USER_AGENT = Header("User-Agent", f"hanjul/{version('hanjul')}")


def headers_of(request: Request, target: Target, now_s: float, guard: Guard) -> list[Header]:
    """All headers of the request but those that libcurl adds by itself; raises Unsendable.

    now_s: seconds since 1970, for the signature.  guard: knows where a secret may go without TLS.
    """
    if not isinstance(request.headers_out or {}, Mapping):
        raise Unsendable(f"the headers must be a JSON object, not a {type(request.headers_out).__name__}")
    if not request.headers_out and request.idempotency_key is None and request.sign_with is None:
        return [_OUR_USER_AGENT]
    headers = [_header(name, value, request.secrets, target, guard) for name, value in (request.headers_out or {}).items()
               if value is not None and name.lower() not in _OURS]  # fmt: skip
    if request.sign_with is not None or any(header.secret for header in headers):
        _check_host(headers, target)
    names = {header.name.lower() for header in headers}
    if request.idempotency_key is not None and "idempotency-key" not in names:
        headers.append(_checked(Header("Idempotency-Key", request.idempotency_key)))
    if request.sign_with is not None:
        headers = [header for header in headers if not header.name.lower().startswith("webhook-")]
        headers += _signature(request, target, now_s)
    if "user-agent" not in names:
        headers.append(_OUR_USER_AGENT)
    return _one_user_agent(headers)


def _header(name: str, value: Any, secrets: Mapping[str, Secret], target: Target, guard: Guard) -> Header:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def placed(found: re.Match[str]) -> str:
        secret = _secret(found[1], secrets, target)
        if target.scheme != "https" and not guard.trusts(target.host, target.port):
            raise Unsendable(f"the secret {secret.name!r} goes over https only")
        return secret.value

    filled, places = _PLACEHOLDER.subn(placed, text)
    return _checked(Header(name, filled.strip(" \t"), private=bool(places) or is_credential(name), secret=bool(places)))


def _check_host(headers: list[Header], target: Target) -> None:
    """One address may be many hosts': a secret is for the one that the URL names."""
    for header in headers:
        if header.name.lower() == "host" and (header.secret or header.value.lower() not in _names_of(target)):
            said = "a secret" if header.secret else repr(header.value[:100])
            raise Unsendable(
                f"the header Host says {said}, but the secrets of this request are for its URL's host, {target.host}"
            )


def _names_of(target: Target) -> set[str]:
    host = target.given.lower()
    return {name for plain in {host, host.removesuffix(".")} for name in (plain, f"{plain}:{target.port}")}


def _checked(header: Header) -> Header:
    if not _TOKEN.fullmatch(header.name):
        raise Unsendable(f"the header name {header.name[:100]!r} has characters that no name may have")
    if _BREAKS.search(header.value):
        raise Unsendable(f"the value of the header {header.name} has a line break or a NUL")
    try:
        header.value.encode()
    except UnicodeEncodeError:
        raise Unsendable(f"the value of the header {header.name} has half a character (a lone surrogate)") from None
    return header


def _secret(name: str, secrets: Mapping[str, Secret], target: Target) -> Secret:
    secret = secrets.get(name)
    if secret is None:
        raise Unsendable(f"the secret {name!r} does not exist; see net.set_secret")
    if not any(_fits(target.host, host.strip().lower().removesuffix(".")) for host in secret.hosts):
        raise Unsendable(f"the secret {name!r} may not go to {target.host}; see net.set_secret")
    return secret


def _fits(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern.strip("[]")


def _signature(request: Request, target: Target, now_s: float) -> list[Header]:
    secret = _secret(str(request.sign_with), request.secrets, target)
    keys = [secret.value] if secret.former is None else [secret.value, secret.former]
    try:
        signed = sign(f"msg_{request.id}", now_s, request.payload or b"", keys)
    except ValueError as error:
        raise Unsendable(f"the secret {secret.name!r} cannot sign: {error}") from None
    return [Header(name, value, private=True) for name, value in signed.items()]


def _one_user_agent(headers: list[Header]) -> list[Header]:
    """Names in two cases are two keys of JSON; the last one counts."""
    last = [header for header in headers if header.name.lower() == "user-agent"][-1]
    return [header for header in headers if header.name.lower() != "user-agent" or header is last]
