"""`hanjul up` and `hanjul worker`: processes that stay."""

import asyncio
import importlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import msgspec

from hanjul.app import App
from hanjul.app_http import missing
from hanjul.cli.status_api import Serving, nothing, serving
from hanjul.clients import address
from hanjul.config import ENVIRONMENT, Settings, settings
from hanjul.model.errors import InvalidSettings, Unavailable
from hanjul.observe import set_up
from hanjul.postgres.conninfo import without_password
from hanjul.postgres.migrate import ensure_current

_log = logging.getLogger("hanjul")

NOT_DRAINED = 7
"""The exit code of a worker that had to cut its handlers short."""

START_S = 60.0
"""How long a worker that starts waits for a database that is away."""

level = click.option(
    "--log-level",
    default="INFO",
    show_default=True,
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
)
json_logs = click.option("--json-logs", is_flag=True, help="Log one JSON object a line.")
over = click.option(
    "--set",
    "over",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting as hanjul.toml names it, over environment and file; repeatable.",
)


@click.command(short_help="Run the consumers of an app.")
@click.argument("target", metavar="MODULE:APP|DIR")
@over
@level
@json_logs
def worker(target: str, over: tuple[str, ...], log_level: str, *, json_logs: bool) -> None:
    """Run the consumers of an app until SIGTERM or Ctrl-C; the second signal cuts running handlers short.

    DIR: a directory, or a file, of entries in YAML.

    \b
    Examples:
      hanjul worker myproject.tasks:app
      hanjul worker app/
      DATABASE_URL=postgresql://... hanjul worker tasks:app --json-logs
      hanjul worker tasks:app --set job_concurrency=50 --set poll_interval_s=1
    """
    set_up(log_level.upper(), as_json=json_logs)
    _set(over)
    app = load(target)
    if app.idle:
        raise InvalidSettings(
            f'{target} declares no consumer and no job; decorate a function with @app.consumer("queue") or @app.job(); '
            "in YAML give a queue.consumer lifecycle: {auto_start: true}"
        )
    _include_sender(app)
    _run(_serve(app))


@click.command("worker", short_help="Send HTTP requests, and nothing else.")
@over
@level
@json_logs
def http_worker(over: tuple[str, ...], log_level: str, *, json_logs: bool) -> None:
    """Send the HTTP requests that SQL and clients enqueue, until SIGTERM or Ctrl-C. Any number of them may run.

    \b
    Examples:
      hanjul net worker
      hanjul net worker --set http_concurrency=2000 --set http_host_concurrency=50
      hanjul net worker --set http_allow=localhost,10.0.0.0/8
    """
    set_up(log_level.upper(), as_json=json_logs)
    _set(over)
    app = App()
    app.send_http()
    _run(_serve(app))


@click.command(short_help="Everything in one process.")
@click.argument("target", metavar="[MODULE:APP|DIR]", required=False)
@click.option(
    "--host", help="Where the status API listens; beyond this machine only with HANJUL_API_TOKEN.  [default: 127.0.0.1]"
)
@click.option("--port", type=click.IntRange(0, 65535), help="Its port; 0: any.  [default: 4270, or if that is taken another]")
@click.option("--no-api", is_flag=True, help="Serve no status API.")
@over
@level
@json_logs
def up(
    target: str | None,
    host: str | None,
    port: int | None,
    over: tuple[str, ...],
    log_level: str,
    *,
    no_api: bool,
    json_logs: bool,
) -> None:
    """Everything in one process: the embedded PostgreSQL if need be, the schema, the consumers of an app, the status API.

    \b
    Examples:
      hanjul up
      hanjul up myproject.tasks:app
      hanjul up app/
      HANJUL_API_TOKEN=... hanjul up myproject.tasks:app --host 0.0.0.0 --port 8000
    """
    set_up(log_level.upper(), as_json=json_logs)
    _set(over)
    app = None if target is None else load(target)
    config = settings() if app is None else app.settings
    if config is None:  # an app on the memory driver
        if host is not None or port is not None:
            raise InvalidSettings("the status API shows jobs, which need the postgres driver")
        _run(_until_signalled(None, nothing) if app is None or app.idle else _serve(app))
        return
    with address(config) as url:
        ensure_current(url)
        _tell_where(url, is_embedded=config.database_url is None)
        api = serving(config, host, port, wanted=not no_api)
        at = msgspec.structs.replace(config, database_url=url)
        app = App(config=at) if app is None else app
        _include_sender(app)
        _run(_until_signalled(at, api) if app.idle else _serve(app, api))


