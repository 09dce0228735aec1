"""The books of the show: what was promised, what came of it, and what it was like before."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from rich import box
from rich.table import Table

from examples.stt.uploads import Answer
from hanjul import JobRecord

GOAL_S = 0.1
"""Within which every upload should be answered."""
WORDS_HEARD = 0.5
"""The share of all spoken words that must be in the transcripts; the model is small, and the voice a machine's."""


@dataclass(frozen=True)
class Half:
    """One half of the show, before or after.

    half_s: until half of the recordings were transcribed.  lost: accepted, and never to be transcribed.
    """

    answers: Sequence[Answer]
    half_s: float
    lost: int

    def answer_ms(self, percent: int) -> float:
        """What `percent` of the uploads at once did not wait longer than."""
        waits = sorted(answer.seconds for answer in self.answers)
        return 1000 * statistics.quantiles(waits, n=100, method="inclusive")[percent - 1]

    @property
    def slowest_ms(self) -> float:
        """The longest that anybody waited."""
        return 1000 * max(answer.seconds for answer in self.answers)


@dataclass(frozen=True)
class Verdict:
    """How the jobs ended.

    jobs: the records at the end.  shown: what the status URLs say of them.  transcripts: session -> what was heard.
    held: the jobs that the killed worker had.  killed: its name.
    """

    accepted: Sequence[Answer]
    jobs: Mapping[UUID, JobRecord]
    shown: Mapping[UUID, str]
    transcripts: Mapping[int, str | None]
    held: Sequence[UUID]
    killed: str

    @property
    def recovered(self) -> list[UUID]:
        """The killed worker's jobs that another completed."""
        found = [self.jobs[job_id] for job_id in self.held]
        return [job.id for job in found if job.status == "completed" and job.attempt > 1 and job.worker_id != self.killed]

    @property
    def corrupt(self) -> JobRecord:
        """The job of the recording that is none."""
        return next(self.jobs[UUID(answer.body["job_id"])] for answer in self.accepted if not answer.spoken.words)

    @property
    def lost(self) -> int:
        """Recordings that were accepted and have no transcript, the corrupt one aside."""
        return sum(not self._heard(answer) for answer in self.accepted if answer.spoken.words)

    @property
    def words_heard(self) -> float:
        """The share of the spoken words that are in the transcripts of their sessions."""
        pairs = [(answer.spoken.words.split(), self._heard(answer).split()) for answer in self.accepted]
        return sum(word in heard for words, heard in pairs for word in words) / sum(len(words) for words, _ in pairs)

    def broken(self) -> list[str]:
        """The promises that were not kept; none: it holds."""
        corrupt, message = self.corrupt, self.corrupt.error_message or ""
        promises = {
            "every upload was answered with 202": all(answer.status == 202 for answer in self.accepted),
            "every job has ended": len(self.jobs) == len(self.accepted) and all(job.ended for job in self.jobs.values()),
            "the status URLs say so": self.shown == {job_id: job.status for job_id, job in self.jobs.items()},
            "no recording is lost": not self.lost,
            "the corrupt one was tried again": corrupt.retry_count == corrupt.max_retries > 0,
            "the corrupt one has failed, and says why": corrupt.status == "failed" and "is no WAV file" in message,
            "nothing else has failed": sum(job.status != "completed" for job in self.jobs.values()) == 1,
            "the transcripts have the words": self.words_heard >= WORDS_HEARD,
            "the killed worker held jobs, and another completed them": len(self.recovered) == len(self.held) > 0,
        }
        return [promise for promise, kept in promises.items() if not kept]

    def _heard(self, answer: Answer) -> str:
        return self.transcripts.get(answer.body["session_id"]) or ""


def table(before: Half, after: Half, verdict: Verdict) -> Table:
    """Before and after, side by side."""
    shown = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in ("", "BackgroundTasks", "hanjul, two workers"):
        shown.add_column(column)
    for percent in (50, 99):
        shown.add_row(f"an upload is answered, p{percent}", *[f"{half.answer_ms(percent):,.0f} ms" for half in (before, after)])
    shown.add_row("half is transcribed after", *[f"{half.half_s:.1f} s" for half in (before, after)])
    shown.add_row("speed-up", "1", f"{before.half_s / after.half_s:.2f}")
    shown.add_row("killed half way", "the API", "one of the workers")
    shown.add_row("recordings lost", f"{before.lost}", f"{after.lost}")
    shown.add_row("jobs recovered", "0", f"{len(verdict.recovered)}")
    shown.add_row("words heard", "", f"{verdict.words_heard:.0%}")
    shown.add_row("the corrupt recording", "no word", f"failed after {verdict.corrupt.attempt} attempts")
    return shown
