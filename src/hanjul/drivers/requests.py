"""HTTP requests of schema net as one more source of the loop."""

import asyncio
import base64
import logging
import re
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any
from weakref import WeakSet

import msgspec

from hanjul.drivers import request_calls
from hanjul.drivers.commits import parts, settled_s
from hanjul.drivers.postgres import PostgresDriver, answer_s, storable
from hanjul.model.delivery import Delivery
from hanjul.model.driver import Capabilities, Refusal, Settlement, Support
from hanjul.model.errors import BadInput, HanjulError, InvalidSettings
from hanjul.model.outcome import Ack, Nack, Reject, Release
from hanjul.model.request import Answer, Request, Secret
from hanjul.postgres.alone import AloneConnection

_log = logging.getLogger("hanjul.http")

CAPABILITIES = Capabilities(
    delay=Support.NATIVE,
    release=Support.NATIVE,
    dead_letter=Support.NATIVE,
    transaction=Support.NONE,
    durable=Support.NATIVE,
    ordered=Support.NATIVE,
    topics=Support.NONE,
)

LINE = "http requests"
"""What those who enqueue call us when they wake us."""
SECRETS_S = 5.0
"""How long a secret is taken for what it was: so long after a rotation the new one signs."""
LARGE_BYTES = 1 << 18
HELD_BYTES = 64 << 20
"""Bodies of LARGE_BYTES and more that a sender holds before it fetches no more, beside what one claim hands out."""
LOOK_S = 0.5
"""How often it looks whether it holds less."""
TICK_S = 1.0
"""The pause of pg_net between two batches, where batch_size is set."""

_PLACEHOLDER = re.compile(r"\$\{secret:([^}]*)\}")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class RequestSource:
    """What a sender gets.

    batch_size: None, or how many requests a second are handed out, as pg_net does; may be changed while it runs.
    """

    capabilities = CAPABILITIES
    queue = LINE

    def __init__(self, driver: PostgresDriver) -> None:
        self.batch_size: int | None = None
        self._driver, self._database = driver, driver.database
        self._secrets: dict[str, tuple[float, Secret]] = {}
        self._next_tick = 0.0
        self._anew = False
        self._large: WeakSet[Request] = WeakSet()

    async def open(self) -> None:
        """Raises SchemaMismatch, PermissionDenied, Unavailable."""
        await self.look_at_settings()
        await self.fetch(0, 30.0)  # leases nothing, and fails as the first real one would
        await self._driver.wakeups.open()

    async def look_at_settings(self) -> None:
        """Take over what net.set_config has changed."""
        [self.batch_size] = await self._database.rows(request_calls.sender_settings())

    async def fetch(self, limit: int, lease_s: float) -> list[Delivery[Any]]:
        """Lease up to `limit` due requests. Their lease is counted from before the question was sent."""
        if self.batch_size is not None and limit:
            if time.monotonic() < self._next_tick:
                return []
            limit = min(limit, self.batch_size)
        if self._is_full:
            return []
        lease_until = time.monotonic() + lease_s

        def row(
            request_id: int, claims: int, attempts: int, max_attempts: int, method: str, url: str, headers: str | None,
            body: bytes | None, timeout_ms: int, created: datetime, retry: str | None, ordering_key: str | None,
            idempotency_key: str | None, sign_with: str | None, webhook: str | None, options: str | None, enqueued_by: str,
        ) -> Request:  # fmt: skip
            return Request(
                request_id, attempt=attempts + 1, fence=claims, max_attempts=max_attempts, method=method.upper(), url=url,
                headers_out=_object(headers), payload=body, timeout_ms=timeout_ms, created_at=created, lease_until=lease_until,
                retry=_object(retry), ordering_key=ordering_key, idempotency_key=idempotency_key, sign_with=sign_with,
                webhook=webhook, options=_object(options), enqueued_by=enqueued_by,
            )  # fmt: skip

        anew, self._anew = self._anew, False
        call = request_calls.claim(limit, lease_s, row, anew=anew)
        requests = await self._database.rows(call, timeout_s=answer_s(lease_s))
        if requests:
            self._next_tick = time.monotonic() + TICK_S
            self._large.update(request for request in requests if len(request.payload or b"") >= LARGE_BYTES)
            await self._give_secrets_or_release(requests)
        if 0 < len(requests) == limit:
            self._driver.wakeups.busy(LINE)
        return [*requests]

    @property
    def _is_full(self) -> bool:
        """Whether what it holds takes enough memory."""
        return sum(len(request.payload or b"") for request in self._large if not request.is_over) >= HELD_BYTES

    async def _give_secrets_or_release(self, requests: Sequence[Request]) -> None:
        """Nobody may think of them that they died with their sender."""
        try:
            await self._give_secrets(requests)
        except HanjulError:
            with suppress(HanjulError):
                await self._settle([(request, Release()) for request in requests])
            raise

    async def _give_secrets(self, requests: Sequence[Request]) -> None:
        """To each the secrets that it names, as far as there are such."""
        named = {request: _named(request) for request in requests if request.sign_with or request.headers_out}
        names = {name for some in named.values() for name in some}
        now = time.monotonic()
        if missing := [name for name in names if name not in self._secrets or self._secrets[name][0] <= now]:
            for name in missing:
                self._secrets.pop(name, None)
            for secret in await self._database.rows(request_calls.secrets_for(missing)):
                self._secrets[secret.name] = (now + SECRETS_S, secret)
        for request, some in named.items():
            request.secrets = {name: self._secrets[name][1] for name in some if name in self._secrets}

    async def wait(self) -> None:
        """Return when it may be worth to fetch again."""
        tick_in_s = self._next_tick - time.monotonic()
        if self._is_full:
            await asyncio.sleep(LOOK_S)
        elif self.batch_size is not None and tick_in_s > 0:
            await asyncio.sleep(tick_in_s)
        else:
            await self._driver.wakeups.wait(LINE, ask=request_calls.ready)

    async def settle(self, settlements: Sequence[Settlement]) -> Sequence[Refusal]:
        """All in one commit, large answers each in one of its own; those that came too late."""
        refusals: list[Refusal] = []
        for part in parts(settlements, _weight):
            refusals += await self._settle(part)
        requests: list[Any] = [delivery for delivery, _ in settlements]
        for request in requests:
            request.is_over = True
        if any(request.ordering_key is not None for request in requests):
            self._anew = True
            self._driver.wakeups.wake(LINE)  # the next of its key can be had now
        return refusals

    async def _settle(self, part: list[Settlement]) -> list[Refusal]:
        """In one commit; if an answer cannot be stored, by halves, until it is alone, and its request has failed."""
        requests: list[Any] = [delivery for delivery, _ in part]
        answers = _encode([_told(delivery, outcome) for delivery, outcome in part]).decode()
        try:
            call = request_calls.settle(requests, answers)
            refused = await self._database.rows(call, timeout_s=settled_s(sum(map(_weight, part))))
            return _late(part, refused)
        except BadInput as error:
            request, outcome = part[0]
            if len(part) == 1 and (not isinstance(request, Request) or request.answer is None or request.answer.headers is None):
                raise
            why = f"the answer cannot be stored: {error}"
        if len(part) > 1:
            middle = len(part) // 2
            return [*await self._settle(part[:middle]), *await self._settle(part[middle:])]
        _log.warning("request %s: %s", request.id, why, extra=request.log_fields)
        assert isinstance(request, Request)  # noqa: S101  (looked at above)
        assert request.answer is not None  # noqa: S101
        request.answer = replace(request.answer, content=None, body=None, headers=None, content_type=None, error=storable(why))
        return await self._settle([(request, Reject(why) if isinstance(outcome, Ack) else outcome)])

    def renewer(self) -> "RequestRenewer":
        """A renewer with a connection of its own."""
        return RequestRenewer(self._database.url)

    def transaction(self, delivery: Delivery[Any]) -> AbstractAsyncContextManager[Any]:
        """None: a request is sent, or not, whatever a transaction comes to."""
        raise InvalidSettings("HTTP requests are not settled in transactions")

    async def close(self) -> None:
        """Nothing is held between calls."""


