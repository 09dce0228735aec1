"""Every error that hanjul raises on purpose.

HanjulError
├── BadInput            a value that is not allowed; nothing was changed  (also a ValueError)
│   ├── InvalidQueueName
│   ├── InvalidMessage
│   ├── MessageTooLarge
│   └── InvalidSignature    a webhook that was not signed by who shares the secret, or too long ago
├── NotFound            a thing that does not exist  (also a LookupError)
│   ├── QueueNotFound
│   ├── JobNotFound
│   └── RequestNotFound
├── Unavailable         not now: trying again may help
│   ├── ConnectionLost      the outcome of what was under way is unknown
│   └── Interrupted         cancelled by the server (deadlock, timeout, full disk); nothing was changed
├── LeaseLost           the message has passed on to another consumer, or is gone
├── AlreadySettled      a delivery is settled once
├── InvalidStatus       the status of a job or of a request does not allow it
├── JobConflict         another job holds the unique key
├── JobFailed           the job whose result is waited for failed, or was cancelled
├── RequestFailed       the HTTP request whose answer is waited for has failed
├── PermissionDenied    the role may not do this
├── SchemaMismatch      the database's schema is missing, newer, or not as it was installed
├── InvalidSettings     the configuration cannot work
│   └── InvalidEntries      what is declared in YAML cannot work; all that is wrong, each with its place
└── DatabaseFailure     anything else that PostgreSQL reports
"""

from collections.abc import Sequence
from typing import Self


class HanjulError(Exception):
    """The root of all errors of hanjul."""

    def reworded(self, words: str) -> Self:
        """The same error, which says this instead."""
        self.args = (words,)
        return self


class BadInput(HanjulError, ValueError):
    """A value that is not allowed; nothing was changed."""


class InvalidQueueName(BadInput):
    """A name that no queue can have."""

    def __init__(self, queue: object, why: str) -> None:
        super().__init__(f"{queue!r} is not a queue name: {why}")
        self.queue = queue


class InvalidMessage(BadInput):
    """A message that PostgreSQL cannot store, or that does not have the type its reader asks for."""


class MessageTooLarge(BadInput):
    """A message of more bytes than the client is set to send."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"the message is {size:,} bytes of JSON; the limit is {limit:,}. "
            "Store large data elsewhere and send its address, or raise max_message_bytes"
        )
        self.size, self.limit = size, limit


class InvalidSignature(BadInput):
    """A webhook that nobody signed who has the secret, or that is too old; the text says which."""


class NotFound(HanjulError, LookupError):
    """A thing that does not exist."""


class QueueNotFound(NotFound):
    """No queue has this name."""

    def __init__(self, queue: str) -> None:
        super().__init__(f"queue {queue!r} does not exist; create it with queues.create({queue!r}) or `hanjul queue create`")
        self.queue = queue


class JobNotFound(NotFound):
    """No job has this id, or it was pruned."""

    def __init__(self, job_id: object) -> None:
        super().__init__(f"job {job_id} does not exist, or was pruned from history")
        self.job_id = job_id


class RequestNotFound(NotFound):
    """No HTTP request has this id, or it is no longer kept."""

    def __init__(self, request_id: object) -> None:
        super().__init__(
            f"there is no request {request_id}: it was never enqueued, its transaction has not committed, or it is no longer kept"
        )
        self.request_id = request_id


class Unavailable(HanjulError):
    """Not now: the database cannot be reached, or is too busy; trying again may help."""


class ConnectionLost(Unavailable):
    """The connection broke, or gave no answer in time; what was under way may or may not have happened."""


class Interrupted(Unavailable):
    """The server gave the statement up (deadlock, timeout, full disk); nothing was changed."""


class LeaseLost(HanjulError):
    """The delivery's lease has passed to another consumer, or its message is gone."""

    def __init__(self, queue: str, msg_id: object, attempt: int, held_by: int | None) -> None:
        now = "it is no longer in the queue" if held_by is None else f"attempt {held_by} holds it now"
        super().__init__(f"message {msg_id} of queue {queue!r}: the lease of attempt {attempt} is lost; {now}")
        self.queue, self.msg_id, self.attempt, self.held_by = queue, msg_id, attempt, held_by


class AlreadySettled(HanjulError):
    """A delivery is settled once: by the handler's own call, or else when the handler ends."""


class InvalidStatus(HanjulError):
    """The status of a job or of a request does not allow it; the text says which it has."""


class JobConflict(HanjulError):
    """Another job holds the unique key."""


class JobFailed(HanjulError):
    """The job whose result is waited for failed, or was cancelled."""

    def __init__(self, job_id: object, kind: str, status: str, error_message: str | None) -> None:
        ended = "was cancelled" if status == "cancelled" else "failed"
        super().__init__(f"job {job_id} ({kind}) {ended}: {error_message or 'no reason given'}")
        self.job_id, self.kind, self.status, self.error_message = job_id, kind, status, error_message


class RequestFailed(HanjulError):
    """The HTTP request whose answer is waited for has failed: there was no answer, or none that its policy takes for one."""

    def __init__(self, request_id: object, what: str | None, status_code: int | None, error_msg: str | None) -> None:
        answer = "" if status_code is None else f" (its last answer: {status_code})"
        super().__init__(f"request {request_id}{f' ({what})' if what else ''} failed: {error_msg or 'no reason given'}{answer}")
        self.request_id, self.status_code, self.error_msg = request_id, status_code, error_msg


class PermissionDenied(HanjulError):
    """The database role may not do this."""


class SchemaMismatch(HanjulError):
    """The database's schema is missing, newer than this package, or changed by hand."""


class InvalidSettings(HanjulError, ValueError):
    """The configuration cannot work; the text names the setting."""


class InvalidEntries(InvalidSettings):
    """Entries that cannot work.  problems: all that is wrong, each as text with file, line, column and a caret."""

    def __init__(self, problems: Sequence[object]) -> None:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in the entries"
        super().__init__("\n".join([count, *map(str, problems)]))
        self.problems = problems


class DatabaseFailure(HanjulError):
    """PostgreSQL reported an error that has no class of its own here."""
