"""What the routes of one router share: the client, and how many requests wait for something to happen."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Protocol
from uuid import UUID

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.routing import NoMatchFound

from hanjul.jobs.client import Jobs
from hanjul.jobs.rows import Once
from hanjul.model.errors import BadInput, InvalidSettings

MAX_WAITING = 200
"""Requests that may wait at once, in long polls and event streams; each asks the database about once a second."""
ROUTE = "hanjul_job"
"""The name of the route that shows one job."""


class HasJobs(Protocol):
    """What has a client while it runs: a hanjul.App."""

    @property
    def jobs(self) -> Jobs:
        """The client."""


class Service:
    """One mounted API.  heartbeat_s: how often a silent event stream says that it is still there."""

    def __init__(self, jobs: Jobs | HasJobs, *, heartbeat_s: float = 15.0) -> None:
        self._jobs = jobs
        self.heartbeat_s = heartbeat_s
        self.waiting = 0
        self.closing = False

    @property
    def jobs(self) -> Jobs:
        """The client."""
        return client_of(self._jobs)

    def refuse_if_full(self) -> None:
        """Raise a 503 if too many requests wait already."""
        if self.waiting >= MAX_WAITING:
            raise HTTPException(503, f"{MAX_WAITING} requests wait for jobs already; ask without waiting")

    @contextmanager
    def place(self) -> Iterator[None]:
        """Count one request that waits."""
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1


def client_of(jobs: Jobs | HasJobs) -> Jobs:
    """The client itself, or that of the app; raises InvalidSettings if the app does not run."""
    return jobs if isinstance(jobs, Jobs) else jobs.jobs


def status_url(request: Request, job_id: UUID) -> str:
    """The path that shows the job, wherever the router is mounted."""
    try:
        return request.url_for(ROUTE, job_id=str(job_id)).path
    except NoMatchFound:
        raise InvalidSettings(
            "no route of this application shows jobs: include hanjul.api.jobs_router(...), or give accepted(..., status_url=)"
        ) from None


def once(idempotency_key: str | None, asked: str | None = None) -> Once | None:
    """What the header Idempotency-Key asks for; raises BadInput for what can be none.  asked: as of Once."""
    if idempotency_key is None:
        return None
    if not (1 <= len(idempotency_key) <= 255 and idempotency_key.isascii() and idempotency_key.isprintable()):
        raise BadInput("the header Idempotency-Key must be 1 to 255 printable ASCII characters")
    return Once(idempotency_key, asked)


def _service(request: Request) -> Service:
    service: Service = request.state.hanjul
    return service


ServiceDep = Annotated[Service, Depends(_service)]
"""What jobs_router has put into the request."""
