"""Jobs against a small model: any order of calls, by three connections with open transactions, does what the model says.

What the model does not do itself is what it proves: no job is lost or doubled, handed out before its commit or its time,
out of its order, under another's live lease or past its retries, settled twice or by a stale attempt; history and counts
say what happened. HANJUL_MODEL_EXAMPLES and HANJUL_MODEL_STEPS make it search longer.
"""

import json
import os
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

EXAMPLES = int(os.environ.get("HANJUL_MODEL_EXAMPLES", "16"))
STEPS = int(os.environ.get("HANJUL_MODEL_STEPS", "30"))
FAR_S, AT_ONCE_S = 3600.0, 1e-6
ENDED = ("completed", "failed", "cancelled")
LIVE = ("pending", "processing")
NOBODY = UUID("01900000-0000-7000-8000-000000000000")
_run_numbers = count(1)

WHO = st.integers(0, 2)
QTY = st.integers(1, 4)
SELDOM = st.sampled_from([False, False, True])
PICKS = st.lists(st.integers(0, 1000), min_size=1, max_size=4)
QUEUES = st.sampled_from(["a", "b", "ab", "ba"])
OPTIONS = st.fixed_dictionaries(
    {
        "queue": st.sampled_from("aab"),
        "priority": st.sampled_from([0, 0, 1, -5]),
        "max_retries": st.integers(0, 2),
        "delay_s": st.sampled_from([0.0, 0.0, 0.0, FAR_S]),
    }
)


@dataclass(frozen=True)
class Version:
    """A job as one transaction left it. due: it may run now.  lapsed: its lease has ended.  cancel: somebody wants it to end."""

    body: int
    queue: str
    priority: int
    max_retries: int
    run_at: datetime
    due: bool
    status: str = "pending"
    attempt: int = 0
    retry_count: int = 0
    worker: str | None = None
    lapsed: bool = False
    cancel: bool = False
    progress: float | None = None
    error: str | None = None
    reason: str | None = None
    result: int | None = None

    @property
    def may_be_tried_again(self) -> bool:
        return self.retry_count < self.max_retries and not self.cancel

    @property
    def lease_ended(self) -> str:
        """What is said of its attempt when nobody came back."""
        return f"worker {self.worker} let the lease of attempt {self.attempt} end"

    def waiting(self, *, failures: int = 0, error: str | None = None) -> "Version":
        retry_count, error = self.retry_count + failures, error or self.error
        return replace(self, status="pending", lapsed=False, retry_count=retry_count, error=error)

    def ended(self, status: str, *, error: str | None = None, reason: str | None = None) -> "Version":
        """In history. Who was to be cancelled and has not succeeded is cancelled."""
        status = "cancelled" if self.cancel and status == "failed" else status
        reason = (reason or "max_attempts") if status == "failed" else None
        return replace(self, status=status, lapsed=False, cancel=False, error=error or self.error, reason=reason)

    def given_up(self) -> "Version":
        """Its worker did not come back."""
        if self.may_be_tried_again:
            return self.waiting(failures=1, error=self.lease_ended)
        return self.ended("failed", error=self.lease_ended)


@dataclass
class Row:
    """What is committed, and what the one connection that holds the row's lock has made of it."""

    committed: Any = None
    pending: Any = None
    owner: int | None = None


@dataclass
class Model:
    """The jobs as they should be, and who holds the unique keys."""

    jobs: dict[Any, Row] = field(default_factory=dict)
    keys: dict[Any, Row] = field(default_factory=dict)
    in_transaction: set[int] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)
    today_has_a_partition: bool = False

    def put(self, who: int, rows: dict[Any, Row], name: Any, version: Any) -> None:
        row = rows.setdefault(name, Row())
        if who in self.in_transaction:
            row.owner, row.pending = who, version
        else:
            row.committed = version

    def end(self, who: int, *, commit: bool) -> None:
        for row in [*self.jobs.values(), *self.keys.values()]:
            if row.owner == who:
                row.committed = row.pending if commit else row.committed
                row.owner = row.pending = None
        self.in_transaction.discard(who)

    def job(self, who: int | None, job_id: UUID) -> Version | None:
        row = self.jobs.get(job_id, Row())
        return row.pending if row.owner == who and who is not None else row.committed

    def seen(self, who: int | None, *statuses: str) -> list[tuple[UUID, Version]]:
        """What the connection sees, by id."""
        seen = [(job_id, self.job(who, job_id)) for job_id in sorted(self.jobs)]
        return [(job_id, job) for job_id, job in seen if job and job.status in statuses]

    def is_free(self, who: int, rows: dict[Any, Row], name: Any) -> bool:
        """Whether nobody else holds it."""
        return rows.get(name, Row()).owner in {None, who}

    def next(self, who: int, queue: str) -> list[tuple[UUID, Version]]:
        """What can be handed out of a queue, in its order."""
        return sorted((found for found in self.ready(who, queue) if self.is_free(who, self.jobs, found[0])), key=place)

    def ready(self, who: int | None, queue: str) -> list[tuple[UUID, Version]]:
        """What could be handed out, if nobody held it."""
        return [
            (job_id, job)
            for job_id, job in self.seen(who, *LIVE)
            if (job.queue, job.due) == (queue, True)
            and queue[0] not in self.paused
            and (job.status == "pending" or (job.lapsed and job.may_be_tried_again))
        ]


