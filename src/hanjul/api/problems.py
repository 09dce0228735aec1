"""Errors as problem documents (RFC 9457): the one place where an error becomes a status."""

import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from hanjul.model.errors import (
    BadInput,
    HanjulError,
    InvalidStatus,
    JobConflict,
    JobNotFound,
    MessageTooLarge,
    NotFound,
    PermissionDenied,
    RequestNotFound,
    Unavailable,
)

_log = logging.getLogger("hanjul.api")

MEDIA_TYPE = "application/problem+json"
MAX_BODY_BYTES = 1 << 20
"""The longest body of a request: larger data belongs elsewhere, and its address into the payload."""
DRAINED_BYTES = 16 << 20
"""How much of a longer one is read and forgotten: who still sends would not hear the answer."""
RETRY_AFTER_S = 1
"""When to try again what is unavailable."""

BY_CLASS: list[tuple[type[HanjulError], int, str]] = [
    (JobNotFound, 404, "job-not-found"),
    (RequestNotFound, 404, "request-not-found"),
    (NotFound, 404, "not-found"),
    (MessageTooLarge, 413, "too-large"),
    (BadInput, 422, "bad-input"),
    (InvalidStatus, 409, "invalid-status"),
    (JobConflict, 409, "job-conflict"),
    (PermissionDenied, 403, "permission-denied"),
    (Unavailable, 503, "unavailable"),
]
"""The first class that fits decides; what fits none is ours to mend, a 500."""
BY_STATUS = {
    400: "bad-request",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    422: "bad-input",
    500: "internal-error",
    503: "unavailable",
}


class Problem(BaseModel):
    """What is wrong. `type` says which problem, for programs; `detail` says it of this request, for people."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None


DOCUMENTED: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "What is wrong with the request.", "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}},
    "503": {"description": "Not now: try again.", "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}},
}
"""What OpenAPI says of them, on every route."""


def problem(status: int, detail: str, *, slug: str = "", headers: dict[str, str] | None = None, **more: Any) -> Response:
    """A problem document.  slug: which problem; by the status if there is nothing closer to say."""
    slug = slug or BY_STATUS.get(status, f"http-{status}")
    title = slug.replace("-", " ").capitalize()
    document = Problem(type=f"urn:problem-type:hanjul:{slug}", title=title, status=status, detail=detail, **more)
    headers = {"Cache-Control": "no-store", **(headers or {})}
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    return Response(document.model_dump_json(exclude_none=True), status, headers, MEDIA_TYPE)


def of_error(error: HanjulError) -> Response:
    """The problem document of one of our errors."""
    for kind, status, slug in BY_CLASS:
        if isinstance(error, kind):
            return problem(status, str(error), slug=slug)
    _log.error("the API cannot answer: %s", error, exc_info=error)
    return problem(500, f"{type(error).__name__}: the server's log says more")


def of_http(error: HTTPException) -> Response:
    """The problem document of what FastAPI refuses by itself."""
    return problem(error.status_code, str(error.detail), headers=dict(error.headers or {}))


def of_validation(error: RequestValidationError) -> Response:
    """The problem document of a request that does not fit: all that is wrong with it, and where."""
    errors = [{"at": ".".join(map(str, one["loc"])), "message": one["msg"]} for one in error.errors()]
    status = 400 if any(one["type"] == "json_invalid" for one in error.errors()) else 422
    return problem(status, "; ".join(f"{one['at']}: {one['message']}" for one in errors[:3]), errors=errors[:100])


class ProblemRoute(APIRoute):
    """A route whose errors are problem documents, in whatever application it is mounted, and whose body has a limit."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own, inside of ours."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(Request(request.scope, _limited(request.receive)))
            except HanjulError as error:
                return of_error(error)
            except RequestValidationError as error:
                return of_validation(error)
            except HTTPException as error:
                return of_http(error)
            except RecursionError:
                return problem(500, "what is stored is nested too deeply to be shown here; SQL shows it")

        return answer


def _limited(receive: Receive) -> Receive:
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read <= MAX_BODY_BYTES:
            return message
        while message.get("more_body") and read <= DRAINED_BYTES:
            message = await receive()
            read += len(message.get("body", b""))
        raise HTTPException(413, f"the body has more than {MAX_BODY_BYTES:,} bytes", {"Connection": "close"})

    return limited
