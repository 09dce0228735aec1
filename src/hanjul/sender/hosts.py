"""The gate of each host: how many requests are on their way to it, how fast, and whether it is left alone for now.

Whether a host is left alone, because it fails or has asked for it, each role finds out for itself: requests of one must not be
able to hold up those of others.

A request that cannot go yet waits here only while the line is short: no longer than the host's concurrency or, of a host that
is known to be fast, than it takes a moment to send. The rest is given back to the database, spread over the time in which the
line will get shorter. So a slow host never holds what a sender has fetched for others, and a fast one is never idle.
"""

import asyncio
import random
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime

from hanjul.model.outcome import Release
from hanjul.model.request import Request
from hanjul.sender.breaker import Breaker
from hanjul.sender.limits import HostLimits, SenderLimits
from hanjul.sender.urls import Target

LONGEST_LINE_S = 60.0
"""The longest that a request is put off because others are before it."""
LONGEST_HOLD_S = 300.0
"""The longest that a Retry-After holds all requests to its host; the request that it answers waits as long as its policy says."""
_PATIENCE_S = 5.0
"""How long requests without a policy and without a timeout wait for a host that fails."""
_RATE_WAIT_S = 0.5
_LINE_S = 1.0
"""How long the surplus of a line, what is beyond the host's concurrency, is expected to wait at most."""
_STALLED_S = 2.0
"""It is put off after all if it has waited so long."""
_MANY_HOSTS = 4096


class Pass:
    """The right to send one request to a host; given back once, by `leave`."""

    __slots__ = ("_host", "_probe", "_since", "_standing")

    def __init__(self, host: "Host", standing: "Standing") -> None:
        self._host, self._standing, self._probe, self._since = host, standing, standing.breaker.probe(), time.monotonic()

    def leave(self, *, failed: bool | None, hold_s: float | None = None) -> None:
        """failed: whether the host is to blame that there is no answer; None: nobody knows.  hold_s: what it asked to wait."""
        self._standing.learn(failed=failed, probe=self._probe, hold_s=hold_s)
        self._host.leave(self._since, failed=failed)


class Hosts:
    """The gates of all hosts that a sender has to do with."""

    def __init__(self, limits: SenderLimits) -> None:
        self._limits = limits
        self._hosts: dict[str, Host] = {}
        self._sweep_at = _MANY_HOSTS

    async def enter(self, place: Target, request: Request) -> Pass | Release:
        """The right to send it now; or its release, not to be charged, until when it may be worth to ask again."""
        host = self._hosts.get(place.place)
        if host is None:
            host = self._new(place)
        return await host.enter(request)

    def _new(self, place: Target) -> "Host":
        if len(self._hosts) >= self._sweep_at:
            self._hosts = {name: host for name, host in self._hosts.items() if not host.idle}
            self._sweep_at = max(_MANY_HOSTS, 2 * len(self._hosts))
        hosts = self._limits.hosts
        own = hosts.get(place.place) or hosts.get(place.host) or self._limits.host
        self._hosts[place.place] = host = Host(place.place, own, self._limits)
        return host


class Standing:
    """How one role stands with one host. Each by itself: what one of them meets there must not hold up the others."""

    __slots__ = ("_held_until", "breaker")

    def __init__(self, sender: SenderLimits) -> None:
        self.breaker = Breaker(sender)
        self._held_until = 0.0  # the host asked for it

    @property
    def unmarked(self) -> bool:
        """Whether there is nothing to remember."""
        return self.breaker.unmarked and self._held_until < time.monotonic()

    def learn(self, *, failed: bool | None, probe: bool, hold_s: float | None) -> None:
        """See Pass.leave."""
        now = time.monotonic()
        if failed is None:
            self.breaker.gave_up(probe=probe)
        elif failed:
            self.breaker.failed(now, probe=probe)
        else:
            self.breaker.succeeded()
        if hold_s:
            self._held_until = max(self._held_until, now + min(hold_s, LONGEST_HOLD_S))

    def waits(self) -> tuple[float, float]:
        """For how many seconds to leave the host alone: because it fails, because it asked for it."""
        if self.breaker.closed and not self._held_until:
            return 0.0, 0.0
        now = time.monotonic()
        asked_s = self._held_until - now
        if asked_s <= 0:
            self._held_until = asked_s = 0.0
        return self.breaker.wait_s(now), asked_s