def place(found: tuple[UUID, Version]) -> tuple[int, datetime, UUID]:
    return found[1].priority, found[1].run_at, found[0]


class Jobs(RuleBasedStateMachine):
    """Every rule does the same to the database and to the model, and compares the answers."""

    sessions: list
    watch: Any

    def __init__(self) -> None:
        super().__init__()
        self.run_number = next(_run_numbers)  # connections remember queues: each example has queues of its own
        self.model = Model()
        self.handed_out: list[tuple[UUID, int]] = []
        self.bodies = count(1)

    def teardown(self) -> None:
        for who in sorted(self.model.in_transaction):
            self.sessions[who].run("rollback")
        for table in self.watch.column("""
                select inhrelid::regclass::text from pg_inherits
                where inhparent = 'hanjul.job_history'::regclass and inhrelid <> 'hanjul.job_history_rest'::regclass"""):
            self.watch.run(f"drop table {table}")
        tables = ("job", "job_history", "job_unique", "job_pause", "job_flow", "job_count", "job_minute")
        self.watch.run("; ".join(f"delete from hanjul.{table}" for table in tables))

    def called(self, queues: str) -> list[str]:
        return [f"{queue}{self.run_number}" for queue in queues]

    def ask(self, who: int, call: str, *args: object) -> list:
        return self.sessions[who].rows(f"select * from hanjul.{call}", *args)

    def ask_once(self, who: int, call: str, *args: object) -> Any:
        """A call that may be refused, whose SQLSTATE is then the answer; the transaction goes on."""
        session = self.sessions[who]
        within = who in self.model.in_transaction
        if within:
            session.run("savepoint here")
        try:
            return session.one(f"select hanjul.{call}", *args)
        except psycopg.Error as refused:
            if within:
                session.run("rollback to here")
            return refused.sqlstate

    def put(self, who: int, job_id: UUID, version: Version) -> None:
        self.model.put(who, self.model.jobs, job_id, version)

    def placed(self, who: int, job_id: UUID, version: Version, *, due: bool) -> Version:
        """The version, at the moment that the database has chosen for it, which is now or far away."""
        [[run_at, is_due]] = self.sessions[who].rows(
            "select run_at, run_at <= clock_timestamp() from hanjul.job where id = %s", job_id
        )
        assert is_due == due
        return replace(version, run_at=run_at, due=due)

    def put_placed(self, who: int, job_id: UUID, version: Version, *, due: bool) -> None:
        self.put(who, job_id, self.placed(who, job_id, version, due=due))

    @initialize(jobs=st.lists(OPTIONS, min_size=3, max_size=8), qty=QTY)
    def some_jobs_were_there_before(self, jobs, qty):
        self.enqueue_many(0, jobs)
        self.fetch(0, "ab", qty, lapse=False, from_the_heads=True)

    # transactions and time

    @rule(who=WHO)
    def begin(self, who):
        if who not in self.model.in_transaction:
            self.sessions[who].run("begin")
            self.model.in_transaction.add(who)

    @rule(who=WHO, commit=st.booleans())
    def end(self, who, commit):
        if who in self.model.in_transaction:
            self.sessions[who].run("commit" if commit else "rollback")
            self.model.end(who, commit=commit)

    @precondition(lambda self: not self.model.in_transaction)
    @rule()
    def leases_end(self):
        self.watch.run("update hanjul.job set leased_until = clock_timestamp() where status = 'processing'")
        for row in self.model.jobs.values():
            if row.committed and row.committed.status == "processing":
                row.committed = replace(row.committed, lapsed=True)

    @precondition(lambda self: not self.model.in_transaction)
    @rule()
    def what_is_delayed_falls_due(self):
        self.watch.run("update hanjul.job set run_at = clock_timestamp() where run_at > clock_timestamp()")
        for job_id, job in self.model.seen(None, *LIVE):
            if not job.due:
                [run_at] = self.watch.column("select run_at from hanjul.job where id = %s", job_id)
                self.model.jobs[job_id].committed = replace(job, run_at=run_at, due=True)

    # enqueueing

    def new(self, options: dict[str, Any]) -> tuple[dict[str, Any], Version]:
        """A job as it is asked for, and as it should be there."""
        body = next(self.bodies)
        asked = {**options, "queue": self.called(options["queue"])[0], "kind": f"kind {body % 2}", "payload": body}
        at_first = datetime.max  # until the database has told
        version = Version(body, asked["queue"], asked["priority"], asked["max_retries"], at_first, due=asked["delay_s"] == 0)
        return asked, version

    def enqueued(self, who: int, job_id: UUID, version: Version) -> None:
        assert job_id not in self.model.jobs
        self.put_placed(who, job_id, version, due=version.due)

    @rule(who=WHO, options=OPTIONS)
    def enqueue(self, who, options):
        asked, version = self.new(options)
        names = ", ".join(f"{name} => %s" for name in asked)
        job_id = self.ask_once(who, f"enqueue_job({names})", *{**asked, "payload": json.dumps(asked["payload"])}.values())
        self.enqueued(who, job_id, version)

    @rule(who=WHO, jobs=st.lists(OPTIONS, min_size=1, max_size=4))
    def enqueue_many(self, who, jobs):
        pairs = [self.new(options) for options in jobs]
        ids = [row[0] for row in self.ask(who, "enqueue_jobs(%s)", json.dumps([asked for asked, _ in pairs]))]
        assert ids == sorted(ids)
        for job_id, (_, version) in zip(ids, pairs, strict=True):
            self.enqueued(who, job_id, version)

    @rule(
        who=WHO,
        options=OPTIONS,
        key=st.sampled_from("kl"),
        over=st.sampled_from([["pending", "processing"], ["pending", "processing"], [*LIVE, *ENDED], ["pending"]]),
        expired=SELDOM,
        conflict=st.sampled_from(["keep", "keep", "replace", "raise"]),
        many=st.booleans(),
    )
    def enqueue_unique(self, who, options, key, over, expired, conflict, many):
        row = self.model.keys.get(key, Row())
        holder = row.pending if row.owner == who else row.committed
        held = self.model.job(who, holder) if holder else None
        if not self.model.is_free(who, self.model.keys, key) or (holder and not self.model.is_free(who, self.model.jobs, holder)):
            return
        asked, version = self.new(options)
        asked |= {"unique_key": key, "unique_over": over, "on_conflict": conflict}
        asked |= {"unique_for_s": AT_ONCE_S} if expired else {}
        if many:
            answer = self.ask_once(who, "enqueue_jobs(%s)", json.dumps([asked]))
        else:
            names = ", ".join(f"{name} => %s" for name in asked)
            answer = self.ask_once(who, f"enqueue_job({names})", *{**asked, "payload": json.dumps(asked["payload"])}.values())
        if held is None or held.status not in over or expired:
            self.enqueued(who, answer, version)
            self.model.put(who, self.model.keys, key, answer)
            return
        if conflict == "raise":
            assert answer == "23505"
            return
        assert answer == holder
        self.model.put(who, self.model.keys, key, holder)
        if conflict == "replace" and held.status == "pending":
            changed = replace(held, body=version.body, priority=version.priority, max_retries=version.max_retries)
            self.put_placed(who, holder, changed, due=version.due)

    # handing out

    @rule(who=WHO, queues=QUEUES, qty=QTY, lapse=SELDOM, from_the_heads=st.booleans())
    def fetch(self, who, queues, qty, lapse, from_the_heads):
        names = self.called(queues)
        known = {name: self.hint(who, name, "sweep_at" if from_the_heads else "sweep_idle_at") for name in names}
        lease_s = AT_ONCE_S if lapse else FAR_S
        rows = self.ask(who, "fetch_next_jobs(%s, %s, %s, %s)", f"w{who}", names, qty, lease_s)
        ids = [row[0] for row in rows]
        free = {name: self.model.next(who, name) for name in names}
        if from_the_heads:
            assert ids == [job_id for name in names for job_id, _ in free[name]][:qty]
        else:
            assert len(ids) <= qty
            assert bool(ids) == any(free.values())
            for name in names:
                self.follows_the_lanes(known[name], free[name], ids)
            assert ids == [job_id for name in names for job_id, _ in free[name] if job_id in ids]
        for job_id in ids:
            self.hand_out(who, job_id, lapsed=lapse)

    def hint(self, who: int, queue: str, now: str) -> dict[str, Any]:
        """How far the connection remembers to have got in the lanes of a queue; what `now` says is moved to now."""
        setting = f"'hanjul.lanes_' || to_hex(hashtext('{queue}'))"
        known = json.loads(self.sessions[who].one(f"select coalesce(nullif(current_setting({setting}, true), ''), '{{}}')"))
        if known:
            self.sessions[who].run(f"select set_config({setting}, %s, false)", json.dumps({**known, now: "-infinity"}))
        return known.get("lanes", {})

    @staticmethod
    def follows_the_lanes(lanes: dict[str, Any], free: list[tuple[UUID, Version]], ids: list[UUID]) -> None:
        """What waited and was passed over lies where the connection does not look: behind what it has had, or in a new lane."""
        taken = [found for found in free if found[0] in ids]
        for found in free:
            job_id, job = found
            if taken and place(found) < place(taken[-1]) and job_id not in ids and job.status == "pending":
                at, of = lanes.get(str(job.priority), (None, None))
                assert at is None or (at != "-infinity" and (job.run_at, job_id) <= (datetime.fromisoformat(at), UUID(of)))

    def hand_out(self, who: int, job_id: UUID, *, lapsed: bool) -> None:
        job = self.model.job(who, job_id)
        if job.status == "processing":
            job = job.given_up()
        attempt = job.attempt + 1
        self.put(
            who,
            job_id,
            replace(job, status="processing", attempt=attempt, worker=f"w{who}", lapsed=lapsed, progress=None),
        )
        self.handed_out.append((job_id, attempt))

    # settling, by attempts new and old

    def pairs(self, who, picks):
        """Deliveries old and new, and one of nobody; none that would make us wait."""
        recent = [*self.handed_out[-12:], (NOBODY, 1)]
        chosen = dict.fromkeys(recent[pick % len(recent)] for pick in picks)
        return [pair for pair in chosen if self.model.is_free(who, self.model.jobs, pair[0])]

    def judged(self, who, pairs):
        """Which of them may settle, and how the others are refused. All that are live are locked to the transaction's end."""
        mine, refused = {}, []
        for job_id, attempt in pairs:
            job = self.model.job(who, job_id)
            if job and job.status == "processing" and job.attempt == attempt:
                mine[job_id] = job
            else:
                refused.append((job_id, attempt, job))
            if job and job.status in LIVE:
                self.put(who, job_id, job)
        return mine, refused

    def told(self, who, refused):
        """Refusals, as they are told: with how the job stands now, after what was settled with them."""
        now = [(job_id, attempt, self.model.job(who, job_id)) for job_id, attempt, _ in refused]
        return sorted((i, n, job.attempt, job.status) if job else (i, n, None, None) for i, n, job in now)

    def settle(self, who, picks, call, *more, change, stays=False):
        pairs = self.pairs(who, picks)
        mine, refused = self.judged(who, pairs)
        lists = [[item] * len(pairs) for item in more]
        answer = self.ask(who, call, [i for i, _ in pairs], [n for _, n in pairs], *lists)
        for job_id, job in mine.items():
            changed = change(job)
            if changed.status == "pending":
                changed = self.placed(who, job_id, changed, due=changed.due)
                assert not stays or changed.run_at == job.run_at
            self.put(who, job_id, changed)
        assert sorted(answer, key=str) == sorted(self.told(who, refused), key=str)

    @rule(who=WHO, picks=PICKS, result=st.sampled_from([None, 7]))
    def complete(self, who, picks, result):
        def change(job):
            return replace(job.ended("completed"), result=result, progress=1.0)

        self.settle(who, picks, "complete_jobs(%s, %s, %s::jsonb[])", result and str(result), change=change)

    @rule(who=WHO, picks=PICKS, delay=st.sampled_from([0.0, None, FAR_S]), reason=st.sampled_from([None, None, "rejected"]))
    def fail(self, who, picks, delay, reason):
        def change(job):
            if reason is None and job.may_be_tried_again:
                return replace(job.waiting(failures=1, error="no"), due=job.due and delay == 0)
            return job.ended("failed", error="no", reason=reason)

        call = "fail_jobs(%s, %s, %s, %s::float8[], %s::text[])"
        self.settle(who, picks, call, "no", delay, reason, change=change, stays=delay == 0)

    @rule(who=WHO, picks=PICKS, delay=st.sampled_from([0.0, FAR_S]))
    def release(self, who, picks, delay):
        def change(job):
            return job.ended("cancelled") if job.cancel else replace(job.waiting(), due=job.due and delay == 0)

        self.settle(who, picks, "release_jobs(%s, %s, %s::float8[])", delay, change=change, stays=delay == 0)

    @rule(who=WHO, picks=PICKS, lapse=SELDOM)
    def heartbeats(self, who, picks, lapse):
        pairs = self.pairs(who, picks)
        mine, refused = self.judged(who, pairs)
        lists = ([i for i, _ in pairs], [n for _, n in pairs])
        answer = self.ask(who, "heartbeats(%s, %s, %s)", *lists, AT_ONCE_S if lapse else FAR_S)
        for job_id, job in mine.items():
            self.put(who, job_id, replace(job, lapsed=lapse))
        wanted = [(i, job.attempt, job.attempt, "processing", True) for i, job in mine.items() if job.cancel]
        assert sorted(answer, key=str) == sorted([(*row, False) for row in self.told(who, refused)] + wanted, key=str)

    @rule(who=WHO, pick=PICKS, call=st.sampled_from(["complete", "fail", "heartbeat"]))
    def settle_one(self, who, pick, call):
        """The single forms do the same, or raise and do nothing."""
        for job_id, attempt in self.pairs(who, pick[:1]):
            job = self.model.job(who, job_id)
            if job is None or job.status != "processing" or job.attempt != attempt:
                call = "heartbeat(%s, %s)" if call == "heartbeat" else f"{call}_job(%s, %s, null)"
                assert self.ask_once(who, call, job_id, attempt) == ("P0002" if job is None else "55000")
                if job and job.status in LIVE and who not in self.model.in_transaction:
                    self.put(who, job_id, job)
            elif call == "complete":
                self.ask_once(who, "complete_job(%s, %s, '8')", job_id, attempt)
                self.put(who, job_id, replace(job.ended("completed"), result=8, progress=1.0))
            elif call == "heartbeat":
                assert self.ask_once(who, "heartbeat(%s, %s, %s, 0.5)", job_id, attempt, FAR_S) == job.cancel
                self.put(who, job_id, replace(job, lapsed=False, progress=0.5))
            else:
                final = job.waiting(failures=1, error="one") if job.may_be_tried_again else job.ended("failed", error="one")
                assert self.ask_once(who, "fail_job(%s, %s, 'one', 0)", job_id, attempt) == final.status
                self.put(who, job_id, self.placed(who, job_id, final, due=job.due) if final.status == "pending" else final)

    # what people and keepers do

    def some_job(self, who, pick):
        """A job old or new, that would not make us wait."""
        ids = [*self.model.jobs, NOBODY]
        job_id = ids[pick % len(ids)]
        return job_id if self.model.is_free(who, self.model.jobs, job_id) else None

    @rule(who=WHO, pick=st.integers(0, 1000))
    def cancel(self, who, pick):
        if (job_id := self.some_job(who, pick)) is None:
            return
        job = self.model.job(who, job_id)
        answer = self.ask_once(who, "cancel_job(%s)", job_id)
        if job is None or job.status in ENDED:
            assert answer == ("P0002" if job is None else "55000")
            return
        changed = replace(job, cancel=True) if job.status == "processing" else job.ended("cancelled")
        assert answer == changed.status
        self.put(who, job_id, changed)

    @rule(who=WHO, pick=st.integers(0, 1000))
    def retry(self, who, pick):
        if (job_id := self.some_job(who, pick)) is None:
            return
        job = self.model.job(who, job_id)
        answer = self.ask_once(who, "retry_job(%s)", job_id)
        if job is None or job.status not in {"failed", "cancelled"}:
            assert answer == ("P0002" if job is None else "55000")
            return
        again = replace(job, status="pending", retry_count=0, worker=None, progress=None, reason=None)
        self.put_placed(who, job_id, again, due=True)

    @rule(who=WHO)
    def rescue(self, who):
        stale = [
            (job_id, job)
            for job_id, job in self.model.seen(who, "processing")
            if job.lapsed and self.model.is_free(who, self.model.jobs, job_id)
        ]
        assert self.ask(who, "rescue_stale_jobs()") == [(len(stale),)]
        for job_id, job in stale:
            self.put(who, job_id, job.given_up())

    @rule(queue=st.sampled_from("ab"))
    def pause_or_resume(self, queue):
        [name] = self.called(queue)
        paused = queue in self.model.paused
        self.watch.run("select hanjul.resume_queue(%s)" if paused else "select hanjul.pause_queue(%s)", name)
        self.model.paused ^= {queue}

    @rule(who=WHO)
    def roll_up(self, who):
        self.ask(who, "roll_up()")

    @precondition(lambda self: not self.model.in_transaction)
    @rule(really=SELDOM)
    def keep_days(self, really):
        if really:
            assert self.watch.one("select hanjul.keep_days(1)") == (0 if self.model.today_has_a_partition else 2)
            self.model.today_has_a_partition = True

    @precondition(lambda self: not self.model.in_transaction)
    @rule(really=SELDOM)
    def prune(self, really):
        """What ended today on a day without a partition is old enough; a day is dropped as a whole, so today is not."""
        if not really:
            return
        assert self.watch.one("select hanjul.prune('0')") == 0
        self.watch.run("select hanjul.prune_unique_keys('0')")
        if not self.model.today_has_a_partition:
            for job_id, _ in self.model.seen(None, *ENDED):
                self.model.jobs[job_id].committed = None
        for row in self.model.keys.values():
            if row.committed and self.model.job(None, row.committed) is None:
                row.committed = None

    # what everybody else sees, after every step

    @invariant()
    def the_database_holds_what_the_model_holds(self):
        rows = self.watch.rows("""
            select id, payload::int, queue, priority, max_retries, run_at, run_at <= clock_timestamp(), status, attempt,
                   retry_count, worker_id, coalesce(status = 'processing' and leased_until <= clock_timestamp(), false),
                   cancel_requested_at is not null, progress, error_message, reason, result::int
            from hanjul.job_queue order by id""")
        seen = self.model.seen(None, *LIVE, *ENDED)
        assert [(row[0], Version(*row[1:])) for row in rows] == [
            (i, replace(job, progress=pytest.approx(job.progress)) if job.progress else job) for i, job in seen
        ]

    @invariant()
    def who_has_ended_is_in_history_and_nobody_else(self):
        assert self.watch.one("""
            select count(*) from hanjul.job_queue q
            where (q.completed_at is not null) is distinct from (q.status not in ('pending', 'processing'))
               or q.completed_at < q.started_at or hanjul._status(q.id) is distinct from q.status""") == 0  # fmt: skip

    @invariant()
    def the_counts_are_the_truth(self):
        counted = self.watch.rows("select queue, kind, status, n from hanjul.job_counts()")
        truth = "select queue, kind, status, count(*) from hanjul.job_queue group by 1, 2, 3 order by 1, 2, 3"
        assert counted == self.watch.rows(truth)

    @invariant()
    def idle_workers_are_told_of_what_is_ready_and_of_nothing_else(self):
        told = dict(self.watch.rows("select queue, due_in_s <= 0 from hanjul.ready_jobs(%s)", self.called("ab")))
        ready = {name for name in self.called("ab") if self.model.ready(None, name)}
        assert {name for name, now in told.items() if now} == ready

    @invariant()
    def each_key_is_held_by_whom_it_was_given_to(self):
        held = {key: row.committed for key, row in self.model.keys.items() if row.committed}
        assert dict(self.watch.rows("select unique_key, job_id from hanjul.job_unique")) == held


def test_any_order_of_calls_does_what_the_model_says(connect):
    class JobsOfThisTest(Jobs):
        sessions = [connect() for _ in range(3)]  # noqa: RUF012
        watch = connect()

    for session in JobsOfThisTest.sessions:
        session.run("set lock_timeout = '5s'")
    search = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )

    run_state_machine_as_test(JobsOfThisTest, settings=search)

    assert JobsOfThisTest.watch.one("select count(*) from pg_locks where locktype = 'advisory'") == 0
