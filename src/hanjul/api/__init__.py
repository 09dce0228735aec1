"""HTTP in: the status API of jobs as a FastAPI router, and routes that answer 202. Needs `hanjul[api]`."""

from hanjul.api._installed import NEEDED
from hanjul.api.accept import accepted
from hanjul.api.auth import anybody
from hanjul.api.jobs import jobs_router

__all__ = ["NEEDED", "accepted", "anybody", "jobs_router"]
