"""Imported before all that needs FastAPI: where it is missing, this says what to install."""

from importlib.util import find_spec

if find_spec("fastapi") is None:
    raise ModuleNotFoundError("hanjul.api needs FastAPI: pip install 'hanjul[api]'", name="fastapi")