def _include_sender(app: App) -> None:
    """Let the app send HTTP requests, too, unless the settings say no, or it cannot."""
    if (config := app.settings) is not None and config.http_sender and missing() is None:
        app.send_http(if_possible=True)


def _set(over: Sequence[str]) -> None:
    """Put settings over those of the environment, before an app is made that reads them; raises InvalidSettings."""
    variables = {name: variable for variable, name in ENVIRONMENT.items()}
    for given in over:
        name, _, value = given.partition("=")
        if not value or name not in variables:  # the value may be a secret
            raise InvalidSettings(f"--set {name}: it takes NAME=VALUE, with one of the names {', '.join(sorted(variables))}")
        os.environ[variables[name]] = value


def load(target: str) -> App:
    """The App that `module:name` names, or that entries in YAML declare; raises InvalidSettings, which says what is wrong."""
    if _is_path(target):
        from hanjul.app_entries import load_app  # only here: who has none need not carry pydantic

        return load_app(target)
    module_name, _, name = target.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module_name), name or "app")
    except (ModuleNotFoundError, ValueError) as error:
        raise InvalidSettings(
            f"{target}: {error}; it must be importable from {Path.cwd()}, written package.module:app"
        ) from error
    except AttributeError as error:
        raise InvalidSettings(f"{target}: {error}") from error
    if not isinstance(found, App):
        raise InvalidSettings(f"{target} is a {type(found).__name__}, not a hanjul.App")
    return found


def _is_path(target: str) -> bool:
    """Whether it names entries: a directory that is no package, or a file."""
    if target.endswith(("/", ".yaml", ".yml", ".json")):
        return True
    return Path(target).is_dir() and not Path(target, "__init__.py").exists()


def _tell_where(url: str, *, is_embedded: bool) -> None:
    if not is_embedded:
        click.echo(f"using {without_password(url)}, its schema is up to date")
        return
    from hanjul import embedded

    click.echo(f"PostgreSQL is up, on this machine only. Connect with:\n    {embedded.locate().bin_dir / 'psql'} {url}")
    click.echo(f"or give it to other programs:\n    export DATABASE_URL={url}\nCtrl-C stops it.")


async def _serve(app: App, api: Serving = nothing) -> bool:
    """Run the app's consumers, and the API, until a signal; True if all was drained."""
    stop = _on_signals(app.cut)
    if not await _started(app, stop):
        return True
    for consumer in app.consumers:
        spec = consumer.spec
        _log.info(
            "consuming queue %r with %s: concurrency %d, prefetch %d, lease %g s",
            consumer.source.queue, spec.handler.name, spec.concurrency, spec.prefetch, spec.lease_s,
        )  # fmt: skip
    async with api(app):
        await stop.wait()
    _log.info("stopping: no new messages, waiting for the handlers that run")
    drained = await app.stop()
    for consumer in app.consumers:
        _log.info("queue %r: %s", consumer.source.queue, consumer.counts)
    return drained


async def _started(app: App, stop: asyncio.Event) -> bool:
    """Start the app; a database that is away, as while it restarts, is waited for. False if a signal came first."""
    deadline, pause_s = time.monotonic() + START_S, 0.2
    while not stop.is_set():
        try:
            await app.start()
        except Unavailable as error:
            if time.monotonic() > deadline:
                raise
            _log.warning("%s Trying again", error)
        else:
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s)
        pause_s = min(5.0, pause_s * 2)
    return False


async def _until_signalled(config: Settings | None, api: Serving) -> bool:
    """Serve the API alone."""
    stop = _on_signals(lambda: None)
    if config is None or api is nothing:
        await stop.wait()
        return True
    async with App(config=config).clients() as app, api(app):
        await stop.wait()
    return True


def _on_signals(again: Any) -> asyncio.Event:
    """An event that the first SIGTERM or SIGINT sets; `again` is called by the next ones."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def signalled() -> None:
        again() if stop.is_set() else stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled)
    return stop


def _run(main: Coroutine[Any, Any, bool]) -> None:
    """Run to the end; on uvloop where it is installed, which saves CPU. Ends the process if not all was drained."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        if not runner.run(main):  # some handler may never end: do not wait for it
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(NOT_DRAINED)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
