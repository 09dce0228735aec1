"""HTTP in: the status API of jobs as a FastAPI router, and routes that answer 202. Needs `hanjul[api]`."""

import hanjul.api._installed  # noqa: F401  # before all that needs it: it says what to install
from hanjul.api.accept import accepted
from hanjul.api.auth import anybody
from hanjul.api.jobs import jobs_router

__all__ = ["accepted", "anybody", "jobs_router"]
