"""`hanjul jobs ...`: enqueue jobs, see how they stand and why, and put things right."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, get_args

import click

from hanjul.cli.input import json_text
from hanjul.cli.output import as_json, plain, print_json, print_table, show
from hanjul.clients import connect_jobs_sync, migrated_address
from hanjul.config import settings
from hanjul.jobs.rows import Cause, JobCount, JobRecord, ProcessingJob, QueueStatus, Status, Unique, WorkerRecord
from hanjul.model.call import Call
from hanjul.postgres.database_sync import DatabaseSync

STATUSES: Sequence[Status] = get_args(Status)
LISTED = ["id", "status", "queue", "kind", "priority", "created_at", "run_at", "attempt", "worker_id", "key", "error_message"]
"""What a table has room for; as JSON a job has all its fields."""

job_id = click.argument("job_id", metavar="ID")
queue = click.argument("queue", metavar="QUEUE")
only_queue = click.option("--queue", help="Only of this queue.")
role = click.option("--role", required=True, help="A role of the PostgreSQL server.")


@click.group()
def jobs() -> None:
    """Enqueue jobs, see how they stand and why, and put things right.

    \b
    Examples:
      hanjul jobs enqueue transcribe '{"session_id": 7}' --key session-7
      hanjul jobs explain 01a1ff79-409f-7e7c-aaff-2343137976ee
      hanjul jobs list --status failed --kind transcribe --json
      hanjul jobs pause stt --reason "new model"
    """


@jobs.command(short_help="Enqueue a job.")
@click.argument("kind")
@click.argument("payload", required=False, default="{}", metavar="[JSON]")
@click.option("--queue", default="default", show_default=True, help="The queue that it waits in.")
@click.option("--delay", type=float, help="Seconds before which it does not run.")
@click.option("--priority", default=0, show_default=True, help="Smaller goes first.")
@click.option("--max-retries", type=int, help="How many failures are tried again.")
@click.option("--timeout", type=float, help="Seconds that an attempt may run.")
@click.option("--key", help="A reference of your own, to find it by.")
@click.option("--unique", help="A text: while a job of this kind and text waits or runs, there is no second.")
@click.option("--metadata", help="JSON that travels along.")
def enqueue(kind: str, payload: str, *, delay: float | None, timeout: float | None, unique: str | None, **options: Any) -> None:
    """Enqueue a job; prints its id, or the id of the one that is there already.

    \b
    Examples:
      hanjul jobs enqueue mail '{"to": "ada"}'
      hanjul jobs enqueue report --queue slow --delay 3600 --max-retries 0
      hanjul jobs enqueue sync '{"account": 7}' --unique account-7
    """
    if options["metadata"] is not None:
        options["metadata"] = json_text("--metadata", options["metadata"])
    with connect_jobs_sync() as client:
        handle = client.enqueue(
            kind,
            json_text("the payload", payload),
            delay=delay,
            timeout_s=timeout,
            unique=None if unique is None else Unique(key=unique),
            **options,
        )
    click.echo(handle.id)


@jobs.command("list", short_help="Jobs, newest first.")
@click.option("--status", "statuses", multiple=True, type=click.Choice(STATUSES), help="Of this status; may be given again.")
@only_queue
@click.option("--kind", help="Only of this kind.")
@click.option("--key", help="Only of this reference.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many at most.")
@click.option("--before", metavar="ID", help="The next page: those before this job.")
@as_json
def list_(statuses: Sequence[Status], *, limit: int, as_json: bool, **only: str | None) -> None:
    """Jobs of every status, or of some, newest first.

    \b
    Examples:
      hanjul jobs list --status pending --status processing --queue stt
      hanjul jobs list --key session-7 --json
    """
    with connect_jobs_sync() as client:
        found = [job for status in statuses or STATUSES for job in client.list(status, limit=limit, **only)]
    newest = sorted(found, key=lambda job: job.id, reverse=True)[:limit]
    show(newest, JobRecord.__struct_fields__ if as_json else LISTED, as_json=as_json, empty="no such job")


@jobs.command("show")
@job_id
@as_json
def show_(job_id: str, *, as_json: bool) -> None:
    """All that is known about one job."""
    with connect_jobs_sync() as client:
        _show_one(client.get(job_id), as_json=as_json)


@jobs.command(short_help="Why a job does not run.")
@job_id
@as_json
def explain(job_id: str, *, as_json: bool) -> None:
    """Why a job does not run, or how it does, or how it ended: every cause, the decisive one first."""
    with connect_jobs_sync() as client:
        show(client.explain(job_id), Cause.__struct_fields__, as_json=as_json)


@jobs.command(short_help="Wait for a job's end.")
@job_id
@click.option("--timeout", type=float, help="Seconds to wait at most.")
def wait(job_id: str, timeout: float | None) -> None:
    """Wait until a job has ended; prints its result as JSON. Exit code 1 if it failed, was cancelled, or is not done in time."""
    with connect_jobs_sync() as client:
        print_json(client.result(job_id, timeout_s=timeout))


@jobs.command()
@job_id
def cancel(job_id: str) -> None:
    """Cancel a job; if it runs, its worker is asked to end it."""
    with connect_jobs_sync() as client:
        status = client.cancel(job_id)
    click.echo(f"job {job_id} is cancelled" if status == "cancelled" else f"job {job_id} runs; its worker is asked to end it")


@jobs.command(short_help="Let a failed job run again.")
@job_id
def retry(job_id: str) -> None:
    """A failed or cancelled job is pending again, with all its retries."""
    with connect_jobs_sync() as client:
        client.retry(job_id)
    click.echo(f"job {job_id} is pending")


@jobs.command(short_help="Hand out no jobs of a queue.")
@queue
@click.option("--reason", help="Why, for whoever looks.")
def pause(queue: str, reason: str | None) -> None:
    """Hand out no jobs of a queue until it is resumed; those that run go on."""
    with connect_jobs_sync() as client:
        client.pause(queue, reason=reason)
    click.echo(f"queue {queue} is paused; go on with: hanjul jobs resume {queue}")


@jobs.command()
@queue
def resume(queue: str) -> None:
    """Hand out the jobs of a queue again."""
    with connect_jobs_sync() as client:
        client.resume(queue)
    click.echo(f"queue {queue} is not paused")


@jobs.command(short_help="The queues: how many jobs, how long they wait.")
@as_json
def queues(*, as_json: bool) -> None:
    """The queues: how many jobs of each status, how long the oldest has been waiting, who paused it."""
    with connect_jobs_sync() as client:
        show(client.queue_status(), QueueStatus.__struct_fields__, as_json=as_json, empty="no jobs yet: hanjul jobs enqueue KIND")


@jobs.command()
@as_json
def counts(*, as_json: bool) -> None:
    """How many jobs there are, by queue, kind and status."""
    with connect_jobs_sync() as client:
        show(client.counts(), JobCount.__struct_fields__, as_json=as_json, empty="no jobs yet: hanjul jobs enqueue KIND")


@jobs.command()
@only_queue
@as_json
def running(queue: str | None, *, as_json: bool) -> None:
    """The jobs that run: by whom, since when, how far, and how long their lease still holds."""
    with connect_jobs_sync() as client:
        show(client.processing(queue=queue), ProcessingJob.__struct_fields__, as_json=as_json, empty="no job runs")


@jobs.command()
@as_json
def workers(*, as_json: bool) -> None:
    """The processes that work on jobs."""
    with connect_jobs_sync() as client:
        show(client.workers(), WorkerRecord.__struct_fields__, as_json=as_json, empty="no worker: hanjul worker MODULE:APP")


@jobs.command(short_help="Take care of jobs whose worker is gone.")
def rescue() -> None:
    """Take care of the jobs whose lease has ended, now. Workers do it by themselves, a little later."""
    with connect_jobs_sync() as client:
        click.echo(f"{client.rescue()} jobs rescued")


@jobs.command(short_help="Forget old jobs.")
@click.option("--days", type=click.IntRange(0, 36_500), help="Older than this; the setting history_days if not given.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(days: int | None, *, yes: bool) -> None:
    """Forget jobs that ended long ago. Workers do it by themselves, by the setting HANJUL_HISTORY_DAYS.

    \b
    Example:
      hanjul jobs prune --days 7
    """
    older = settings().history_days if days is None else days
    if not yes:
        click.confirm(f"forget all jobs that ended more than {older:g} days ago?", abort=True)
    with connect_jobs_sync() as client:
        click.echo(f"{client.prune(timedelta(days=older))} days of history dropped")


@jobs.command(short_help="Let a role of the server use jobs.")
@role
@click.option("--as", "kind", required=True, type=click.Choice(["producer", "consumer", "admin"]), help="What it may do.")
def grant(role: str, kind: str) -> None:
    """Let a role use jobs: a producer enqueues, a consumer works on them, an admin does that and all else.

    \b
    Example:
      hanjul jobs grant --role website --as producer
    """
    _change_rights(Call("hanjul.grant_jobs", {"role text": role, "as_what text": kind}, row=_nothing, repeatable=True))
    click.echo(f"role {role} is {kind} of jobs")


@jobs.command(short_help="Take a role's rights on jobs away.")
@role
def revoke(role: str) -> None:
    """Take away what `hanjul jobs grant` gave."""
    _change_rights(Call("hanjul.revoke_jobs", {"role text": role}, row=_nothing, repeatable=True))
    click.echo(f"role {role} has no part in jobs")


def _change_rights(call: Call[None]) -> None:
    with migrated_address(settings()) as url, DatabaseSync(url, max_connections=1) as database:
        database.rows(call)


def _nothing(_void: object) -> None:
    return None


def _show_one(job: JobRecord, *, as_json: bool) -> None:
    if as_json:
        print_json(job)
    else:
        fields = [(name, getattr(job, name)) for name in JobRecord.__struct_fields__]
        print_table(["field", "value"], [(name, plain(value)) for name, value in fields if value is not None])
