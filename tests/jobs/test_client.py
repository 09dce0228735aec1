"""The job client and its twin."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from hanjul import BadInput, InvalidMessage, InvalidStatus, JobConflict, JobNotFound, JobsSync, MessageTooLarge, Once, Unique
from hanjul.jobs import Jobs
from hanjul.postgres import Database
from hanjul.postgres.database_sync import DatabaseSync

NOBODY = UUID("01900000-0000-7000-8000-000000000000")


async def test_many_are_enqueued_in_one_commit_and_in_their_order(jobs: Jobs) -> None:
    ids = await jobs.enqueue_many("mail", ({"n": n} for n in range(4500)), queue="bulk", metadata={"who": 1})

    assert len(set(ids)) == 4500
    assert [job.payload["n"] for job in await jobs.list("pending", limit=5)] == [4499, 4498, 4497, 4496, 4495]
    assert list(ids) == sorted(ids)


async def test_one_bad_payload_among_many_enqueues_none(jobs: Jobs) -> None:
    with pytest.raises(BadInput):
        await jobs.enqueue_many("mail", [1] * 3000 + [float("nan")])
    with pytest.raises(BadInput, match="payloads must be a list"):
        await jobs.enqueue_many("mail", "payload")

    assert await jobs.counts() == []


async def test_a_job_is_there_when_the_users_transaction_commits_and_not_before(jobs: Jobs, dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(dsn) as conn:
        kept = await jobs.enqueue("mail", tx=conn)
        with pytest.raises(JobNotFound):
            await kept.get()
        await conn.commit()
        lost = await jobs.enqueue("mail", tx=conn)
        await conn.rollback()

    assert (await kept.get()).status == "pending"
    with pytest.raises(JobNotFound, match="does not exist, or was pruned"):
        await lost.get()


@pytest.mark.parametrize(
    ("unique", "same", "other"),
    [
        (Unique(key="k"), ({"a": 1}, {"a": 2}), None),
        (Unique(payload=True), ({"a": 1, "b": 2}, {"b": 2, "a": 1}), {"a": 2}),
        (Unique(fields=("a",)), ({"a": 1, "b": 1}, {"a": 1, "b": 2}), {"a": 2}),
    ],
    ids=["key", "payload", "fields"],
)
async def test_jobs_that_are_alike_in_what_is_named_are_one(jobs: Jobs, unique: Unique, same: Any, other: Any) -> None:
    first, second = [await jobs.enqueue("mail", payload, unique=unique) for payload in same]

    assert first.id == second.id
    assert (await jobs.enqueue("other kind", same[0], unique=unique)).id != first.id
    if other is not None:
        assert (await jobs.enqueue("mail", other, unique=unique)).id != first.id


async def test_a_conflict_raises_if_asked_to(jobs: Jobs) -> None:
    first = await jobs.enqueue("mail", unique=Unique(key="k"))

    with pytest.raises(JobConflict, match=str(first.id)):
        await jobs.enqueue("mail", unique=Unique(key="k", on_conflict="raise"))
    with pytest.raises(BadInput, match="needs a payload with that field"):
        await jobs.enqueue("mail", {"a": 1}, unique=Unique(fields=("b",)))


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "kind": ({"kind": ""}, BadInput, "kind must be text of 1 to 200 characters, not ''"),
    "NaN": ({"payload": float("nan")}, InvalidMessage, ""),
    "NUL": ({"payload": "a\x00b"}, InvalidMessage, "u0000"),
    "too large": ({"payload": "x" * 2000}, MessageTooLarge, "the limit is 1,000"),
    "no JSON": ({"payload": object()}, InvalidMessage, ""),
    "negative retries": ({"max_retries": -1}, BadInput, "max_retries must be between 0 and 1000, not -1"),
    "no time zone": ({"run_at": datetime(2030, 1, 1)}, BadInput, "run_at must be a datetime with a time zone"),
    "year 9999": ({"run_at": datetime(9999, 1, 1, tzinfo=UTC)}, BadInput, "ten years from now"),
    "negative delay": ({"delay": -1}, BadInput, "delay_s must be between 0"),
    "delay": ({"delay": "soon"}, BadInput, "delay must be seconds or a timedelta, not 'soon'"),
    "both": ({"delay": timedelta(1), "run_at": datetime.now(UTC)}, BadInput, "exclude each other"),
    "timeout": ({"timeout_s": 0}, BadInput, "timeout_s must be more than 0"),
    "timeout as text": ({"timeout_s": "5"}, BadInput, "timeout_s must be a number of seconds, not '5'"),
    "key": ({"key": "k" * 1001}, BadInput, "key must have at most 1000 characters"),
    "half a character in the key": ({"key": "k\ud800"}, BadInput, r"key must be text that UTF-8 can write, not 'k\ud800'"),
    "half a character in the kind": ({"kind": "k\ud800"}, BadInput, r"kind must be text that UTF-8 can write, not 'k\ud800'"),
    "half a character in the queue": ({"queue": "\ud800"}, BadInput, r"queue must be text that UTF-8 can write, not '\ud800'"),
    "NUL in the kind": ({"kind": "k\x00"}, BadInput, r"kind must be text without NUL, not 'k\x00'"),
    "key that is no text": ({"key": 7}, BadInput, "key must be text, not 7"),
    "broken priority": ({"priority": 0.5}, BadInput, "priority must be a whole number, not 0.5"),
    "unique": ({"unique": "abc"}, BadInput, "unique must be a hanjul.Unique, not 'abc'"),
    "once": ({"once": "abc"}, BadInput, "once must be a hanjul.Once, not 'abc'"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_enqueued_is_refused_and_says_why(dsn: str, case: str) -> None:
    arguments, error, words = REFUSED[case]
    async with Jobs(Database(dsn), max_payload_bytes=1000) as jobs:
        with pytest.raises(error) as refused:
            await jobs.enqueue(**{"kind": "mail", **arguments})

        assert words in str(refused.value)
        assert "CONTEXT" not in str(refused.value)
        assert await jobs.counts() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"for_s": float("nan")}, "for_s of Unique must be a number of seconds, not nan"),
        ({"for_s": 0}, "for_s of Unique must be more than 0 and at most 315360000, not 0"),
        ({"key": 7}, "key of Unique must be text, not 7"),
        ({"fields": "a"}, r"fields of Unique must be names, as in \('session_id',\), not 'a'"),
        ({"over": ()}, r"over of Unique must be statuses, as in .*, not \(\)"),
        ({"over": ("gone",)}, "over of Unique must be pending, processing, .* or cancelled, not 'gone'"),
        ({"on_conflict": "fight"}, "on_conflict must be keep, replace or raise, not 'fight'"),
    ],
)
def test_a_uniqueness_that_cannot_be_is_refused_where_it_is_said(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Unique(**arguments)


async def test_questions_that_cannot_be_are_refused_and_name_the_value(jobs: Jobs) -> None:
    handle = await jobs.enqueue("mail")

    with pytest.raises(BadInput, match="status must be pending, processing, completed, failed or cancelled, not 'zz'"):
        await jobs.list("zz")  # type: ignore[arg-type]  # that is the point
    with pytest.raises(BadInput, match="key must be text that UTF-8 can write"):
        await jobs.list("pending", key="\ud800")
    with pytest.raises(BadInput, match="payloads must be a list, not None"):
        await jobs.enqueue_many("mail", None)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="timeout_s must be a number of seconds, not '5'"):
        await handle.result(timeout_s="5")  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="queue must be text of 1 to 200 characters, not ''"):
        await jobs.pause("")
    with pytest.raises(BadInput, match="key of Once must be text, not 7"):
        Once(7)  # type: ignore[arg-type]


async def test_what_does_not_exist_or_has_ended_says_so(jobs: Jobs) -> None:
    handle = await jobs.enqueue("mail")
    await handle.cancel()

    with pytest.raises(InvalidStatus, match="cannot be cancelled: it is cancelled"):
        await handle.cancel()
    for call in (jobs.get, jobs.cancel, jobs.retry, jobs.result):
        with pytest.raises(JobNotFound, match=str(NOBODY)):
            await call(NOBODY)
        with pytest.raises(BadInput, match="a job's id is a UUID, not 'seven'"):
            await call("seven")


async def test_a_cancelled_job_can_be_tried_again(jobs: Jobs) -> None:
    handle = await jobs.enqueue("mail")
    await handle.cancel()

    await jobs.retry(handle.id)

    assert (await handle.get()).status == "pending"
    with pytest.raises(InvalidStatus, match="cannot be retried: it is pending"):
        await jobs.retry(handle.id)


async def test_waiting_for_a_result_ends_in_time(jobs: Jobs) -> None:
    handle = await jobs.enqueue("mail")

    with pytest.raises(TimeoutError, match=r"had not ended after 0\.1 s"):
        await handle.result(timeout_s=0.1)


async def test_jobs_are_listed_by_queue_kind_and_key(jobs: Jobs) -> None:
    await jobs.enqueue("a", key="k")
    await jobs.enqueue("a", queue="q")
    await jobs.enqueue("b")

    assert len(await jobs.list("pending")) == 3
    assert [job.kind for job in await jobs.list("pending", key="k")] == ["a"]
    assert [job.queue for job in await jobs.list("pending", kind="a", queue="q")] == ["q"]
    assert {(count.queue, count.kind, count.n) for count in await jobs.counts()} == {
        ("default", "a", 1),
        ("q", "a", 1),
        ("default", "b", 1),
    }


async def test_a_request_that_arrives_twice_makes_one_job_whatever_the_order_of_its_fields(jobs: Jobs) -> None:
    asked = [{"a": 1, "b": [2**70, 0.5]}, {"b": [2**70, 0.5], "a": 1}]
    how = {"delay": timedelta(minutes=1), "unique": Unique(fields=("a",)), "metadata": {"who": 1}}

    ids = {(await jobs.enqueue("mail", payload, once=Once("k"), **how)).id for payload in asked}  # type: ignore[arg-type]

    assert len(ids) == 1
    with pytest.raises(BadInput, match='the idempotency key "k" was used for another request'):
        await jobs.enqueue("mail", asked[0], once=Once("k"))
    with pytest.raises(BadInput, match="must be text of 1 to 255 characters"):
        await jobs.enqueue("mail", once=Once(""))


async def test_two_requests_at_once_make_one_job(jobs: Jobs) -> None:
    handles = await asyncio.gather(*[jobs.enqueue("mail", n, once=Once("k", "upload 7")) for n in range(8)])

    assert len({handle.id for handle in handles}) == 1
    assert [(count.status, count.n) for count in await jobs.counts()] == [("pending", 1)]


async def test_queues_and_what_runs_are_shown(jobs: Jobs, dsn: str) -> None:
    handle = await jobs.enqueue("mail", queue="fast")
    await jobs.enqueue("mail", queue="slow")
    await jobs.pause("slow", reason="deploy")
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("select from hanjul.fetch_next_job('w1', 'fast', 60)")

    fast, slow = await jobs.queue_status()
    [running] = await jobs.processing(queue="fast")

    assert (fast.queue, fast.pending, fast.processing, fast.oldest_waiting_s, fast.paused_at) == ("fast", 0, 1, None, None)
    assert (slow.queue, slow.pending, slow.pause_reason) == ("slow", 1, "deploy")
    assert slow.oldest_waiting_s is not None
    assert (running.id, running.worker_id, running.attempt) == (handle.id, "w1", 1)
    assert 0 < running.lease_left_s <= 60
    assert await jobs.processing(before=running.id) == []


async def test_the_twin_for_threads_does_the_same(dsn: str) -> None:
    def in_a_thread() -> None:
        with JobsSync(DatabaseSync(dsn)) as jobs:
            handle = jobs.enqueue("mail", {"to": "ada"}, key="k")
            assert jobs.get(handle.id).payload == {"to": "ada"}
            assert len(jobs.enqueue_many("mail", range(3))) == 3
            with pytest.raises(TimeoutError):
                handle.result(timeout_s=0.05)
            assert handle.cancel() == "cancelled"
            jobs.pause("default", reason="deploy")
            jobs.resume("default")

    await asyncio.to_thread(in_a_thread)
