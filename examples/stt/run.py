"""The show: the application before and after. `make example-stt`, or `python -m examples.stt.run --help`."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

import psycopg
from rich.console import Console

import hanjul
from examples.stt import speech
from examples.stt.books import GOAL_S, Half, Verdict, table
from examples.stt.processes import Processes
from examples.stt.progress import Bars
from examples.stt.speech import Spoken
from examples.stt.uploads import Answer, at_once, look
from hanjul.config import settings
from hanjul.local import embedded_server
from hanjul.postgres.migrate import database_of_its_own, migrate

PATIENCE_S = 90.0
"""How long nothing may happen before the show is given up as failed."""
EARLY = 2
"""Recordings uploaded before all others, so that those meet workers that are busy."""
WORKERS = ("stt-1", "stt-2")

console = Console(highlight=False)


def main() -> bool:
    """Run it; True if every promise was kept."""
    arguments = _arguments()
    for ending in (signal.SIGTERM, signal.SIGHUP):  # what was started is ended
        signal.signal(ending, lambda *_: sys.exit(1))
    console.rule("[bold]transcriptions: from BackgroundTasks to a queue in the PostgreSQL that is there")
    server = embedded_server(settings(), say=lambda text: console.print(f"  {text}"))
    with server as running, database_of_its_own(running.dsn, f"hanjul_stt_{os.getpid()}") as url:
        migrate(url)
        with psycopg.connect(url) as conn:
            conn.execute(Path(__file__).with_name("schema.sql").read_bytes())
        spoken = list(speech.recordings(EARLY + arguments.recordings - 1, arguments.sentences))
        early, crowd = spoken[:EARLY], [*spoken[EARLY:], speech.corrupt()]
        console.print(f"  PostgreSQL {running.version}, {len(spoken)} recordings made by espeak-ng, and a corrupt one")
        before = _before(url, early, crowd)
        if arguments.naive:
            console.print(f"  answered within p50 {before.answer_ms(50):,.0f} ms, p99 {before.answer_ms(99):,.0f} ms")
            return True
        after, verdict = _after(url, early, crowd)
    return _tell(before, after, verdict)


def _before(url: str, early: Sequence[Spoken], crowd: Sequence[Spoken]) -> Half:
    """The API as it was; killed half way."""
    console.rule("[bold]before: the API transcribes in BackgroundTasks")
    with Processes(url) as processes, Bars(console) as bars:
        port = processes.api("examples.stt.naive:api")
        accepted = at_once(port, early)
        began = time.monotonic()
        answers = at_once(port, crowd)
        accepted += answers
        _tell_answers(answers)
        _watch(lambda: bars.done(_transcribed(url, accepted), len(accepted)), len(accepted) // 2)
        half_s = time.monotonic() - began
        processes.kill("api")
        lost = len(accepted) - 1 - _transcribed(url, accepted)
    console.print(f"  the API was killed half way: {lost} recordings, all answered with 202, are not transcribed, nor will be")
    return Half(answers, half_s, lost)


def _after(url: str, early: Sequence[Spoken], crowd: Sequence[Spoken]) -> tuple[Half, Verdict]:
    """The API that enqueues, and two workers; one is killed half way."""
    console.rule("[bold]after: the API enqueues, two workers transcribe")
    with Processes(url) as processes, Bars(console) as bars, hanjul.connect_jobs_sync(url) as jobs:
        port = processes.api("examples.stt.app:api")
        for name in WORKERS:
            processes.worker(name)
        _watch(lambda: len(jobs.workers()), len(WORKERS))
        accepted = at_once(port, early)
        _watch(lambda: bars.jobs(jobs, len(early)) + len(jobs.processing()), len(early))  # each has taken one
        began = time.monotonic()
        answers = at_once(port, crowd)
        accepted += answers
        _tell_answers(answers)
        _watch(lambda: bars.jobs(jobs, len(accepted)), len(accepted) // 2)
        half_s = time.monotonic() - began
        victim, held = _kill_at_work(processes, jobs)
        console.print(f"  worker {victim} was killed (SIGKILL) at its work; its machine starts it again, as {victim}b")
        processes.worker(f"{victim}b")
        _watch(lambda: bars.jobs(jobs, len(accepted)), len(accepted))
        verdict = _verdict(url, port, jobs, accepted, (victim, held))
    return Half(answers, half_s, verdict.lost), verdict


def _kill_at_work(processes: Processes, jobs: hanjul.JobsSync) -> tuple[str, list[UUID]]:
    """Kill a worker while it has a job; its name, and what it had."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        for victim in [job.worker_id for job in jobs.processing() if 0 < (job.progress or 0) < 0.6]:
            processes.freeze(victim)  # so that it cannot complete the job between our look and the kill
            if held := [job.id for job in jobs.processing() if job.worker_id == victim]:
                processes.kill(victim)
                return victim, held
            processes.thaw(victim)
        time.sleep(0.05)
    raise TimeoutError(f"no worker was at work for {PATIENCE_S:g} s")


