"""The API of webhooks: make, look, pause, test, drop. Conditions are SQL, so they are not set from here."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from hanjul.api.auth import Dependency
from hanjul.api.problems import DOCUMENTED, ProblemRoute
from hanjul.api.request_schemas import PauseBody, RequestEnqueued, WebhookBody, WebhookCreated, WebhookList
from hanjul.api.service import Service, ServiceDep

_routes = APIRouter(route_class=ProblemRoute, tags=["webhooks"], responses=DOCUMENTED)

WebhookName = Annotated[str, Path(min_length=1, max_length=200)]


def mounted(service: Service, may: Dependency) -> APIRouter:
    """The routes, for those whom `may` lets in."""
    return service.mounted(_routes, may)


@_routes.get("/webhooks", response_model=WebhookList)
async def list_webhooks(service: ServiceDep) -> Response:
    """All webhooks: how they stand, what waits."""
    return WebhookList.model_validate({"webhooks": await service.http.webhooks.list()}).answer()


@_routes.post("/webhooks", status_code=201, response_model=WebhookCreated)
async def create(body: WebhookBody, service: ServiceDep) -> Response:
    """Make a webhook on a table. The secret that signs is told only here, if it is made now."""
    created = await service.http.webhooks.create(body.table, body.events, body.url, **body.options())
    return WebhookCreated.model_validate(created).answer(201)


@_routes.post("/webhooks/{name}/pause", status_code=204)
async def pause(name: WebhookName, service: ServiceDep, body: PauseBody | None = None) -> Response:
    """Keep its events until it is resumed."""
    await service.http.webhooks.pause(name, reason=body.reason if body else None)
    return Response(status_code=204)


@_routes.post("/webhooks/{name}/resume", status_code=204)
async def resume(name: WebhookName, service: ServiceDep) -> Response:
    """Send what waits, in order; of one that was disabled, too."""
    await service.http.webhooks.resume(name)
    return Response(status_code=204)


@_routes.post("/webhooks/{name}/test", status_code=202, response_model=RequestEnqueued)
async def test(name: WebhookName, service: ServiceDep, request: Request) -> Response:
    """Send an event of type TEST, signed as all are."""
    request_id = await service.http.webhooks.test(name)
    url = request.url_for("hanjul_request", request_id=str(request_id)).path
    return RequestEnqueued(id=request_id, status="PENDING", status_url=url).answer(202, {"Location": url})


@_routes.delete("/webhooks/{name}", status_code=204)
async def drop(name: WebhookName, service: ServiceDep) -> Response:
    """No more events; what has not been sent ends as an error."""
    await service.http.webhooks.drop(name)
    return Response(status_code=204)
