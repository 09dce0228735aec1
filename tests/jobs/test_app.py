"""An app that declares jobs and works on them, from enqueueing to the result."""

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import pytest
from tests.jobs import work

from hanjul import App, BadInput, Handle, InvalidMessage, InvalidSettings, Job, JobFailed, Nack, Reject, Retry, Settings
from hanjul.jobs import Jobs
from hanjul.model.outcome import Ack
from hanjul.testing.waiting import until


@dataclass
class Recording:
    session_id: int
    words: list[str]


async def ended(handle: Handle) -> str:
    async with asyncio.timeout(20):
        while not (record := await handle.get()).ended:
            await asyncio.sleep(0.02)
    return record.status


@pytest.mark.parametrize("is_async", [True, False], ids=["coroutine", "plain function"])
async def test_a_job_runs_with_its_payload_and_its_result_comes_back(app: App, is_async: bool) -> None:
    async def transcribe(recording: Recording) -> dict[str, Any]:
        return {"text": " ".join(recording.words), "session": recording.session_id}

    def transcribe_in_a_thread(recording: Recording) -> dict[str, Any]:
        assert threading.current_thread() is not threading.main_thread()
        return {"text": " ".join(recording.words), "session": recording.session_id}

    app.job("transcribe")(transcribe if is_async else transcribe_in_a_thread)

    async with app:
        handle = await app.jobs.enqueue("transcribe", Recording(7, ["one", "queue"]), key="session-7")
        result = await handle.result(timeout_s=20)
        record = await handle.get()

    assert result == {"text": "one queue", "session": 7}
    assert (record.status, record.worker_id, record.key, record.progress) == ("completed", "w1", "session-7", 1.0)


async def test_a_declared_function_is_enqueued_by_itself_with_its_own_options(app: App) -> None:
    @app.job(queue="stt", priority=-1, max_retries=7, timeout_s=2.5)
    async def listen(_payload: Any) -> None:
        await asyncio.sleep(0)

    async with app:
        record = await (await app.jobs.enqueue(listen, [1], delay=60)).get()
        other = await (await app.jobs.enqueue(listen, [1], queue="fast", priority=3, max_retries=0, delay=60)).get()

    assert (record.kind, record.queue, record.priority, record.max_retries) == ("listen", "stt", -1, 7)
    assert (other.queue, other.priority, other.max_retries) == ("fast", 3, 0)


async def test_a_process_that_only_enqueues_knows_the_kinds_and_works_on_none(app: App) -> None:
    @app.job("mail", queue="post", max_retries=7)
    async def mail(_payload: Any) -> str:
        return "sent"

    async with app.clients():
        handle = await app.jobs.enqueue(mail, {"to": "ada"})
        await asyncio.sleep(0.3)
        record = await handle.get()
        with pytest.raises(InvalidSettings, match="this app runs already"):
            await app.start()
    async with app:
        assert await app.jobs.result(handle.id, timeout_s=20) == "sent"
        with pytest.raises(InvalidSettings, match="this app runs"):
            async with app.clients():
                pytest.fail("it was opened twice")

    assert (record.status, record.queue, record.max_retries) == ("pending", "post", 7)


async def test_a_payload_that_does_not_fit_its_kind_is_refused_where_it_is_enqueued(app: App) -> None:
    @app.job("transcribe")
    async def transcribe(_recording: Recording) -> None:
        pytest.fail("it ran")

    async with app:
        with pytest.raises(InvalidMessage, match="session_id"):
            await app.jobs.enqueue("transcribe", {"words": []})
        assert await app.jobs.counts() == []


async def test_a_payload_that_does_not_fit_where_it_arrives_has_failed_and_says_why(app: App, jobs: Jobs) -> None:
    @app.job("transcribe")
    async def transcribe(_recording: Recording) -> None:
        pytest.fail("it ran")

    handle = await jobs.enqueue("transcribe", {"words": []})
    async with app:
        assert await ended(handle) == "failed"

    record = await handle.get()
    assert record.reason == "decode_error"
    assert "session_id" in (record.error_message or "")


