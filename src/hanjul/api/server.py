"""The server of `hanjul up`: the status API in the process that is there already."""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from hanjul.api import jobs as job_routes
from hanjul.api import problems
from hanjul.api import requests as request_routes
from hanjul.api.auth import anybody, guard
from hanjul.api.service import HasHttp, HasJobs, Service
from hanjul.jobs.client import Jobs
from hanjul.model.errors import InvalidSettings
from hanjul.net.client import Http

_log = logging.getLogger("hanjul.api")

PORT = 4270
"""Where it is unless somebody says otherwise, or another is there already."""
PREFIX = "/api"
MAX_CONNECTIONS = 1000
STOP_S = 3.0
"""How long requests that run may take to end when it is stopped."""


def listen(host: str, port: int | None, *, token: str | None) -> socket.socket:
    """A socket on that host and port (None: the usual one, or another that is free; 0: any).

    Raises InvalidSettings beyond this machine without a token, for names that are no address, and for ports that are taken.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise InvalidSettings(f"cannot serve on {host!r}: {error}") from error
    if not (token or ipaddress.ip_address(address[0]).is_loopback):
        raise InvalidSettings(f"who can reach {host} could do anything: set HANJUL_API_TOKEN, or serve on 127.0.0.1")
    for choice in (PORT, 0) if port is None else (port,):
        try:
            return socket.create_server((str(address[0]), choice), family=family)
        except OSError as error:
            refused = error
    raise InvalidSettings(f"cannot serve on {host} port {port}: {refused}") from refused


def url_of(listening: socket.socket) -> str:
    """Where the API is."""
    host, port = listening.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{PREFIX}"


class ApiServer:
    """Serves while the block runs: `async with ApiServer(listening, jobs, token): ...`."""

    def __init__(
        self, listening: socket.socket, jobs: Jobs | HasJobs, token: str | None, http: Http | HasHttp | None = None
    ) -> None:
        """token: who may; None: whoever is on this machine, which `listen` has made sure of.  http: None: jobs alone."""
        self._listening = listening
        self._service = Service(jobs, http)
        app: ASGIApp = _application(self._service, token, requests=http is not None)
        config = uvicorn.Config(
            app if token else _OnlyLocal(app),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=int(STOP_S),
        )
        self._server = _Server(config)
        self._serving: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait for something to happen to a job."""
        return self._service.waiting

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(self._server.serve([self._listening]))
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._service.closing = True
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving


class _Server(uvicorn.Server):
    """One that leaves signals to the process that it is in."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _application(service: Service, token: str | None, *, requests: bool) -> FastAPI:
    app = FastAPI(title="hanjul", description="Durable jobs, HTTP requests, webhooks: enqueue, look, wait, cancel, try again.",
                  docs_url=None, redoc_url=None, openapi_url=f"{PREFIX}/openapi.json")  # fmt: skip
    may = guard(token or anybody)
    app.include_router(job_routes.mounted(service, may), prefix=PREFIX)
    if requests:
        app.include_router(request_routes.mounted(service, may), prefix=PREFIX)

    async def refused(_request: Request, error: Any) -> Response:
        return problems.of_http(error)

    async def failed(_request: Request, _error: Exception) -> Response:
        return problems.problem(500, "the server's log says more")

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(Exception, failed)
    return app


class _OnlyLocal:
    """Without a token, what a browser would do in the name of a foreign page is refused.

    Such a page reaches loopback, too: by a name of its own that leads there (Host), or from elsewhere (Origin).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refusal := _foreign(Headers(scope=scope))):
            await problems.problem(403, refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _foreign(headers: Headers) -> str | None:
    host = headers.get("host", "")
    if not _is_local(urlsplit(f"//{host}").hostname if _splits(host) else None):
        return f"this server is for its own machine, not for {host!r}: set HANJUL_API_TOKEN to serve others"
    origin = headers.get("origin")
    if origin is not None and origin not in {f"http://{host}", f"https://{host}"}:
        return f"a page of {origin!r} may not use this server: set HANJUL_API_TOKEN, and let the page have it"
    return None


def _splits(host: str) -> bool:
    try:
        urlsplit(f"//{host}")
    except ValueError:
        return False
    return True


def _is_local(name: str | None) -> bool:
    if name is None or name == "localhost":
        return name is not None
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
