"""hanjul demo, whole and small; and its books, which must not balance when something is wrong."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hanjul.config import Settings
from hanjul.demo.ledger import Verdict, verdict
from hanjul.demo.mailbox import Arrival
from hanjul.demo.mails import mail
from hanjul.local import embedded_server
from hanjul.postgres.migrate import migrate

TUTORIAL = Path(__file__).parents[2] / "src" / "hanjul" / "demo" / "tutorial.sql"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the embedded server's account can reach."""
    place = Path(tempfile.mkdtemp(prefix="hanjul-demo-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


def test_the_demo_keeps_its_promises(place: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "hanjul", "demo", "--mails", "300"],
        env={"HANJUL_DATA_DIR": str(place / "data"), "PATH": "/usr/bin:/bin", "HOME": str(place), "DATABASE_URL": "unused"},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "300 of 300" in answer.stdout
    assert "every promise was kept" in answer.stdout


def test_two_demos_at_once_do_not_meet_and_one_that_is_ended_leaves_no_worker(place: Path) -> None:
    environment = {"HANJUL_DATA_DIR": str(place / "data"), "PATH": "/usr/bin:/bin", "HOME": str(place)}
    command = [sys.executable, "-m", "hanjul", "demo", "--mails", "200"]

    demos = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [demo.communicate(timeout=100)[0] for demo in demos]
    with subprocess.Popen([*command[:-1], "1000"], env=environment, stdout=subprocess.PIPE, text=True) as ended:
        try:
            workers = _workers_of(ended)
        finally:
            ended.terminate()
            ended.communicate(timeout=60)

    assert [demo.returncode for demo in demos] == [0, 0], said
    assert ended.returncode == 1
    deadline = time.monotonic() + 15  # one that was just being started notices the end by itself
    while any(_lives(worker) for worker in workers):
        assert time.monotonic() < deadline, "a worker outlives its demo"
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    """Whether it runs; a dead process that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _workers_of(demo: "subprocess.Popen[str]") -> list[int]:
    """The process ids of a demo's workers, once there are two."""
    children = Path(f"/proc/{demo.pid}/task/{demo.pid}/children")
    deadline = time.monotonic() + 60
    while True:
        found = [int(pid) for pid in children.read_text().split()]
        mailers = [pid for pid in found if b"mailer" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        if len(mailers) == 2:
            return mailers
        assert time.monotonic() < deadline, "no workers"
        time.sleep(0.05)


def test_the_tutorial_runs_as_written_in_psql_with_the_extension(place: Path, psql: Path) -> None:
    with embedded_server(Settings(data_dir=str(place / "data"))) as server:
        migrate(server.dsn)
        commands = TUTORIAL.read_text() + "SELECT m.attempts, m.msg_id FROM pgmq.read('email_jobs', 0, 1) m;"

        answer = subprocess.run(
            [psql, server.dsn, "-v", "ON_ERROR_STOP=1"], input=commands, text=True, capture_output=True, check=False
        )

    if int(server.version.split(".")[0]) >= 18:
        assert answer.returncode == 0, answer.stderr
        assert "CREATE EXTENSION" in answer.stdout
        assert "user@example.com" in answer.stdout
        assert "attempts | msg_id" in answer.stdout


def test_an_e_mail_is_a_real_one_with_a_korean_subject_and_an_attachment() -> None:
    letter = mail(7)

    assert letter.raw.isascii()
    assert "Subject: =?utf-8?" in letter.raw
    assert "Content-Disposition: attachment" in letter.raw


def books(arrivals: dict[str, list[Arrival]], **changed: int) -> Verdict:
    sent_at = {"a": 0.0, "b": 0.0, "c": 0.0}
    given = {"killed": 1, "in_flight_limit": 2, "damaged": 0, "left_in_queue": 0} | changed
    return verdict(sent_at, arrivals, started_at=0.0, **given)


ONCE = {name: [Arrival(2, 1.0)] for name in "abc"}


def test_the_books_balance_when_all_is_delivered_once() -> None:
    assert books(ONCE).holds


def test_what_the_killed_worker_had_in_flight_may_come_twice() -> None:
    found = books({**ONCE, "a": [Arrival(1, 1.0), Arrival(2, 2.0)]})

    assert (found.twice, found.unexplained, found.holds) == (1, 0, True)


@pytest.mark.parametrize(
    "arrivals",
    [
        {"a": ONCE["a"], "b": ONCE["b"]},
        {**ONCE, "a": [Arrival(2, 1.0), Arrival(3, 2.0)]},
        {**ONCE, "a": [Arrival(1, 1.0), Arrival(2, 2.0), Arrival(3, 3.0)]},
        {name: [Arrival(1, 1.0), Arrival(2, 2.0)] for name in "abc"},
        {**ONCE, "never sent": [Arrival(2, 1.0)]},
    ],
    ids=["lost", "twice by the living", "three times", "more than were in flight", "invented"],
)
def test_the_books_do_not_balance_when_something_is_wrong(arrivals: dict[str, list[Arrival]]) -> None:
    assert not books(arrivals).holds


def test_the_books_do_not_balance_with_damage_or_leftovers() -> None:
    assert not books(ONCE, damaged=1).holds
    assert not books(ONCE, left_in_queue=1).holds
