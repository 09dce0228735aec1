"""The status API on a real server, beside a real PostgreSQL."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from hanjul.api import anybody, jobs_router
from hanjul.jobs import Jobs
from hanjul.postgres import Database


@pytest.fixture
async def jobs(dsn: str) -> AsyncIterator[Jobs]:
    async with Jobs(Database(dsn)) as jobs:
        yield jobs


@asynccontextmanager
async def serve(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """The application on a port of loopback, and a client that talks to it."""
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    listening = socket.create_server(("127.0.0.1", 0))
    running = asyncio.create_task(server._serve([listening]))
    base = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=base, timeout=30) as client:
        try:
            yield client
        finally:
            server.should_exit = True
            await running


@pytest.fixture
def web(jobs: Jobs) -> FastAPI:
    """An application of a user's, with the status API for everybody under /hanjul."""
    web = FastAPI()
    web.include_router(jobs_router(jobs, auth=anybody, heartbeat_s=0.05), prefix="/hanjul")
    return web


@pytest.fixture
async def http(web: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Its client."""
    async with serve(web) as client:
        yield client