class Host:
    """The gate of one host and port."""

    __slots__ = (
        "_drained_at", "_free_at", "_is_known", "_limits", "_line", "_look", "_name", "_running", "_sender", "_standings",
        "_takes_s",
    )  # fmt: skip

    def __init__(self, name: str, limits: HostLimits, sender: SenderLimits) -> None:
        self._name, self._limits, self._sender = name, limits, sender
        self._standings: dict[str, Standing] = {}
        self._running = 0
        self._line: deque[tuple[asyncio.Future[bool], float]] = deque()  # and since when it waits
        self._look: asyncio.TimerHandle | None = None
        self._takes_s = 0.1  # a request, on average
        self._is_known = False  # whether it has ever answered
        self._free_at = 0.0  # when its rate allows the next request
        self._drained_at = 0.0  # when those that were put off will have had their turn

    @property
    def idle(self) -> bool:
        """Whether nothing would be lost with it."""
        remembers = any(not standing.unmarked for standing in self._standings.values())
        return not self._running and not self._line and not remembers and self._free_at < time.monotonic()

    async def enter(self, request: Request) -> Pass | Release:
        """See Hosts.enter."""
        standing = self._standings.get(request.enqueued_by)
        if standing is None:
            standing = self._standings[request.enqueued_by] = Standing(self._sender)
        held = self._held(standing, request)
        if held is not None:
            return held
        if self._running >= self._limits.concurrency or self._line:
            if len(self._line) >= self._limits.concurrency and not self._moves_fast():
                return self._put_off()
            if not await self._wait_in_line():
                return self._put_off()
            held = self._held(standing, request)
            if held is not None:  # while it waited the host has begun to fail
                self._give_back()
                return held
        else:
            self._running += 1
        if self._limits.rate is not None and not await self._in_time(self._limits.rate):
            return self._put_off()
        return Pass(self, standing)

    def leave(self, since: float, *, failed: bool | None) -> None:
        """See Pass.leave."""
        self._running -= 1
        self._takes_s += 0.1 * (time.monotonic() - since - self._takes_s)
        self._is_known = self._is_known or failed is False
        self._next()

    def _held(self, standing: Standing, request: Request) -> Release | None:
        """Its release, if the host is left alone; a request without a policy waits no longer than its own timeout."""
        failing_s, asked_s = standing.waits()
        wait_s = max(failing_s, asked_s)
        if wait_s <= 0:
            return None
        wait_s *= random.uniform(1.0, 1.2)  # noqa: S311  (they shall not come back all at once)
        if request.retry is None:
            patience_s = request.timeout_ms / 1000 if request.timeout_ms > 0 else _PATIENCE_S
            wait_s = min(wait_s, patience_s - (datetime.now(UTC) - request.enqueued_at).total_seconds())
            if wait_s <= 0:
                return None
        why = "is failing" if failing_s >= asked_s else "asked for it (Retry-After)"
        return Release(delay_s=wait_s, reason=f"waiting: host {self._name} {why}")

    def _moves_fast(self) -> bool:
        """Whether who joins the line now will have had its turn in a moment."""
        return (
            self._is_known and self._limits.rate is None and self._takes_s * len(self._line) / self._limits.concurrency <= _LINE_S
        )

    async def _wait_in_line(self) -> bool:
        """Whether its turn has come, and its place is taken; if not, it is to be put off."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        place = (turn, time.monotonic())
        self._line.append(place)
        if self._look is None and len(self._line) > self._limits.concurrency:
            self._look = loop.call_later(_STALLED_S, self._look_at_surplus)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                with suppress(ValueError):  # nobody waited for it
                    self._line.remove(place)
            elif turn.result():
                self._give_back()
            raise

    def _look_at_surplus(self) -> None:
        """Put it off if the line has not moved as it was expected to."""
        self._look = None
        surplus = len(self._line) - self._limits.concurrency
        if surplus <= 0:
            return
        stalled_at = self._line[self._limits.concurrency][1] + _STALLED_S
        if stalled_at <= time.monotonic():
            for turn, _ in [self._line.pop() for _ in range(surplus)][::-1]:
                if not turn.done():
                    turn.set_result(False)
        else:
            self._look = asyncio.get_running_loop().call_later(stalled_at - time.monotonic(), self._look_at_surplus)

    def _next(self) -> None:
        """Let the first of the line go on, as far as there is room. They have their places at once: nobody comes in between."""
        while self._line and self._running < self._limits.concurrency:
            turn, _ = self._line.popleft()
            if not turn.done():  # given up, and about to leave
                self._running += 1
                turn.set_result(True)

    def _give_back(self) -> None:
        """A place that was taken, and nothing sent."""
        self._running -= 1
        self._next()

    async def _in_time(self, rate: float) -> bool:
        """Wait until the rate allows it; False if that is too long for waiting. Who does not go on gives its place back."""
        now = time.monotonic()
        at = max(now, self._free_at)
        if at - now > _RATE_WAIT_S:
            self._give_back()
            return False
        self._free_at = at + 1 / rate
        try:
            await asyncio.sleep(at - now)
        except asyncio.CancelledError:
            self._give_back()
            raise
        return True

    def _put_off(self) -> Release:
        """Each one that is put off gets a moment of its own, one after the other, as fast as the line is expected to move."""
        now = time.monotonic()
        each_s = self._takes_s / self._limits.concurrency
        if self._limits.rate is not None:
            each_s = max(each_s, 1 / self._limits.rate)
        self._drained_at = max(self._drained_at, now + each_s * len(self._line)) + each_s
        wait_s = min(max(self._drained_at - now, 0.01), LONGEST_LINE_S)
        return Release(delay_s=wait_s, reason=f"waiting: {self._limits.concurrency} requests to host {self._name} are before it")
