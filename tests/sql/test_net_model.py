"""Requests against a small model: any order of calls by two senders, one of them in open transactions, does what the model says.

What the model does not do itself is what it proves: no request is lost, handed out before its commit or its time, twice at
once, before an earlier one of its key, or settled by a stale claim; and each that can be handed out, is: nobody is
forgotten in a line. HANJUL_MODEL_EXAMPLES and HANJUL_MODEL_STEPS make it search longer.
"""

import json
import os
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

EXAMPLES = int(os.environ.get("HANJUL_MODEL_EXAMPLES", "24"))
STEPS = int(os.environ.get("HANJUL_MODEL_STEPS", "40"))
DEATHS = 5
PICK = st.integers(0, 1000)
KEYS = st.sampled_from([None, "a", "a", "a", "b"])


@dataclass
class Known:
    """A committed request. now: it may be sent now, as far as its time goes.  held: a lease runs, or has lapsed unnoticed."""

    key: str | None
    max_attempts: int
    now: bool = True
    held: bool = False
    lapsed: bool = False
    claims: int = 0
    attempts: int = 0
    released: int = 0
    ended: str | None = None

    @property
    def leased(self) -> bool:
        return self.held and not self.lapsed

    @property
    def deaths(self) -> int:
        return self.claims - self.attempts - self.released


