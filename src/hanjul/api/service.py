"""What the routes of one router share: the client, and how many requests wait for something to happen."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Protocol
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from starlette.exceptions import HTTPException
from starlette.routing import NoMatchFound

from hanjul.jobs.client import Jobs
from hanjul.jobs.rows import Once
from hanjul.model.errors import BadInput, InvalidSettings
from hanjul.net.client import Http

MAX_WAITING = 200
"""Requests that may wait at once, in long polls and event streams; each asks the database about once a second."""
ROUTE = "hanjul_job"
"""The name of the route that shows one job."""


class HasJobs(Protocol):
    """What has a client while it runs: a hanjul.App."""

    @property
    def jobs(self) -> Jobs:
        """The client."""


class HasHttp(Protocol):
    """What has an HTTP client while it runs: a hanjul.App."""

    @property
    def http(self) -> Http:
        """The client."""


class Service:
    """One mounted API, of jobs, of HTTP requests, or of both.

    heartbeat_s: how often a silent event stream says that it is still there.
    """

    def __init__(
        self, jobs: Jobs | HasJobs | None = None, http: Http | HasHttp | None = None, *, heartbeat_s: float = 15.0
    ) -> None:
        self._jobs, self._http = jobs, http
        self.heartbeat_s = heartbeat_s
        self.waiting = 0
        self.closing = False

    @property
    def jobs(self) -> Jobs:
        """The client of jobs."""
        if self._jobs is None:
            raise InvalidSettings("this API has no jobs")
        return client_of(self._jobs)

    @property
    def http(self) -> Http:
        """The client of HTTP requests."""
        if self._http is None:
            raise InvalidSettings("this API has no HTTP requests")
        return self._http if isinstance(self._http, Http) else self._http.http

    def mounted(self, routes: APIRouter, may: Callable[..., Any]) -> APIRouter:
        """The routes as an application includes them: served by this, for those whom `may` lets in."""

        def serve(request: Request) -> None:
            request.state.hanjul = self

        router = APIRouter()
        router.include_router(routes, dependencies=[Depends(may), Depends(serve)])
        return router

    def refuse_if_full(self) -> None:
        """Raise a 503 if too many requests wait already."""
        if self.waiting >= MAX_WAITING:
            raise HTTPException(503, f"{MAX_WAITING} requests wait already; ask without waiting")

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


def next_page(request: Request, found: Sequence[Any], limit: int) -> str | None:
    """Where the page after this one is; None: this was the last."""
    if len(found) < limit:
        return None
    return f"{request.url.path}?{urlencode({**request.query_params, 'before': found[-1].id})}"


def once(idempotency_key: str | None, asked: str | None = None) -> Once | None:
    """What the header Idempotency-Key asks for; raises BadInput for what can be none.  asked: as of Once."""
    key = checked_key(idempotency_key)
    return None if key is None else Once(key, asked)


def checked_key(idempotency_key: str | None) -> str | None:
    """The header Idempotency-Key, if it is given; raises BadInput for what can be none."""
    if idempotency_key is None:
        return None
    if not (1 <= len(idempotency_key) <= 255 and idempotency_key.isascii() and idempotency_key.isprintable()):
        raise BadInput("the header Idempotency-Key must be 1 to 255 printable ASCII characters")
    return idempotency_key


def _service(request: Request) -> Service:
    service: Service = request.state.hanjul
    return service


ServiceDep = Annotated[Service, Depends(_service)]
"""What jobs_router has put into the request."""
