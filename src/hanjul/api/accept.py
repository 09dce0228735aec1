"""Routes that answer 202: what they return is the payload of a job."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from hanjul.api import problems
from hanjul.api.schemas import Enqueued
from hanjul.api.service import HasJobs, client_of, once
from hanjul.api.service import status_url as status_url_of
from hanjul.jobs.client import Jobs
from hanjul.model.errors import HanjulError

Route = Callable[..., Any]

_SOME_JOB = UUID(int=0)
_REQUEST = "hanjul_request"


def accepted(
    jobs: Jobs | HasJobs, kind: str | Callable[..., Any], *, status_url: str | None = None, **options: Any
) -> Callable[[Route], Route]:
    """Enqueue what the route returns, and answer 202 with the job's id, its status and where to ask for it (Location).

        @web.post("/recordings", status_code=202)
        @accepted(app, "transcribe")
        async def upload(file: UploadFile) -> dict[str, str]: ...

    kind, options: as of Jobs.enqueue.  status_url: where jobs are shown, as "/jobs/{id}"; None: by the router that
    jobs_router made, which the application has mounted. A route that raises, or returns a response of its own, answers as
    it would. With the header Idempotency-Key the second request finds the job that the first has made.
    """

    def decorate(route: Route) -> Route:
        call = route if inspect.iscoroutinefunction(route) else partial(run_in_threadpool, route)
        name = kind if isinstance(kind, str) else getattr(kind, "__name__", "job")

        async def answering(**arguments: Any) -> Response:
            request: Request = arguments.pop(_REQUEST)
            _url(request, status_url, _SOME_JOB)  # before the route does anything: there must be one
            payload = await call(**arguments)
            if isinstance(payload, Response):
                return payload
            try:
                first = once(request.headers.get("idempotency-key"), f"{request.method} {request.url.path} {name}")
                record = await (await client_of(jobs).enqueue(kind, payload, once=first, **options)).get()
            except HanjulError as error:
                return problems.of_error(error)
            url = _url(request, status_url, record.id)
            return Enqueued(id=record.id, status=record.status, status_url=url).answer(202, {"Location": url})

        return _with_request(answering, route)

    return decorate


def _with_request(answering: Route, route: Route) -> Route:
    """As FastAPI sees it: the route, that wants the request too. Not wrapped, or it would take it for what is inside."""
    signature = inspect.signature(route, eval_str=True)
    request = inspect.Parameter(_REQUEST, inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    parameters = [*signature.parameters.values(), request]
    answering.__signature__ = signature.replace(parameters=parameters, return_annotation=Enqueued)  # type: ignore[attr-defined]  # what inspect reads
    for name in ("__name__", "__qualname__", "__doc__", "__module__"):
        setattr(answering, name, getattr(route, name))
    return answering


def _url(request: Request, template: str | None, job_id: UUID) -> str:
    return status_url_of(request, job_id) if template is None else template.replace("{id}", str(job_id))
