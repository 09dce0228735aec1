"""Waiting for the answer to a request, with a line that lives, and showing it."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import click

from hanjul.cli.output import print_json
from hanjul.model.errors import RequestNotFound
from hanjul.net.client_sync import HttpSync
from hanjul.net.rows import RequestRecord, ResponseRecord
from hanjul.pacing import pace_sync

PATIENCE_S = 2.0
"""How long a request may wait before it is asked whether there is a sender at all."""
NO_SENDER = "no sender runs on this database: start `hanjul net worker`, or `hanjul up`, in another terminal"


def wait_for(http: HttpSync, request_id: int, wait_s: float) -> ResponseRecord:
    """The answer. Raises RequestFailed, RequestNotFound; TimeoutError, which says what to do."""
    began, asked = time.monotonic(), False
    up = True
    with _line() as say:
        for _ in pace_sync(wait_s):
            if http.status(request_id) != "PENDING":
                return http.result(request_id)
            waited_s = time.monotonic() - began
            if waited_s >= min(PATIENCE_S, wait_s / 2) and not asked:
                asked, up = True, http.sender_is_up()
                if not up:
                    click.secho(f"{NO_SENDER}; request {request_id} waits for it", fg="yellow", err=True)
            say(f"request {request_id}, {waited_s:.1f} s: {_standing(http, request_id)}")
    later = f"it goes on; ask again with: hanjul net wait {request_id}"
    raise TimeoutError(f"request {request_id} had not ended after {wait_s:g} s; {later if up else NO_SENDER}")


def show_answer(http: HttpSync, answer: ResponseRecord, *, as_json: bool) -> None:
    """Its status to standard error, its body to standard output; ends with exit code 1 from status 400 on."""
    if as_json:
        print_json(answer)
    else:
        _tell(http, answer)
        body = answer.data
        click.echo(body, nl=sys.stdout.isatty() and not body.endswith(b"\n"))
    if answer.status_code is None or answer.status_code >= 400:
        sys.exit(1)


def _tell(http: HttpSync, answer: ResponseRecord) -> None:
    attempts = http.attempts(answer.id)
    said = [f"{answer.status_code} {answer.reason}".strip()]
    said += [f"{attempts[-1].duration_ms:.0f} ms"] if attempts else []
    said += [f"attempt {len(attempts)}"] if len(attempts) > 1 else []
    said += [answer.content_type or "no content type", f"{len(answer.data):,} bytes"]
    if answer.truncated:
        said.append("cut off: the answer is longer")
    click.secho(", ".join(said), fg="green" if answer.ok else "yellow", err=True)


def _standing(http: HttpSync, request_id: int) -> str:
    try:
        record = http.get_request(request_id)
    except RequestNotFound:
        return "it has just ended"
    return _told(record, datetime.now(UTC))


def _told(record: RequestRecord, now: datetime) -> str:
    if record.locked_until is not None and record.locked_until > now:
        return f"on its way, attempt {record.attempts + 1} of {record.max_attempts}"
    due_s = (record.next_attempt_at - now).total_seconds()
    when = f"sent in {due_s:.0f} s" if due_s >= 1 else "waits for a sender"
    return when if record.error_msg is None else f"{when}; {record.error_msg}"


@contextmanager
def _line() -> Iterator[Callable[[str], None]]:
    """A line on standard error that can be said anew; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield lambda _text: None
        return
    from rich.console import Console

    with Console(stderr=True).status("enqueued", spinner="dots") as status:
        yield status.update
