"""What the tests of the sender share: requests, as a claim makes them, and senders that may reach this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

from hanjul.model.request import Answer, Request, Secret
from hanjul.sender.limits import SenderLimits
from hanjul.sender.sender import Sender

LOCAL = ("127.0.0.0/8", "::1")
_ids = count(1)


def request(url: str, method: str = "GET", **fields: Any) -> Request:
    """A first attempt, without a policy, within 5 s, unless the fields say otherwise."""
    given: dict[str, Any] = {
        "attempt": 1, "fence": 1, "max_attempts": 1, "method": method, "url": url, "headers_out": None, "payload": None,
        "timeout_ms": 5000, "created_at": datetime.now(UTC), "lease_until": 0.0,
    }  # fmt: skip
    return Request(next(_ids), **given | fields)


def secret(name: str, value: str, *hosts: str, former: str | None = None) -> dict[str, Secret]:
    """Secrets, of which there is one."""
    return {name: Secret(name, value, former, hosts or ("127.0.0.1",))}


@asynccontextmanager
async def sender(**limits: Any) -> AsyncIterator[Sender]:
    """An open sender, which may reach this machine unless http_allow says otherwise."""
    sender = Sender(SenderLimits(**{"http_allow": LOCAL} | limits))
    await sender.open()
    try:
        yield sender
    finally:
        await sender.close()


async def answer_to(sender: Sender, request: Request) -> Answer:
    """Send it; what came of it, which must be something."""
    await sender.send(request)
    assert request.answer is not None
    return request.answer


async def got(request: Request, **limits: Any) -> Answer:
    """The same, with a sender of its own."""
    async with sender(**limits) as own:
        return await answer_to(own, request)
