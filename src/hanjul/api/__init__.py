"""HTTP in: the APIs of jobs, HTTP requests and webhooks as FastAPI routers, and routes that answer 202. Needs `hanjul[api]`."""

import hanjul.api._installed  # noqa: F401  # before all that needs it: it says what to install
from hanjul.api.accept import accepted
from hanjul.api.auth import anybody
from hanjul.api.jobs import jobs_router
from hanjul.api.requests import requests_router

__all__ = ["accepted", "anybody", "jobs_router", "requests_router"]
