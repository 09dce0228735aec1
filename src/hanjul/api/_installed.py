"""Whether what this room needs is there; imported before all that needs it, to say what to install."""

from importlib.util import find_spec

NEEDED = ("fastapi", "uvicorn")
"""What the extra `api` brings."""

if find_spec("fastapi") is None:
    raise ModuleNotFoundError("hanjul.api needs FastAPI: pip install 'hanjul[api]'", name="fastapi")