class Requests(RuleBasedStateMachine):
    """db: a session that commits at once.  slow: one that does when it likes."""

    db: Any
    slow: Any

    @initialize()
    def start(self) -> None:
        self.db.run("truncate net.http_request_queue, net._http_response, net.http_attempt")
        self.known: dict[int, Known] = {}
        self.uncommitted: dict[int, Known] = {}
        self.settled: dict[int, str] = {}
        self.locked: set[int] = set()
        self.open = False

    def teardown(self) -> None:
        self.slow.run("rollback")

    def new(self, session: Any, key: str | None, now: bool, retries: int) -> tuple[int, Known]:
        request_id = session.one(
            "insert into net.http_request_queue (method, url, timeout_milliseconds, ordering_key, max_attempts, next_attempt_at)"
            " values ('GET', 'http://x/', 1, %s, %s, clock_timestamp() + %s * interval '1 hour') returning id",
            key, retries + 1, 0 if now else 1,
        )  # fmt: skip
        return request_id, Known(key, retries + 1, now)

    def pick(self, number: int, wanted: Any) -> int | None:
        some = sorted(i for i, one in self.known.items() if i not in self.locked and wanted(one))
        return some[number % len(some)] if some else None

    def may_go(self, request_id: int) -> bool:
        """Whether it can be handed out."""
        one = self.known[request_id]
        if one.ended or one.leased or not (one.now or one.lapsed) or request_id in self.locked:
            return False
        others = [(i, o) for i, o in self.known.items() if o.key == one.key and i != request_id and not o.ended]
        return one.key is None or not any(i < request_id or other.leased for i, other in others)

    def settle(self, session: Any, request_id: int, claim: int, how: str, delay_s: float) -> list[Any]:
        answer = {"id": request_id, "claim": claim, "how": how, "delay_s": delay_s, "status_code": 200}
        return session.rows("select * from net.settle_requests(%s)", json.dumps([answer]))

    def note(self, request_id: int, how: str, delay_s: float) -> None:
        one = self.known[request_id]
        one.held = one.lapsed = False
        one.attempts += how != "release"
        one.released += how == "release"
        if how in {"success", "error"}:
            one.ended = "SUCCESS" if how == "success" else "ERROR"
        else:
            one.now = delay_s == 0

    @rule(key=KEYS, now=st.sampled_from([True, True, False]), retries=st.integers(0, 2))
    def enqueue(self, key: str | None, now: bool, retries: int) -> None:
        request_id, known = self.new(self.db, key, now, retries)
        self.known[request_id] = known

    @rule(key=KEYS)
    def enqueue_in_an_open_transaction(self, key: str | None) -> None:
        self.begin()
        request_id, known = self.new(self.slow, key, now=True, retries=0)
        self.uncommitted[request_id] = known

    def begin(self) -> None:
        if not self.open:
            self.slow.run("begin")
            self.open = True

    @precondition(lambda self: self.open)
    @rule(commits=st.booleans())
    def end_the_transaction(self, commits: bool) -> None:
        self.slow.run("commit" if commits else "rollback")
        if commits:
            self.known |= self.uncommitted
            for request_id, how in self.settled.items():
                self.note(request_id, how, 0.0)
        self.uncommitted, self.settled, self.locked, self.open = {}, {}, set(), False

    @rule(qty=st.integers(1, 6), anew=st.sampled_from([True, True, False]))
    def claim(self, qty: int, anew: bool) -> None:
        if anew:  # as a new connection does, or one whose next sweep has come
            self.db.run("select set_config('hanjul.net_walk', '', false)")
        self.end_the_hopeless(anew, qty)
        able = {i for i in self.known if self.may_go(i)}

        got = self.db.rows("select id, claims from net.claim_requests(%s, 60)", qty)

        ids = [request_id for request_id, _ in got]
        assert set(ids) <= able, (ids, able)
        if anew:
            assert len(ids) == min(qty, len(able)), (ids, able, self.db.rows("table net.http_request_queue"))
        for request_id, claims in got:
            one = self.known[request_id]
            one.claims, one.held, one.lapsed = one.claims + 1, True, False
            assert claims == one.claims

    def end_the_hopeless(self, anew: bool, qty: int) -> None:
        """Let those end that no sender survives, so that the model need not know in which claim it comes about."""
        for request_id, one in self.known.items():
            if not one.ended and one.deaths >= DEATHS and one.lapsed and request_id not in self.locked:
                self.db.run("select net.cancel(%s)", request_id)
                one.ended, one.held, one.lapsed = "ERROR", False, False
                one.claims, one.released = one.claims + 1, one.released + 1

    @rule(number=PICK, how=st.sampled_from(["success", "error", "retry", "release"]), delay_s=st.sampled_from([0.0, 3600.0]))
    def settle_at_once(self, number: int, how: str, delay_s: float) -> None:
        if (request_id := self.pick(number, lambda one: one.held)) is not None:
            assert self.settle(self.db, request_id, self.known[request_id].claims, how, delay_s) == []
            self.note(request_id, how, delay_s)

    @rule(number=PICK, how=st.sampled_from(["success", "error", "retry"]))
    def settle_in_an_open_transaction(self, number: int, how: str) -> None:
        if (request_id := self.pick(number, lambda one: one.held)) is not None:
            key = self.known[request_id].key
            if key is not None and any(self.known[i].key == key for i in self.locked):
                return  # it would be two transactions' business in what order they end
            self.begin()
            assert self.settle(self.slow, request_id, self.known[request_id].claims, how, 0.0) == []
            self.settled[request_id] = how
            self.locked.add(request_id)
            if key is not None:  # the next of the line is made due by it, and is its own until then
                self.locked |= {i for i, one in self.known.items() if one.key == key and not one.ended}

    @rule(number=PICK, back=st.integers(1, 3))
    def settle_too_late(self, number: int, back: int) -> None:
        if (request_id := self.pick(number, lambda one: one.claims >= back and (not one.held or one.claims > back))) is not None:
            one = self.known[request_id]
            claim = one.claims - back + (not one.held)
            [refused] = self.settle(self.db, request_id, claim, "error", 0.0)
            assert refused == (request_id, claim, None if one.ended else one.claims)

    @rule(number=PICK)
    def let_a_lease_lapse(self, number: int) -> None:
        if (request_id := self.pick(number, lambda one: one.leased)) is not None:
            self.db.run("update net.http_request_queue set locked_until = clock_timestamp() where id = %s", request_id)
            self.known[request_id].lapsed = True

    @rule(number=PICK)
    def extend(self, number: int) -> None:
        if (request_id := self.pick(number, lambda one: one.held)) is not None:
            one = self.known[request_id]
            assert self.db.rows("select * from net.extend_requests(%s, %s, 60)", [request_id], [one.claims]) == []
            one.lapsed = False

    @rule(number=PICK)
    def cancel(self, number: int) -> None:
        if (request_id := self.pick(number, lambda one: not one.ended)) is not None:
            one = self.known[request_id]
            self.db.run("select net.cancel(%s)", request_id)
            one.ended, one.held, one.lapsed = "ERROR", False, False
            one.claims, one.released = one.claims + 1, one.released + 1

    @rule(number=PICK)
    def retry(self, number: int) -> None:
        if (request_id := self.pick(number, lambda one: not one.leased)) is not None:
            one = self.known[request_id]
            self.db.run("select net.retry(%s)", request_id)
            one.ended, one.held, one.lapsed, one.now, one.attempts, one.released = None, False, False, True, 0, one.claims

    @invariant()
    def the_table_is_as_the_model_says(self) -> None:
        rows = self.db.rows("select id, claims, attempts, released, finished is null, status::text from net.http_request_queue")
        assert {row[0]: row[1:] for row in rows} == {
            i: (one.claims, one.attempts, one.released, not one.ended, one.ended or "PENDING") for i, one in self.known.items()
        }

    @invariant()
    def of_a_key_one_is_on_its_way(self) -> None:
        leased = [one.key for one in self.known.values() if one.leased and one.key is not None]
        assert len(leased) == len(set(leased))


@pytest.mark.timeout(600)
def test_any_order_of_calls_does_what_the_model_says(connect):
    class RequestsOfThisTest(Requests):
        db = connect()
        slow = connect()

    for session in (RequestsOfThisTest.db, RequestsOfThisTest.slow):
        session.run("set lock_timeout = '5s'")
    search = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    run_state_machine_as_test(RequestsOfThisTest, settings=search)