async def test_a_job_fails_retries_after_its_backoff_and_fails_for_good(app: App) -> None:
    attempts = []

    @app.job("mail", max_retries=2, retry=Retry(base_s=0.01, jitter=0))
    async def mail(job: Job[Any]) -> None:
        attempts.append(job.attempt)
        raise ConnectionError("no route")

    async with app:
        handle = await app.jobs.enqueue("mail")
        with pytest.raises(JobFailed, match=r"\(mail\) failed: ConnectionError: no route"):
            await handle.result(timeout_s=20)
        record = await handle.get()

    assert attempts == [1, 2, 3]
    assert (record.status, record.retry_count, record.reason) == ("failed", 2, "max_attempts")


async def test_a_handler_steers(app: App) -> None:
    seen = []

    @app.job("steered")
    async def steered(job: Job[str]) -> None:
        seen.append(job.attempt)
        if job.body == "reject":
            raise Reject("no such user")
        if job.attempt == 1:
            raise Nack("soon", delay_s=0)

    async with app:
        again, rejected = await app.jobs.enqueue("steered", "nack"), await app.jobs.enqueue("steered", "reject")
        assert (await ended(again), await ended(rejected)) == ("completed", "failed")
        record = await rejected.get()

    assert (record.reason, record.error_message) == ("rejected", "no such user")


async def test_a_result_that_is_no_json_is_a_failure(app: App) -> None:
    @app.job("odd", max_retries=0)
    async def odd(_payload: Any) -> object:
        return object()

    async with app:
        handle = await app.jobs.enqueue("odd")
        with pytest.raises(JobFailed, match="JSON"):
            await handle.result(timeout_s=20)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"text": "a\0b"}, "no place in it"),
        (Ack("1e400000"), "overflow"),
        (Ack("[" * 100_000 + "]" * 100_000), "nested too deeply"),
        (Ack("no json"), "not JSON"),
        (Ack({"text": "a"}), "takes JSON text"),  # type: ignore[arg-type]  # what a user may do all the same
        (Ack("\ud800"), "no text"),
    ],
    ids=["NUL", "number", "nested", "no JSON", "no text", "surrogate"],
)
async def test_a_result_that_cannot_be_stored_is_a_failed_attempt_and_says_why(app: App, result: Any, words: str) -> None:
    runs = []

    @app.job("odd", max_retries=0)
    async def odd(_payload: Any) -> object:
        runs.append(1)
        return result

    async with app:
        handle = await app.jobs.enqueue("odd")
        with pytest.raises(JobFailed, match=words):
            await handle.result(timeout_s=20)
        record = await handle.get()

    assert (len(runs), record.attempt, record.retry_count, record.reason) == (1, 1, 0, "max_attempts")


@pytest.mark.parametrize("way", ["value", "Ack returned", "Ack raised", "process"])
async def test_a_result_of_too_many_bytes_is_a_failed_attempt_and_one_of_as_many_is_kept(dsn: str, way: str) -> None:
    app = App(config=Settings(database_url=dsn, max_message_bytes=100))

    async def long(length: int) -> object:
        if way == "value":
            return "x" * length
        ack = Ack('"' + "x" * length + '"')
        if way == "Ack raised":
            raise ack
        return ack

    app.job("long", max_retries=0, executor="process" if way == "process" else "here")(work.text if way == "process" else long)

    async with app:
        too_long, fits = await app.jobs.enqueue("long", 99), await app.jobs.enqueue("long", 98)
        with pytest.raises(JobFailed, match=r"the result is 101 bytes of JSON; the limit is 100\."):
            await too_long.result(timeout_s=20)
        assert await fits.result(timeout_s=20) == "x" * 98


@pytest.mark.parametrize("is_async", [True, False], ids=["coroutine", "plain function"])
async def test_progress_is_seen_while_the_job_runs(app: App, is_async: bool) -> None:
    go = threading.Event()

    async def pages(job: Job[Any]) -> None:
        await job.progress(0.4, "page 3 of 8")
        await asyncio.to_thread(go.wait, 20)

    def pages_in_a_thread(job: Job[Any]) -> None:
        job.progress(0.4, "page 3 of 8")
        go.wait(20)

    app.job("pages")(pages if is_async else pages_in_a_thread)

    async with app:
        handle = await app.jobs.enqueue("pages")
        async with asyncio.timeout(20):
            while (record := await handle.get()).progress is None:
                await asyncio.sleep(0.02)
        go.set()
        await ended(handle)

    assert (record.progress, record.progress_note, record.status) == (pytest.approx(0.4), "page 3 of 8", "processing")


