"""Signatures of webhooks, by Standard Webhooks 1.0.0: to make them, and for receivers to verify them.

from hanjul import webhooks

webhooks.verify(await request.body(), request.headers, "whsec_...")    # raises InvalidSignature
"""

import base64
import binascii
import hmac
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256

from hanjul.model.errors import BadInput, InvalidSignature

__all__ = ["InvalidSignature", "sign", "verify"]

_PREFIX = "whsec_"
_MOST_SIGNATURES = 50


def sign(msg_id: str, timestamp: float, payload: bytes | str, secret: str | Sequence[str]) -> dict[str, str]:
    """The headers that a receiver verifies: webhook-id, webhook-timestamp, webhook-signature.

    msg_id: the same for every attempt.  timestamp: of this attempt, in seconds since 1970.
    secret: `whsec_` and base64; several, and each signs: while one replaces the other.  Raises BadInput.
    """
    second = str(int(timestamp))
    if "." in msg_id or not msg_id.isascii() or not msg_id.isprintable() or not msg_id:
        raise BadInput(f"the id of a signed message is printable ASCII without a dot, not {msg_id!r}")
    signatures = [_signature(key, msg_id, second, _bytes(payload)) for key in _keys(secret)]
    return {"webhook-id": msg_id, "webhook-timestamp": second, "webhook-signature": " ".join(f"v1,{text}" for text in signatures)}


def verify(
    payload: bytes | str,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    tolerance_s: float = 300,
    *,
    now_s: float | None = None,
) -> None:
    """Return if one of the secrets signed this payload within tolerance_s of now; else raise InvalidSignature, which says why.

    payload: the body as received, before anything parsed it.  headers: names in any case.
    secret: `whsec_...`; several, while they are rotated.  now_s: seconds since 1970; None: the clock.
    Compares in constant time. Whoever acts on a message once only keeps its webhook-id, which every attempt repeats.
    Raises BadInput for a secret that is none.
    """
    keys = _keys(secret)
    given = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in ("webhook-id", "webhook-timestamp", "webhook-signature") if not given.get(name)]
    if missing:
        raise InvalidSignature(f"the header {missing[0]} is missing")
    msg_id, second = given["webhook-id"], given["webhook-timestamp"]
    _check_time(second, time.time() if now_s is None else now_s, tolerance_s)
    signatures = [
        text.removeprefix("v1,").encode(errors="replace")
        for text in given["webhook-signature"].split(" ")
        if text.startswith("v1,")
    ]
    if not signatures:
        raise InvalidSignature("webhook-signature has no signature of version v1")
    if len(signatures) > _MOST_SIGNATURES:
        raise InvalidSignature(f"webhook-signature has more than {_MOST_SIGNATURES} signatures")
    body, matches = _bytes(payload), False
    for key in keys:
        expected = _signature(key, msg_id, second, body).encode()
        for signature in signatures:
            matches |= hmac.compare_digest(expected, signature)
    if not matches:
        raise InvalidSignature("no signature is of this body, id, timestamp and secret")


def _check_time(second: str, now_s: float, tolerance_s: float) -> None:
    if not (second.isascii() and second.isdecimal() and len(second) < 16):
        raise InvalidSignature(f"webhook-timestamp is no number of seconds: {second[:40]!r}")
    age_s = now_s - int(second)
    if abs(age_s) > tolerance_s:
        when = f"{age_s:.0f} s old" if age_s > 0 else f"{-age_s:.0f} s in the future"
        raise InvalidSignature(f"webhook-timestamp is {when}; {tolerance_s:g} s are allowed")


def _signature(key: bytes, msg_id: str, second: str, body: bytes) -> str:
    signed = hmac.new(key, f"{msg_id}.{second}.".encode(errors="replace"), sha256)
    signed.update(body)  # not joined to what is before it: it may be large
    return base64.b64encode(signed.digest()).decode()


def _bytes(payload: bytes | str) -> bytes:
    return payload.encode() if isinstance(payload, str) else payload


def _keys(secret: str | Sequence[str]) -> list[bytes]:
    secrets = [secret] if isinstance(secret, str) else list(secret)
    if not secrets:
        raise BadInput("a signature needs at least one secret")
    return [_key(text) for text in secrets]


def _key(secret: str) -> bytes:
    """The bytes of a secret, never shown: not even in errors."""
    text = secret.removeprefix(_PREFIX)
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadInput("a secret that signs is `whsec_` and base64; this one is not") from None
    if not 16 <= len(key) <= 128:  # the standard asks for 24 to 64; there are older and other ones
        raise BadInput(f"a secret that signs has 24 to 64 bytes; this one has {len(key)}")
    return key
