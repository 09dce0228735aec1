"""The API of HTTP requests: enqueue, look, wait, cancel, try again."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request, Response

from hanjul.api import webhooks
from hanjul.api.auth import Dependency, guard
from hanjul.api.problems import DOCUMENTED, ProblemRoute
from hanjul.api.request_schemas import AttemptList, RequestBody, RequestEnqueued, RequestPage, RequestShown, ResponseShown
from hanjul.api.schemas import Name
from hanjul.api.service import HasHttp, Service, ServiceDep, checked_key, next_page
from hanjul.net.client import Http
from hanjul.net.rows import RequestStatus
from hanjul.pacing import pace

LONGEST_WAIT_S = 60.0
MAX_PAGE = 200
ROUTE = "hanjul_request"

_routes = APIRouter(route_class=ProblemRoute, tags=["requests"], responses=DOCUMENTED)

RequestId = Annotated[int, Path(ge=0, lt=2**63)]
Before = Annotated[int, Query(ge=0, lt=2**63)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
IdempotencyKey = Annotated[
    str | None,
    Header(description="A request that comes again with its key finds the one that it made; another with that key is refused."),
]


def requests_router(http: Http | HasHttp, *, auth: str | Dependency | None = None) -> APIRouter:
    """The API of HTTP requests and webhooks: `web.include_router(hanjul.api.requests_router(app), prefix="/hanjul")`.

    http: a client that is open, or the app, while it runs.  auth: who may, as of jobs_router: whoever may, sends requests in
    the name of this database, and reads their answers.
    """
    return mounted(Service(http=http), guard(auth))


def mounted(service: Service, may: Dependency) -> APIRouter:
    """The routes, for those whom `may` lets in."""
    router = service.mounted(_routes, may)
    router.include_router(webhooks.mounted(service, may))
    return router


@_routes.post("/requests", status_code=202, response_model=RequestEnqueued)
async def enqueue(body: RequestBody, service: ServiceDep, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Enqueue a request. The answer comes when it is stored, not when it is sent."""
    key = checked_key(idempotency_key)
    handle = await service.http.request(body.method, body.url, idempotency_key=key, **body.options())
    return await _accepted(service, request, handle.id)


@_routes.get("/requests", response_model=RequestPage)
async def list_requests(
    service: ServiceDep,
    request: Request,
    status: RequestStatus | None = None,
    host: Name | None = None,
    webhook: Name | None = None,
    before: Before | None = None,
    limit: Limit = 50,
) -> Response:
    """Requests, newest first; of each status, or webhook, the newest 100,000 are looked at."""
    found = await service.http.requests(status, host=host, webhook=webhook, limit=limit, before=before)
    return RequestPage.model_validate({"requests": found, "next": next_page(request, found, limit)}).answer()


@_routes.get("/requests/{request_id}", response_model=RequestShown, name=ROUTE)
async def show(
    request_id: RequestId, service: ServiceDep, request: Request, wait: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)] = 0
) -> Response:
    """How a request stands, and the answer; with `wait`, as soon as it has ended, or after so many seconds."""
    record = await service.http.get_request(request_id)
    if wait and record.status == "PENDING":
        service.refuse_if_full()
        await _ended(service, request_id, wait, request)
        record = await service.http.get_request(request_id)
    shown = RequestShown.model_validate(record)
    if answer := await service.http.response(request_id):
        shown.response = ResponseShown.model_validate(answer)
    return shown.answer()


@_routes.get("/requests/{request_id}/attempts", response_model=AttemptList)
async def attempts(request_id: RequestId, service: ServiceDep) -> Response:
    """Every attempt at a request, the first first."""
    await service.http.status(request_id)  # a 404 if there is none
    return AttemptList.model_validate({"attempts": await service.http.attempts(request_id)}).answer()


@_routes.post("/requests/{request_id}/cancel", response_model=RequestEnqueued)
async def cancel(request_id: RequestId, service: ServiceDep, request: Request) -> Response:
    """A request that has not ended, ends: it is not sent, or not again."""
    await service.http.cancel(request_id)
    return await _accepted(service, request, request_id, 200)


@_routes.post("/requests/{request_id}/retry", status_code=202, response_model=RequestEnqueued)
async def retry(request_id: RequestId, service: ServiceDep, request: Request) -> Response:
    """A request that has ended is sent again, with all its attempts; one that waits for its next attempt goes now."""
    await service.http.retry(request_id)
    return await _accepted(service, request, request_id)


async def _accepted(service: Service, request: Request, request_id: int, status: int = 202) -> Response:
    url = request.url_for(ROUTE, request_id=str(request_id)).path
    shown = RequestEnqueued(id=request_id, status=await service.http.status(request_id), status_url=url)
    return shown.answer(status, {"Location": url} if status == 202 else None)


async def _ended(service: Service, request_id: int, wait_s: float, request: Request) -> None:
    """Return when it has ended, or after wait_s, or when nobody waits for the answer any more."""
    with service.place():
        async for _ in pace(wait_s):
            status = await service.http.status(request_id)
            if status != "PENDING" or service.closing or await request.is_disconnected():
                return
