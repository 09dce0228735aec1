"""The status API of jobs: enqueue, look, wait, cancel, try again."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from hanjul.api import events
from hanjul.api.auth import Dependency, guard
from hanjul.api.problems import DOCUMENTED, ProblemRoute
from hanjul.api.schemas import EnqueueBody, Enqueued, Explanation, JobPage, JobShown, Name, ProcessingPage, QueueList
from hanjul.api.service import ROUTE, HasJobs, Service, ServiceDep, next_page, once, status_url
from hanjul.jobs.client import Jobs
from hanjul.jobs.rows import Status

LONGEST_WAIT_S = 60.0
MAX_PAGE = 200

_routes = APIRouter(route_class=ProblemRoute, tags=["jobs"], responses=DOCUMENTED)

Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
IdempotencyKey = Annotated[
    str | None,
    Header(description="A request that comes again with its key finds the job that it made; another with that key is refused."),
]


def jobs_router(jobs: Jobs | HasJobs, *, auth: str | Dependency | None = None, heartbeat_s: float = 15.0) -> APIRouter:
    """The status API, to be mounted: `web.include_router(hanjul.api.jobs_router(app), prefix="/hanjul")`.

    jobs: a client that is open, or the app, while it runs.
    auth: who may: a token, which `Authorization: Bearer` gives, or a dependency of your own, as in FastAPI's Depends;
    None: the token of HANJUL_API_TOKEN. Raises InvalidSettings if there is none.
    heartbeat_s: how often an event stream without events says that it is still there.
    """
    return mounted(Service(jobs, heartbeat_s=heartbeat_s), guard(auth))


def mounted(service: Service, may: Dependency) -> APIRouter:
    """The routes, for those whom `may` lets in."""
    return service.mounted(_routes, may)


@_routes.post("/jobs", status_code=202, response_model=Enqueued)
async def enqueue(body: EnqueueBody, service: ServiceDep, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Enqueue a job. The answer comes when it is stored, not when it is done."""
    handle = await service.jobs.enqueue(body.kind, body.payload, once=once(idempotency_key), **body.options())
    record = await handle.get()
    url = status_url(request, record.id)
    return Enqueued(id=record.id, status=record.status, status_url=url).answer(202, {"Location": url})


@_routes.get("/jobs", response_model=JobPage)
async def list_jobs(
    service: ServiceDep,
    request: Request,
    status: Status,
    queue: Name | None = None,
    kind: Name | None = None,
    key: str | None = None,
    before: UUID | None = None,
    limit: Limit = 50,
) -> Response:
    """Jobs of a status, newest first, such as those that failed."""
    found = await service.jobs.list(status, queue=queue, kind=kind, key=key, limit=limit, before=before)
    return JobPage.model_validate({"jobs": found, "next": next_page(request, found, limit)}).answer()


@_routes.get("/jobs/{job_id}", response_model=JobShown, name=ROUTE)
async def show(
    job_id: UUID, service: ServiceDep, request: Request, wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)] = 0
) -> Response:
    """How a job stands; with `wait`, as soon as it has ended, or after so many seconds."""
    record = await service.jobs.get(job_id)
    if wait and not record.ended:
        service.refuse_if_full()
        record = await events.until_ended(service, record, wait, request)
    return JobShown.model_validate(record).answer()


@_routes.get("/jobs/{job_id}/events", response_class=StreamingResponse)
async def watch(job_id: UUID, service: ServiceDep, last_event_id: Annotated[str | None, Header()] = None) -> Response:
    """Server-sent events: the job as it stands, then each change of its status or progress, until it has ended.

    Events are named `status` and `progress`; their data is the job. A browser that comes back after the last is told by 204
    not to come again.
    """
    record = await service.jobs.get(job_id)
    if record.ended and last_event_id == events.LAST_EVENT:
        return Response(status_code=204)
    service.refuse_if_full()
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events.stream(service, job_id), 200, headers, "text/event-stream")


@_routes.get("/jobs/{job_id}/explain", response_model=Explanation)
async def explain(job_id: UUID, service: ServiceDep) -> Response:
    """Why a job does not run, or how it does, or how it ended: every cause, the decisive one first."""
    return Explanation.model_validate({"causes": await service.jobs.explain(job_id)}).answer()


@_routes.post("/jobs/{job_id}/cancel", response_model=Enqueued, responses={202: {"model": Enqueued}})
async def cancel(job_id: UUID, service: ServiceDep, request: Request) -> Response:
    """Cancel a job: 200 if it is; 202 if it runs, and its worker is asked to end it."""
    status = await service.jobs.cancel(job_id)
    answer = Enqueued(id=job_id, status=status, status_url=status_url(request, job_id))
    return answer.answer(200 if status == "cancelled" else 202)


@_routes.post("/jobs/{job_id}/retry", status_code=202, response_model=Enqueued)
async def retry(job_id: UUID, service: ServiceDep, request: Request) -> Response:
    """A failed or cancelled job is pending again, with all its retries."""
    await service.jobs.retry(job_id)
    url = status_url(request, job_id)
    return Enqueued(id=job_id, status="pending", status_url=url).answer(202, {"Location": url})


@_routes.get("/processing", response_model=ProcessingPage)
async def processing(
    service: ServiceDep, request: Request, queue: Name | None = None, before: UUID | None = None, limit: Limit = 50
) -> Response:
    """What runs now: by whom, since when, and how long the lease still holds."""
    found = await service.jobs.processing(queue=queue, before=before, limit=limit)
    return ProcessingPage.model_validate({"jobs": found, "next": next_page(request, found, limit)}).answer()


@_routes.get("/queues", response_model=QueueList)
async def queues(service: ServiceDep) -> Response:
    """Every queue: how many jobs have which status, how long the oldest has been waiting, whether it is paused."""
    return QueueList.model_validate({"queues": await service.jobs.queue_status()}).answer()
