"""The app without an event loop: `for message in app.queue(...).consume()`, in programs that are all threads."""

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import psycopg
import pytest

from hanjul import AlreadySettled, AppSync, InvalidSettings, LeaseLost, QueueNotFound, Retry

AT_ONCE = Retry(base_s=0.01, jitter=0)


@pytest.fixture
def app(dsn: str) -> Iterator[AppSync]:
    with AppSync(dsn) as app:
        app.queues.create("mail")
        yield app


def send(app: AppSync, *bodies: object) -> None:
    app.queues.send_batch("mail", bodies)


def size(app: AppSync) -> int:
    return app.queues.metrics("mail").queue_length


def first(app: AppSync, **how: Any) -> Any:
    """Body and attempt of the next message, which is acked."""
    with closing(app.queue("mail").consume(**how)) as messages:
        message = next(messages)
        message.ack()
    return message.body, message.attempt


def test_a_message_is_acked_when_the_next_is_asked_for(app: AppSync) -> None:
    send(app, 1, 2, 3)
    left = []

    for message in app.queue("mail").consume():
        left.append((message.body, size(app)))
        if message.body == 3:
            message.ack()
            break

    assert [body for body, _ in left] == [1, 2, 3]
    assert [count >= 4 - body for body, count in left] == [True] * 3  # none is acked before its turn is over
    assert size(app) == 0


def test_a_loop_that_is_left_has_failed_its_message_and_gives_the_rest_back(app: AppSync) -> None:
    send(app, 1, 2)

    for message in app.queue("mail").consume(retry=AT_ONCE):
        assert message.body == 1
        break

    assert {first(app), first(app)} == {(1, 2), (2, 1)}


def test_an_exception_in_the_loop_fails_the_message(app: AppSync) -> None:
    send(app, 1)

    def divide() -> None:
        for message in app.queue("mail").consume(retry=AT_ONCE):
            1 // (message.body - 1)

    with pytest.raises(ZeroDivisionError):
        divide()

    assert first(app) == (1, 2)


def test_the_lease_lasts_as_long_as_the_body_of_the_loop(app: AppSync) -> None:
    send(app, 1)

    for message in app.queue("mail").consume(lease_s=0.5):
        begun = threading.Event()
        for _ in range(15):
            begun.wait(0.1)
            assert app.queues.read("mail", vt=0) == []
        message.ack()
        break

    assert size(app) == 0


def test_bodies_come_as_their_type(app: AppSync) -> None:
    @dataclass
    class Mail:
        to: str

    app.queues.send("mail", {"to": "ada"}, headers={"trace": "a"})

    for message in app.queue("mail", into=Mail).consume():
        assert (message.body, message.headers, message.queue, message.attempt) == (Mail("ada"), {"trace": "a"}, "mail", 1)
        assert message.log_fields == {"queue": "mail", "msg_id": message.id, "attempt": 1}
        break


@pytest.mark.parametrize(("way", "left", "dead"), [("ack", 0, 0), ("nack", 1, 0), ("release", 1, 0), ("reject", 0, 1)])
def test_what_is_settled_by_hand_is_durable_when_the_call_returns_and_settled_once(
    app: AppSync, way: str, left: int, dead: int
) -> None:
    send(app, 1)

    for message in app.queue("mail").consume():
        getattr(message, way)(**({"delay_s": 60} if left else {}))
        assert (size(app), len(app.queues.dead_letters("mail"))) == (left, dead)
        assert message.settled
        with pytest.raises(AlreadySettled):
            message.ack()
        break


def test_who_has_lost_the_lease_is_told(app: AppSync) -> None:
    send(app, 1)

    for message in app.queue("mail").consume():
        app.queues.set_vt("mail", message.id, vt=0)
        app.queues.read("mail")
        with pytest.raises(LeaseLost):
            message.ack()
        break