async def test_a_pending_job_is_cancelled_and_its_waiter_hears_of_it(jobs: Jobs) -> None:
    handle = await jobs.enqueue("mail")

    assert await handle.cancel() == "cancelled"

    with pytest.raises(JobFailed, match="was cancelled"):
        await handle.result()


async def test_a_running_job_is_cancelled_when_its_lease_is_renewed(app: App) -> None:
    cancelled = []

    @app.job("long")
    async def long(job: Job[Any]) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(job.id)
            raise

    app.job_workers("default", concurrency=1, lease_s=0.6)
    async with app:
        handle = await app.jobs.enqueue("long")
        await until(lambda: app.consumers[0]._pool.running)
        assert await handle.cancel() == "processing"
        assert await ended(handle) == "cancelled"

    assert cancelled == [str(handle.id)]


async def test_a_job_longer_than_its_lease_runs_once(app: App) -> None:
    runs = []

    @app.job("long")
    def long(job: Job[Any]) -> None:
        runs.append(job.fence)
        threading.Event().wait(2)

    app.job_workers("default", concurrency=2, lease_s=0.5)
    async with app:
        assert await ended(await app.jobs.enqueue("long")) == "completed"

    assert runs == [1]


async def test_a_job_of_a_kind_that_no_worker_knows_is_parked_with_a_word(app: App, jobs: Jobs) -> None:
    @app.job("known")
    async def known(_payload: Any) -> None:
        await asyncio.sleep(0)

    strange = await jobs.enqueue("strange")
    async with app:
        assert await ended(await jobs.enqueue("known")) == "completed"
        async with asyncio.timeout(20):
            while (record := await strange.get()).error_message is None:
                await asyncio.sleep(0.02)

    assert (record.status, record.retry_count) == ("pending", 0)
    assert record.error_message == "no worker has taken it that knows jobs of kind 'strange'"


async def test_queues_with_workers_of_their_own_do_not_share(app: App) -> None:
    inside: dict[str, int] = {}
    most: dict[str, int] = {}

    def counted(queue: str) -> Any:
        async def handle(_payload: Any) -> None:
            inside[queue] = inside.get(queue, 0) + 1
            most[queue] = max(most.get(queue, 0), inside[queue])
            await asyncio.sleep(0.02)
            inside[queue] -= 1

        return handle

    app.job("slow", queue="slow")(counted("slow"))
    app.job("fast", queue="fast")(counted("fast"))
    app.job_workers("slow", concurrency=1)
    app.job_workers({"fast": 3}, concurrency=5)
    async with app:
        ids = [*await app.jobs.enqueue_many("slow", range(5)), *await app.jobs.enqueue_many("fast", range(20))]
        for job_id in ids:
            await app.jobs.result(job_id, timeout_s=20)

    assert most == {"slow": 1, "fast": 5}


async def test_a_stopped_worker_gives_back_what_it_has_not_started(app: App, jobs: Jobs) -> None:
    release = asyncio.Event()

    @app.job("long")
    async def long(_payload: Any) -> None:
        await release.wait()

    app.job_workers("default", concurrency=1, prefetch=10)
    async with app:
        await jobs.enqueue_many("long", range(5))
        await until(lambda: app.consumers[0]._pool.buffered == 4)
        stopping = asyncio.create_task(app.stop())
        await asyncio.sleep(0.05)
        release.set()
        assert await stopping

    assert {(count.status, count.n) for count in await jobs.counts()} == {("completed", 1), ("pending", 4)}
    assert {job.retry_count for job in await jobs.list("pending")} == {0}


def test_what_cannot_be_declared_is_refused(app: App) -> None:
    @app.job("mail")
    async def mail(_payload: Any) -> None: ...

    with pytest.raises(InvalidSettings, match="there is a job 'mail' already"):
        app.job("mail")(mail)
    with pytest.raises(InvalidSettings, match="needs a kind"):
        app.job("")(lambda payload: None)
    with pytest.raises(InvalidSettings, match="weights that are whole numbers above 0"):
        app.job_workers({"a": 0})
    app.job_workers("a")
    with pytest.raises(InvalidSettings, match="queue 'a' has job workers already"):
        app.job_workers({"a": 1, "b": 1})
    with pytest.raises(InvalidSettings, match="jobs need the postgres driver"):
        App(driver="memory").job("mail")(mail)
    with pytest.raises(InvalidSettings, match=r"app\.jobs is there while the app runs"):
        _ = app.jobs


