"""The sender of HTTP requests that an app includes. Only apps that send carry it."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar

from hanjul.config import Settings
from hanjul.drivers import request_calls
from hanjul.drivers.postgres import PostgresDriver
from hanjul.drivers.requests import LINE, RequestSource
from hanjul.drivers.sending import Sending
from hanjul.model.backoff import Retry
from hanjul.model.delivery import Delivery
from hanjul.model.errors import InvalidSettings, PermissionDenied, SchemaMismatch
from hanjul.model.request import Request
from hanjul.runtime.consumer import Consumer
from hanjul.runtime.handlers import Handler
from hanjul.runtime.spec import ConsumerSpec, Terms

_log = logging.getLogger("hanjul.http")

MAX_CONCURRENCY = 10_000

_ONCE = Retry(max_attempts=1)


def missing() -> str | None:
    """Why nothing can be sent from here; None if it can."""
    wanted = [name for name in ("certifi", "pycurl") if find_spec(name) is None]
    return f"sending HTTP requests needs {' and '.join(wanted)}: pip install 'hanjul[http]'" if wanted else None


@dataclass(frozen=True, slots=True)
class RequestsSpec(ConsumerSpec):
    """A consumer of HTTP requests: each says itself how many attempts it has, its sender when the next one is."""

    max_concurrency: ClassVar[int] = MAX_CONCURRENCY

    def terms(self, delivery: Delivery[Any]) -> Terms:
        """Those of the request. What is older than its attempts is ended where it is claimed."""
        assert isinstance(delivery, Request)  # noqa: S101  (a source of requests gives requests)
        return Terms(Any, None, max(delivery.max_attempts, delivery.attempt), _ONCE.delay_s)


class AppHttp:
    """One sender; raises InvalidSettings where nothing can be sent from.

    if_possible: do without where the database has no requests for us.
    """

    def __init__(self, *, if_possible: bool) -> None:
        if why := missing():
            raise InvalidSettings(why)
        self.consumers: list[Consumer] = []
        self._if_possible = if_possible

    @asynccontextmanager
    async def sending(self, driver: PostgresDriver, config: Settings) -> AsyncIterator[None]:
        """Ready to send, while the block runs; its consumer is started and stopped by the app."""
        from hanjul.sender.sender import Sender  # here, where pycurl is

        if self._if_possible and not await _may_send(driver):
            yield
            return
        sender, source = Sender(_limits(config)), RequestSource(driver)
        spec = RequestsSpec(
            LINE,
            Handler(sender.send),
            concurrency=config.http_concurrency,
            prefetch=min(2 * config.http_concurrency, MAX_CONCURRENCY),
            lease_s=config.http_lease_s,
            stop_timeout_s=config.stop_timeout_s,
        )
        self.consumers = [Consumer(spec, source)]
        upkeep = Sending(driver.database, source, listen_url=driver.listen_url)
        await sender.open()
        try:
            await upkeep.open()
            yield
        finally:
            await upkeep.close()
            await sender.close()
            self.consumers = []


async def _may_send(driver: PostgresDriver) -> bool:
    """Whether the database has requests for us; told if not."""
    try:
        await driver.database.rows(request_calls.sender_settings())
    except (SchemaMismatch, PermissionDenied) as error:
        _log.warning("HTTP requests are not sent from here: %s", error)
        return False
    return True


def _limits(config: Settings) -> Any:
    from hanjul.sender.limits import HostLimits, SenderLimits

    def host(concurrency: int | None, rate: float | None) -> HostLimits:
        return HostLimits(
            config.http_host_concurrency if concurrency is None else concurrency, config.http_host_rate if rate is None else rate
        )

    return SenderLimits(
        concurrency=config.http_concurrency,
        host=host(None, None),
        hosts={name: host(one.concurrency, one.rate) for name, one in config.http_hosts.items()},
        max_response_bytes=config.http_max_response_bytes,
        max_redirects=config.http_max_redirects,
        http_allow=_several(config.http_allow),
        longest_attempt_s=config.http_longest_attempt_s,
        ca_file=config.http_ca_file,
        proxy=config.http_proxy,
        no_proxy=_several(config.http_no_proxy),
    )


def _several(setting: str | None) -> tuple[str, ...]:
    return tuple(one.strip() for one in (setting or "").split(",") if one.strip())