@pytest.fixture
def ledger(dsn: str) -> Iterator[Callable[[], list[int]]]:
    """A table of the test's own; call it for what is written there."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create table ledger (key int)")
        yield lambda: [key for (key,) in connection.execute("select key from ledger").fetchall()]


def test_writes_and_ack_commit_together(app: AppSync, ledger: Callable[[], list[int]]) -> None:
    send(app, 7)

    for message in app.queue("mail").consume():
        with message.transaction() as conn:
            conn.execute("insert into ledger values (%s)", [message.body])
            assert (ledger(), size(app)) == ([], 1)
        assert (ledger(), size(app)) == ([7], 0)
        with pytest.raises(AlreadySettled):
            message.ack()
        break


def test_a_transaction_that_fails_has_written_nothing_and_the_message_comes_again(
    app: AppSync, ledger: Callable[[], list[int]]
) -> None:
    send(app, 7)

    def divide() -> None:
        for message in app.queue("mail").consume(retry=AT_ONCE):
            with message.transaction() as conn:
                conn.execute("insert into ledger values (%s)", [message.body])
                1 // (message.attempt - 1)
            break

    with pytest.raises(ZeroDivisionError):
        divide()
    assert (ledger(), size(app)) == ([], 1)
    divide()
    assert (ledger(), size(app)) == ([7], 0)


def test_a_transaction_of_a_lost_lease_commits_nothing(app: AppSync, ledger: Callable[[], list[int]]) -> None:
    send(app, 7)

    def book() -> None:
        for message in app.queue("mail").consume():
            with message.transaction() as conn:
                conn.execute("insert into ledger values (%s)", [message.body])
                app.queues.set_vt("mail", message.id, vt=0)
                app.queues.read("mail")

    with pytest.raises(LeaseLost):
        book()
    assert (ledger(), size(app)) == ([], 1)


def test_a_loop_that_waits_ends_when_another_thread_stops_the_app(dsn: str) -> None:
    app = AppSync(dsn)
    app.start()
    app.queues.create("mail")
    send(app, 1)
    seen: list[int] = []
    has_seen = threading.Event()

    def work() -> None:
        for message in app.queue("mail").consume():
            seen.append(message.body)
            has_seen.set()

    worker = threading.Thread(target=work)
    worker.start()
    assert has_seen.wait(20)
    assert app.stop() is True
    worker.join(20)

    assert not worker.is_alive()
    with AppSync(dsn) as again:
        assert (seen, size(again)) in [([1], 0), ([1], 1)]  # acked, unless the stop came before the worker asked for the next


def test_a_loop_that_is_forgotten_does_not_outlive_the_app(dsn: str) -> None:
    with AppSync(dsn) as app:
        app.queues.create("mail")
        send(app, 1, 2)
        forgotten = app.queue("mail").consume(retry=AT_ONCE)
        next(forgotten)

    with pytest.raises(InvalidSettings):
        next(forgotten)
    with AppSync(dsn) as app:
        assert {first(app), first(app)} == {(1, 2), (2, 1)}


def test_loops_of_several_threads_share_a_queue(app: AppSync) -> None:
    send(app, *range(40))
    seen: list[int] = []

    def work() -> None:
        with closing(app.queue("mail").consume(prefetch=1)) as messages:
            for message in islice(messages, 10):
                message.ack()
                seen.append(message.body)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)

    assert sorted(seen) == list(range(40))


def test_declared_consumers_run_beside_the_program(dsn: str) -> None:
    app, seen, done = AppSync(dsn), [], threading.Event()

    @app.consumer("mail")
    def handle(body: int) -> None:
        seen.append((body, threading.current_thread() is threading.main_thread()))
        done.set()

    with pytest.raises(QueueNotFound):
        app.start()
    with AppSync(dsn) as other:
        other.queues.create("mail")
    with app:
        send(app, 1)
        assert done.wait(20)

    assert seen == [(1, False)]


def test_it_can_be_started_again_and_leaves_no_thread(dsn: str) -> None:
    app = AppSync(dsn)
    before = set(threading.enumerate())
    for _ in range(2):
        with app:
            app.queues.create("mail")
            send(app, 1)
            assert first(app) == (1, 1)
            with pytest.raises(InvalidSettings, match="runs already"):
                app.start()

    gc.collect()
    assert {thread for thread in set(threading.enumerate()) - before if thread.name.startswith("hanjul")} == set()


def test_an_app_that_does_not_run_has_nothing_to_consume(dsn: str) -> None:
    app = AppSync(dsn)

    with pytest.raises(InvalidSettings, match="an app that runs"):
        next(app.queue("mail").consume())
    with pytest.raises(InvalidSettings, match="while the app runs"):
        _ = app.queues
    assert app.stop() is True


def test_a_queue_that_is_not_there_is_told_at_the_first_message(app: AppSync) -> None:
    with pytest.raises(QueueNotFound):
        next(app.queue("nowhere").consume())


SCRIPT = """
import signal
import sys
import hanjul

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background may have it ignored
app = hanjul.AppSync(sys.argv[1])
app.start()
for message in app.queue("mail").consume(prefetch=1, retry=hanjul.Retry(base_s=0.01)):
    print(message.body, flush=True)
    {then}
"""


@pytest.mark.parametrize("then", ["break", "sys.exit()", "kept = app.queue('mail').consume(); next(kept); break"])
def test_a_script_that_ends_without_a_stop_gives_back_what_it_holds(app: AppSync, dsn: str, then: str) -> None:
    send(app, 1, 2, 3)

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(then=then), dsn], timeout=60, check=False, capture_output=True, text=True
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    assert sorted(body for body, _ in (first(app), first(app), first(app))) == [1, 2, 3]


def test_ctrl_c_ends_a_loop_that_waits_and_what_was_done_stays_done(app: AppSync, dsn: str) -> None:
    send(app, 1)
    script = [sys.executable, "-c", SCRIPT.format(then="pass"), dsn]

    with subprocess.Popen(script, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "1\n"
        while size(app):
            pass
        worker.send_signal(signal.SIGINT)
        _, errors = worker.communicate(timeout=30)

    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "Error" not in errors
    assert size(app) == 0


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # newer Pythons advise against what is tried here
def test_a_child_process_is_told_that_the_app_does_not_run_there(app: AppSync) -> None:
    child = os.fork()
    if child == 0:
        try:
            next(app.queue("mail").consume())
        except InvalidSettings:
            app.stop()
            os._exit(0)
        finally:
            os._exit(1)

    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    send(app, 1)
    assert first(app) == (1, 1)