NAN = float("nan")
IMPOSSIBLE: dict[str, tuple[dict[str, Any], str]] = {
    "retry": ({"retry": 3}, r"retry of job 'bad' must be a Retry, as in Retry\(base_s=5\), not 3"),
    "no retry": ({"retry": 0}, "must be a Retry"),
    "timeout as text": ({"timeout_s": "5"}, "timeout_s must be a number of seconds, not '5'"),
    "negative timeout": ({"timeout_s": -1}, "timeout_s must be more than 0 and at most 315360000, not -1"),
    "timeout NaN": ({"timeout_s": NAN}, "timeout_s must be a number of seconds, not nan"),
    "negative retries": ({"max_retries": -1}, "max_retries must be between 0 and 1000, not -1"),
    "broken retries": ({"max_retries": 1.5}, "max_retries must be a whole number, not 1.5"),
    "priority": ({"priority": 10**12}, "priority must be between -2147483648 and 2147483647, not 1000000000000"),
    "no queue": ({"queue": ""}, "job 'bad': queue must be text of 1 to 200 characters, not ''"),
    "queue": ({"queue": 7}, "queue must be text of 1 to 200 characters, not 7"),
    "kind with NUL": ({"kind": "a\x00b"}, r"kind must be text without NUL, not 'a\\x00b'"),
    "kind with half a character": ({"kind": "a\ud800"}, r"kind must be text that UTF-8 can write, not 'a\\ud800'"),
    "long kind": ({"kind": "k" * 201}, "kind must be text of 1 to 200 characters, not 'kkk"),
    "kind": ({"kind": 7}, "needs a kind, as in .*, not 7"),
    "unique": ({"unique": "key"}, r"unique must be a hanjul\.Unique, not 'key'"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
async def test_a_job_that_cannot_be_is_refused_where_it_is_declared_and_leaves_nothing(app: App, jobs: Jobs, case: str) -> None:
    arguments, words = IMPOSSIBLE[case]

    with pytest.raises(InvalidSettings, match=words):
        app.job(**{"kind": "bad", **arguments})(lambda payload: None)

    @app.job("bad")
    async def good(_payload: Any) -> str:
        return "well"

    async with app:
        assert await (await jobs.enqueue("bad")).result(timeout_s=20) == "well"


def test_a_job_declared_without_parentheses_is_told_to_take_them(app: App) -> None:
    with pytest.raises(InvalidSettings, match=r"@app\.job needs parentheses: @app\.job\(\)"):
        app.job(lambda payload: None)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(InvalidSettings, match=r"@app\.cron needs its times"):
        app.cron(lambda: None)  # type: ignore[arg-type]
    with pytest.raises(InvalidSettings, match=r"@app\.consumer needs a queue"):
        app.consumer(lambda body: None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"concurrency": 0}, "concurrency must be from 1 to 1000, not 0"),
        ({"concurrency": "x"}, "concurrency must be from 1 to 1000, not 'x'"),
        ({"concurrency": 1.5, "prefetch": 1}, r"whole numbers, not 1\.5, 1"),
        ({"prefetch": 0}, "prefetch must be from 1 to 10000, not 0"),
        ({"prefetch": -1}, "prefetch must be from 1 to 10000, not -1"),
        ({"lease_s": 0}, r"lease_s must be from 0\.1 to 86400, not 0"),
        ({"lease_s": "x"}, "lease_s must be from .*, not 'x'"),
        ({"stop_timeout_s": -1}, "stop_timeout_s must be from 0 to 86400, not -1"),
        ({"queues": ""}, "job workers: queue must be text of 1 to 200 characters, not ''"),
        ({"queues": [7]}, "queue must be text of 1 to 200 characters, not 7"),
        ({"queues": 7}, "job workers need the names of their queues, not 7"),
    ],
)
def test_workers_that_cannot_be_are_refused_where_they_are_declared(app: App, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidSettings, match=words):
        app.job_workers(**{"queues": "a", **arguments})
    app.job_workers("a")


async def test_a_function_that_is_no_job_is_not_enqueued(jobs: Jobs) -> None:
    with pytest.raises(BadInput, match="is not declared as a job here"):
        await jobs.enqueue(ended, 1)