def _verdict(
    url: str, port: int, jobs: hanjul.JobsSync, accepted: Sequence[Answer], killed: tuple[str, Sequence[UUID]]
) -> Verdict:
    victim, held = killed
    records = {job_id: jobs.get(job_id) for answer in accepted if (job_id := UUID(answer.body["job_id"]))}
    shown = {UUID(job["id"]): job["status"] for job in (look(port, answer.body["status_url"]) for answer in accepted)}
    with psycopg.connect(url) as conn:
        rows: list[tuple[int, str | None]] = conn.execute("select id, transcript from sessions").fetchall()
    return Verdict(accepted, records, shown, dict(rows), held, victim)


def _transcribed(url: str, accepted: Sequence[Answer]) -> int:
    """How many of the sessions have a transcript."""
    sessions = [answer.body["session_id"] for answer in accepted]
    with psycopg.connect(url) as conn:
        [[done]] = conn.execute("select count(transcript) from sessions where id = any(%s)", [sessions]).fetchall()
    return int(done)


def _watch(look_again: Callable[[], int], goal: int) -> None:
    """Look again and again until there are `goal`; raises TimeoutError if for too long nothing comes."""
    seen, changed_at = -1, time.monotonic()
    while (found := look_again()) < goal:
        if found != seen:
            seen, changed_at = found, time.monotonic()
        if time.monotonic() - changed_at > PATIENCE_S:
            raise TimeoutError(f"nothing has happened for {PATIENCE_S:g} s: there are {found} of {goal}")
        time.sleep(0.1)


def _tell_answers(answers: Sequence[Answer]) -> None:
    slowest_ms = 1000 * max(answer.seconds for answer in answers)
    console.print(f"  {len(answers)} uploads at once: each answered, the slowest after {slowest_ms:,.0f} ms")


def _tell(before: Half, after: Half, verdict: Verdict) -> bool:
    console.rule("[bold]the books")
    console.print(table(before, after, verdict))
    console.print(f"  the corrupt recording's job: [red]{verdict.corrupt.error_message}[/red]")
    if after.slowest_ms > 1000 * GOAL_S:
        console.print(
            f"  [yellow]the goal, every answer within {1000 * GOAL_S:.0f} ms, was missed: other programs were busy, too"
        )
    for promise in verdict.broken():
        console.print(f"  [bold red]not kept: {promise}")
    if not verdict.broken():
        console.print("  [bold green]every promise was kept")
    return not verdict.broken()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=40, help="how many are uploaded at once (default: 40)")
    parser.add_argument("--sentences", type=int, default=1, help="how many are spoken in each (default: 1, some three seconds)")
    parser.add_argument("--naive", action="store_true", help="show only the application as it was before")
    arguments = parser.parse_args()
    if not 4 <= arguments.recordings <= 400:
        parser.error("--recordings must be 4 to 400")
    if not 1 <= arguments.sentences <= 100:
        parser.error("--sentences must be 1 to 100")
    return arguments


if __name__ == "__main__":
    sys.exit(not main())