class RequestRenewer:
    """Renews leases of requests over a connection of its own, so that nothing else can hold it up."""

    def __init__(self, url: str) -> None:
        self._connection = AloneConnection(url)

    def extend(self, deliveries: Sequence[Delivery[Any]], lease_s: float) -> Sequence[Refusal]:
        """End their leases lease_s from now; those that are lost, cancelled ones among them."""
        requests: Any = deliveries  # a source of requests is asked for requests
        return self._connection.rows(request_calls.extend(requests, lease_s), answer_s(lease_s))

    def close(self) -> None:
        """Disconnect."""
        self._connection.close()


def _object(json: str | None) -> Any:
    """A JSON object; whatever else somebody wrote into the table by hand, the sender refuses, and that alone."""
    if json is None or json == "{}":
        return None
    try:
        return _decode(json)
    except (msgspec.DecodeError, RecursionError, ValueError):  # too deep, or a number of thousands of digits
        return json


def _named(request: Request) -> set[str]:
    """The secrets that it names."""
    values = request.headers_out.values() if isinstance(request.headers_out, dict) else ()
    names = {name for value in values if isinstance(value, str) and "${" in value for name in _PLACEHOLDER.findall(value)}
    return names | {request.sign_with} if request.sign_with else names


def _told(delivery: Delivery[Any], outcome: object) -> dict[str, Any]:
    """One element of what net.settle_requests takes."""
    if isinstance(outcome, Release):
        why = storable(outcome.reason) or None
        return {"id": delivery.id, "claim": delivery.fence, "how": "release", "delay_s": outcome.delay_s, "error": why}
    answer = getattr(delivery, "answer", None) or Answer()
    told = {
        "id": delivery.id,
        "claim": delivery.fence,
        "how": "success",
        "status_code": answer.status_code,
        "content_type": answer.content_type,
        "headers": answer.headers,
        "content": answer.content,
        "body": None if answer.body is None else base64.b64encode(answer.body).decode(),
        "truncated": answer.truncated,
        "timed_out": answer.timed_out,
        "error": answer.error,
        "duration_ms": answer.duration_ms,
        "dns_ms": answer.dns_ms,
        "connect_ms": answer.connect_ms,
        "first_byte_ms": answer.first_byte_ms,
        "remote_address": answer.remote_address,
        "response_bytes": answer.response_bytes,
    }
    if isinstance(outcome, Nack):
        told |= {"how": "retry", "delay_s": outcome.delay_s or 0.0, "error": answer.error or storable(outcome.reason)}
    elif isinstance(outcome, Reject):
        told |= {"how": "error", "error": answer.error or storable(outcome.reason)}
    return told


def _late(part: Sequence[Settlement], refused: Sequence[Refusal]) -> list[Refusal]:
    """The refusals that came too late. What waits again by this very claim was given back: the answer was lost."""
    given_back = {delivery for delivery, outcome in part if isinstance(outcome, Nack | Release)}
    return [one for one in refused if not (one.delivery in given_back and one.held_by == one.delivery.fence)]


def _weight(settlement: Settlement) -> int:
    """How much its answer takes, about."""
    answer: Answer | None = getattr(settlement[0], "answer", None)
    return 0 if answer is None else len(answer.content or "") + len(answer.body or b"")
