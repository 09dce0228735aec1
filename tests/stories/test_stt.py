"""The story of examples/stt, whole and small; and its books, which must not balance when something is wrong."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from examples.stt import stt
from examples.stt.books import Verdict
from examples.stt.speech import Spoken, corrupt, recordings
from examples.stt.uploads import Answer
from msgspec.structs import replace as changed

from hanjul import JobRecord

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the embedded server's account can reach."""
    place = Path(tempfile.mkdtemp(prefix="hanjul-stt-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.mark.timeout(300)  # half a minute on a machine that is not busy
def test_recordings_are_answered_at_once_and_transcribed_though_a_worker_is_killed(place: Path) -> None:
    command = [sys.executable, "-m", "examples.stt.run", "--recordings", "4"]
    environment = {"HANJUL_DATA_DIR": str(place / "data"), "PATH": "/usr/bin:/bin", "HOME": str(place)}

    with subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as show:
        try:
            said, _ = show.communicate(timeout=250)
        finally:
            show.terminate()  # which ends what it has started, too

    assert show.returncode == 0, said
    assert "every promise was kept" in said
    assert "Traceback" not in said  # a killed worker's child ends quietly


@pytest.fixture(scope="module")
def spoken() -> Spoken:
    return next(recordings(1, 1))


def test_a_spoken_sentence_is_understood_and_progress_told(spoken: Spoken) -> None:
    told: list[float] = []

    heard = stt.transcribe(spoken.audio, told.append).split()

    assert sum(word in heard for word in spoken.words.split()) >= len(spoken.words.split()) / 2
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        (lambda _: corrupt().audio, "this is no WAV file: file does not start with RIFF id"),
        (lambda whole: whole[:20], "this is no WAV file: it ends too early"),
        (lambda whole: whole[:5000], "this recording is cut off: 4956 of"),
        (lambda whole: whole[:22] + b"\x02" + whole[23:32] + b"\x04" + whole[33:], "not 2 channels, 16 bits, 22050 Hz"),
    ],
    ids=["noise", "cut in the head", "cut", "stereo"],
)
def test_what_is_no_recording_is_refused_readably(spoken: Spoken, audio: Callable[[bytes], bytes], words: str) -> None:
    with pytest.raises(stt.BadRecording, match=words):
        stt.transcribe(audio(spoken.audio), lambda _fraction: None)


def job(job_id: UUID, **changes: Any) -> JobRecord:
    now = datetime.now(UTC)
    record = JobRecord(
        id=job_id, status="completed", payload={}, created_at=now, started_at=now, completed_at=now, worker_id="stt-2",
        retry_count=0, max_retries=3, error_message=None, queue="stt", kind="transcribe", priority=0, run_at=now, attempt=1,
        leased_until=None, timeout_s=None, progress=1.0, progress_note=None, result=None, cancel_requested_at=None, key=None,
        metadata=None, reason=None,
    )  # fmt: skip
    return changed(record, **changes)


@pytest.fixture
def balanced() -> Verdict:
    """Two recordings, of which one was the killed worker's, and the corrupt one."""
    ids = [uuid4() for _ in range(3)]
    words = ["one queue", "one line", ""]
    records = [
        job(ids[0], attempt=2, retry_count=1),
        job(ids[1]),
        job(ids[2], status="failed", retry_count=3, attempt=4, error_message="BadRecording: this is no WAV file"),
    ]
    answers = [
        Answer(Spoken("a.wav", said, b""), 202, {"session_id": n, "job_id": str(ids[n])}, 0.01) for n, said in enumerate(words)
    ]
    shown = {record.id: str(record.status) for record in records}
    return Verdict(answers, {record.id: record for record in records}, shown, {0: "one queue", 1: "one line"}, ids[:1], "stt-1")


def test_the_books_balance(balanced: Verdict) -> None:
    assert balanced.broken() == []
    assert (balanced.lost, balanced.words_heard) == (0, 1.0)


@pytest.mark.parametrize(
    ("number", "changes", "promise"),
    [
        (1, {"status": "pending"}, "every job has ended"),
        (1, {"status": "failed"}, "nothing else has failed"),
        (2, {"retry_count": 0}, "the corrupt one was tried again"),
        (2, {"error_message": "KeyError: 7"}, "the corrupt one has failed, and says why"),
        (0, {"worker_id": "stt-1"}, "the killed worker held jobs, and another completed them"),
    ],
    ids=["not ended", "failed", "not tried again", "unreadable", "not recovered"],
)
def test_the_books_do_not_balance_when_a_job_went_wrong(
    balanced: Verdict, number: int, changes: dict[str, Any], promise: str
) -> None:
    job_id = UUID(balanced.accepted[number].body["job_id"])
    jobs = {**balanced.jobs, job_id: changed(balanced.jobs[job_id], **changes)}

    broken = replace(balanced, jobs=jobs, shown={job.id: job.status for job in jobs.values()}).broken()

    assert promise in broken


def test_the_books_do_not_balance_when_a_transcript_is_missing_or_wrong(balanced: Verdict) -> None:
    assert "no recording is lost" in replace(balanced, transcripts={0: "one queue"}).broken()
    assert replace(balanced, transcripts={0: "no", 1: "never"}).broken() == ["the transcripts have the words"]


def test_the_books_do_not_balance_when_nobody_was_killed_at_work(balanced: Verdict) -> None:
    assert replace(balanced, held=[]).broken() == ["the killed worker held jobs, and another completed them"]
