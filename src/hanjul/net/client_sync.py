"""Generated from client.py; do not edit. The HTTP client: requests that leave when their transaction commits."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from types import TracebackType
from typing import Self, Unpack

from hanjul.model.database import DatabaseSync
from hanjul.model.errors import BadInput, NotFound, RequestFailed, RequestNotFound
from hanjul.net import calls
from hanjul.net.outgoing import HttpRequest, Options, OptionsWithBody, all_written, numbered_after
from hanjul.net.rows import (
    AttemptRecord,
    HttpSetting,
    RequestCounts,
    RequestLine,
    RequestRecord,
    RequestStatus,
    ResponseRecord,
    SecretRecord,
)
from hanjul.net.webhooks_sync import WebhooksSync
from hanjul.outbox import OutboxSync
from hanjul.pacing import pace_sync

ONE_LINE = "http requests"
"""All requests share a statement."""
CHUNK, CHUNK_BYTES = 1000, 4 << 20
"""Requests, and about how many bytes of them, that request_many writes with one statement; a transaction may hold many."""


class RequestHandleSync:
    """One request, as its enqueuer holds it."""

    def __init__(self, http: "HttpSync", request_id: int) -> None:
        self.id, self._http = request_id, http

    def get(self) -> RequestRecord:
        """How it stands; raises RequestNotFound."""
        return self._http.get_request(self.id)

    def result(self, *, timeout_s: float | None = None) -> ResponseRecord:
        """As HttpSync.result."""
        return self._http.result(self.id, timeout_s=timeout_s)

    def cancel(self) -> None:
        """As HttpSync.cancel."""
        self._http.cancel(self.id)

    def __repr__(self) -> str:
        return f"RequestHandleSync({self.id})"


class HttpSync:
    """Asynchronous HTTP: a call returns when its own commit is durable, and a sender sends the request.

    `tx=` takes an open connection of psycopg, asyncpg, SQLAlchemy or Django: the request leaves when the transaction there
    commits, and never if it rolls back.  max_body_bytes: the longest request, as JSON.
    Raises BadInput (nothing was changed), Unavailable (trying again may help).
    """

    def __init__(self, database: DatabaseSync, *, max_body_bytes: int = 16 << 20) -> None:
        self._database, self._max_body_bytes = database, max_body_bytes
        self.webhooks = WebhooksSync(database)
        self._outbox = OutboxSync(database, lambda _line, requests: calls.http_request_many(requests))

    def open(self) -> None:
        """Connect to the database; `async with` does it too."""
        self._database.open()

    def close(self) -> None:
        """Finish what is being enqueued, and disconnect."""
        self.drain()
        self._database.close()

    def drain(self) -> None:
        """Wait until all that is being enqueued is committed or refused."""
        self._outbox.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def get(self, url: str, *, tx: object = None, **how: Unpack[Options]) -> RequestHandleSync:
        """Enqueue a GET. What can be said of it: see HttpRequest."""
        return self.request("GET", url, tx=tx, **how)

    def head(self, url: str, *, tx: object = None, **how: Unpack[Options]) -> RequestHandleSync:
        """Enqueue a HEAD."""
        return self.request("HEAD", url, tx=tx, **how)

    def post(self, url: str, *, tx: object = None, **how: Unpack[OptionsWithBody]) -> RequestHandleSync:
        """Enqueue a POST: json=, text= or data= is its body."""
        return self.request("POST", url, tx=tx, **how)

    def put(self, url: str, *, tx: object = None, **how: Unpack[OptionsWithBody]) -> RequestHandleSync:
        """Enqueue a PUT."""
        return self.request("PUT", url, tx=tx, **how)

    def patch(self, url: str, *, tx: object = None, **how: Unpack[OptionsWithBody]) -> RequestHandleSync:
        """Enqueue a PATCH."""
        return self.request("PATCH", url, tx=tx, **how)

    def delete(self, url: str, *, tx: object = None, **how: Unpack[OptionsWithBody]) -> RequestHandleSync:
        """Enqueue a DELETE."""
        return self.request("DELETE", url, tx=tx, **how)

    def request(self, method: str, url: str, *, tx: object = None, **how: Unpack[OptionsWithBody]) -> RequestHandleSync:
        """Enqueue a request of any method. Those that are enqueued at the same time share a commit. Raises BadInput."""
        asked = HttpRequest(method, url, **how)
        text = asked.written(self._max_body_bytes)
        if tx is None and asked.idempotency_key is None:  # who comes second with a key waits for the first
            return RequestHandleSync(self, self._outbox.send(ONE_LINE, text))
        [request_id] = self._database.rows(calls.http_request_many(f"[{text.decode()}]"), tx=tx)
        return RequestHandleSync(self, request_id)

    def request_many(self, requests: Iterable[HttpRequest], *, tx: object = None) -> Sequence[int]:
        """Enqueue many, all or none; their ids, in their order. Raises BadInput: `request 1: ...` is about the first."""
        if isinstance(requests, HttpRequest | str | bytes | dict) or not isinstance(requests, Iterable):
            raise BadInput(f"requests must be a list of hanjul.HttpRequest, not {requests!r}")
        written = all_written(map(_checked, requests), self._max_body_bytes)
        ids: list[int] = []
        with self._within(tx) as connection:
            while chunk := list(_chunk(written)):
                text = b"[" + b",".join(chunk) + b"]"
                with numbered_after(len(ids)):
                    ids += self._database.rows(calls.http_request_many(text.decode()), tx=connection)
        return ids

    def result(self, request_id: int, *, timeout_s: float | None = None) -> ResponseRecord:
        """The answer, as soon as there is one that the request's policy takes for one: of any status, if it has no policy.

        Raises RequestFailed if there will be none, TimeoutError after timeout_s, RequestNotFound; NotFound if the answer is not
        kept any more.
        """
        for _ in pace_sync(timeout_s):
            status = self.status(request_id)
            if status == "SUCCESS":
                if (answer := self.response(request_id)) is None:
                    raise NotFound(f"the answer to request {request_id} is no longer kept; pg_net.ttl is for how long they are")
                return answer
            if status == "ERROR":
                raise self._failure(request_id)
        raise TimeoutError(f"request {request_id} had not ended after {timeout_s:g} s")

    def status(self, request_id: int) -> RequestStatus:
        """Whether it is PENDING, SUCCESS or ERROR; raises RequestNotFound."""
        [status] = self._database.rows(calls.status(_id(request_id)))
        if status is None:
            raise RequestNotFound(request_id)
        return status  # type: ignore[return-value]  # the function returns nothing else

    def response(self, request_id: int) -> ResponseRecord | None:
        """The newest answer, or why there is none; None while there is neither, and when it is no longer kept."""
        for answer in self._database.rows(calls.get_response(_id(request_id))):
            return answer
        return None

    def get_request(self, request_id: int) -> RequestRecord:
        """The request as it stands, its credentials hidden; raises RequestNotFound."""
        for record in self._database.rows(calls.get_request(_id(request_id))):
            return record
        raise RequestNotFound(request_id)

    def requests(
        self,
        status: RequestStatus | None = None,
        *,
        host: str | None = None,
        webhook: str | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> Sequence[RequestLine]:
        """Requests, newest first; the next page comes from `before` the last one's id.

        Of each status, or webhook, the newest 100,000 are looked at.
        """
        since = None if before is None else _id(before)
        return self._database.rows(calls.list_requests(status, host, webhook, since, limit))

    def attempts(self, request_id: int) -> Sequence[AttemptRecord]:
        """Every attempt at it, the first first."""
        return self._database.rows(calls.list_attempts(_id(request_id)))

    def counts(self) -> RequestCounts:
        """How many wait, how many are on their way, how many have failed."""
        [counts] = self._database.rows(calls.count_requests())
        return counts

    def sender_is_up(self) -> bool:
        """Whether somebody sends, as far as PostgreSQL shows: a session of a sender."""
        try:
            self._database.rows(calls.check_worker_is_up())
        except BadInput:
            return False
        return True

    def cancel(self, request_id: int, *, tx: object = None) -> None:
        """It is not sent, or not again. Raises RequestNotFound, InvalidStatus if it has ended."""
        self._database.rows(calls.cancel(_id(request_id)), tx=tx)

    def retry(self, request_id: int, *, tx: object = None) -> None:
        """One that has ended is sent again, with all its attempts; one that waits for its next attempt goes now.

        Raises RequestNotFound, InvalidStatus while it is on its way.
        """
        self._database.rows(calls.retry(_id(request_id)), tx=tx)

    def redrive(self, request_ids: Iterable[int] | None = None, *, tx: object = None) -> int:
        """Send again those of them that failed, or all that failed in spite of their retries; how many."""
        ids = None if request_ids is None else [_id(request_id) for request_id in request_ids]
        [redriven] = self._database.rows(calls.redrive(ids), tx=tx)
        return redriven

    def set_secret(self, name: str, value: str, hosts: Iterable[str]) -> None:
        """Store a secret that headers name as `${secret:NAME}`, and that goes to these hosts only: names, or *.names."""
        if isinstance(hosts, str):
            raise BadInput(f"hosts must be a list of host names, as in [{hosts!r}], not {hosts!r}")
        self._database.rows(calls.set_secret(name, value, list(hosts)))

    def rotate_secret(self, name: str, value: str, *, keep: timedelta = timedelta(hours=24)) -> None:
        """Give it another value; signatures are made with the one before, too, for as long as `keep`. Raises NotFound."""
        self._database.rows(calls.rotate_secret(name, value, f"{keep.total_seconds():f} seconds"))

    def drop_secret(self, name: str) -> bool:
        """Forget it; False if there is none. Requests that name it fail from now on."""
        [dropped] = self._database.rows(calls.drop_secret(name))
        return dropped

    def secrets(self) -> Sequence[SecretRecord]:
        """All of them, without their values."""
        return self._database.rows(calls.list_secrets())

    def config(self) -> Sequence[HttpSetting]:
        """The settings by the extension's names, and what applies."""
        return self._database.rows(calls.show_config())

    def set_config(self, name: str, value: str) -> None:
        """Set one, as `http.set_config("pg_net.ttl", "1 day")`. Raises BadInput."""
        self._database.rows(calls.set_config(name, value))

    def reset_config(self, name: str) -> None:
        """Let its default apply."""
        self._database.rows(calls.reset_config(name))

    def _failure(self, request_id: int) -> RequestFailed:
        for record in self._database.rows(calls.get_request(_id(request_id))):
            return RequestFailed(request_id, f"{record.method} {record.url}", record.status_code, record.error_msg)
        answer = self.response(request_id)
        return RequestFailed(request_id, None, None, None if answer is None else answer.error_msg)

    @contextmanager
    def _within(self, tx: object) -> Iterator[object]:
        if tx is not None:
            yield tx
        else:
            with self._database.transaction() as connection:
                yield connection


def _checked(request: HttpRequest) -> HttpRequest:
    if not isinstance(request, HttpRequest):
        raise BadInput(f"requests must be hanjul.HttpRequest, not {request!r}")
    return request


def _chunk(written: Iterable[bytes]) -> Iterable[bytes]:
    size = 0
    for text in islice(written, CHUNK):
        yield text
        size += len(text)
        if size > CHUNK_BYTES:
            return


def _id(request_id: int) -> int:
    if isinstance(request_id, bool) or not isinstance(request_id, int) or not -(2**63) <= request_id < 2**63:
        raise BadInput(f"a request's id is a whole number, not {request_id!r}")
    return request_id
