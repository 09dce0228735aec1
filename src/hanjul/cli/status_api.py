"""What `hanjul up` does about the status API: whether it is served, where, and to whom."""

import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from importlib.util import find_spec
from typing import Any

import click

from hanjul.config import Settings
from hanjul.model.errors import InvalidSettings

Serving = Callable[[Any], AbstractAsyncContextManager[object]]
"""Given an app that runs, or its clients: serves while the block runs."""


def nothing(_app: Any) -> AbstractAsyncContextManager[object]:
    """Serve nothing."""
    return nullcontext()


def serving(config: Settings, host: str | None, port: int | None, *, wanted: bool) -> Serving:
    """The API on that host and port, bound already; or nothing, where it is not installed and nobody has asked for it.

    Raises InvalidSettings for an address that cannot be, or must not be for lack of a token.
    """
    if not wanted:
        return nothing
    if missing := [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]:
        what = f"the status API needs {' and '.join(missing)}: pip install 'hanjul[api]'"
        if host is not None or port is not None:
            raise InvalidSettings(what)
        click.echo(f"{what}. Going on without it")
        return nothing
    return _bound(config, host or "127.0.0.1", port)


def _bound(config: Settings, host: str, port: int | None) -> Serving:
    from hanjul.api.server import ApiServer, listen, url_of

    listening: socket.socket = listen(host, port, token=config.api_token)
    to_whom = "whoever has HANJUL_API_TOKEN" if config.api_token else "this machine only; HANJUL_API_TOKEN lets others in"
    click.echo(f"status API for {to_whom}: {url_of(listening)}/queues")
    return lambda app: ApiServer(listening, app, config.api_token, app)
