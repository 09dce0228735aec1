"""The messages of the torture: each has a key of its own, and a checksum of everything that was sent."""

import json
import random
import zlib
from typing import Any

GROUP_HEADER = "x-pgmq-group"
TEXTS = ("plain", "한줄 🐘", 'quote " and \\ back', "tab\tand\nline", "é́ combining", "")


def body_of(key: str, rng: random.Random, **more: Any) -> dict[str, Any]:
    """A body with something in it that a careless copy would change."""
    odd = {"big": 2**60 + rng.randrange(1000), "none": None, "list": [True, [], {}, -0.5], "text": rng.choice(TEXTS)}
    return {"key": key, "pad": "x" * rng.randrange(200), "odd": odd, **more}


def headers_of(rng: random.Random, group: str | None) -> dict[str, Any] | None:
    """Headers, mostly; always if there is a group to name."""
    if group is None and rng.random() < 0.3:
        return None
    named = {} if group is None else {GROUP_HEADER: group}
    return {"x-trace": f"{rng.getrandbits(64):x}", "x-unknown": {"deep": [1, "двa"]}, **named}


def checksum(body: Any, headers: Any) -> int:
    """Of what JSON calls the same, the same number."""
    return zlib.crc32(json.dumps([body, headers], sort_keys=True).encode())


def key_of(body: Any) -> str | None:
    """The key of a body; None if it is not one of ours."""
    key = body.get("key") if isinstance(body, dict) else None
    return key if isinstance(key, str) else None
