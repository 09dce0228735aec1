"""`hanjul net ...`: send HTTP requests, see how they stand, put things right."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from hanjul.cli.input import json_text, pairs
from hanjul.cli.net_answer import show_answer, wait_for
from hanjul.cli.net_setup import config, secret
from hanjul.cli.net_webhooks import webhook
from hanjul.cli.output import as_json, plain, print_json, print_table, show
from hanjul.clients import connect_http_sync
from hanjul.model.errors import BadInput
from hanjul.net.outgoing import HttpRetry
from hanjul.net.rows import AttemptRecord, RequestCounts, RequestLine, RequestRecord, ResponseRecord

LISTED = ["id", "status", "method", "url", "status_code", "attempts", "created", "finished", "error_msg"]
"""What a table has room for; as JSON a request has all its fields."""

request_id = click.argument("request_id", metavar="ID", type=int)


@click.group()
def net() -> None:
    """Send HTTP requests, see how they stand, put things right.

    \b
    Examples:
      hanjul net get https://api.example.com/todos/1
      hanjul net post https://api.example.com/hook '{"id": 7}' -H 'Authorization: Bearer ${secret:crm}' --attempts 5
      hanjul net requests --status error
      hanjul net show 17
    """


net.add_command(config)
net.add_command(secret)
net.add_command(webhook)


def _asking(command: Callable[..., None]) -> Callable[..., None]:
    """The options of whatever sends a request."""
    options = [
        click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A header; repeatable."),
        click.option("--param", "params", multiple=True, metavar="NAME=VALUE", help="Added to the query; repeatable."),
        click.option("--timeout-ms", default=5000, show_default=True, help="Of one attempt; 0: none."),
        click.option("--attempts", type=click.IntRange(1, 1000), help="Try again, so often in all, with growing pauses."),
        click.option("--delay", "delay_s", type=float, help="Seconds before which it is not sent."),
        click.option("--idempotency-key", help="A second request with this key is the first."),
        click.option("--ordering-key", help="Of each key one at a time, in their order."),
        click.option("--sign-with", metavar="SECRET", help="Sign it with this secret (Standard Webhooks)."),
        click.option("--no-wait", is_flag=True, help="Print the id, and do not wait for the answer."),
        click.option("--wait", "wait_s", default=60.0, show_default=True, help="Seconds to wait for the answer at most."),
        as_json,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _with_body(command: Callable[..., None]) -> Callable[..., None]:
    """The options of whatever has a body."""
    command = click.option("--file", type=click.File("rb"), help="The bytes of this file as body; - is standard input.")(command)
    command = click.option("--text", help="A text as body.")(command)
    return click.argument("body", metavar="[JSON]", required=False)(command)


@net.command(short_help="Send a GET, and wait for the answer.")
@click.argument("url")
@_asking
def get(url: str, **how: Any) -> None:
    """Enqueue a GET, wait until a sender has sent it, print the answer's body; its status goes to standard error.

    Exit code 0 if there was an answer below 400, 1 otherwise. It takes a sender: `hanjul net worker`, or `hanjul up`.

    \b
    Examples:
      hanjul net get https://jsonplaceholder.typicode.com/todos/1
      hanjul net get https://api.example.com/me -H 'Authorization: Bearer ${secret:crm}' --json
      hanjul net get https://api.example.com/slow --timeout-ms 60000 --no-wait
    """
    _send("GET", url, {}, **how)


@net.command(short_help="Send a POST, and wait for the answer.")
@click.argument("url")
@_with_body
@_asking
def post(url: str, body: str | None, text: str | None, file: Any, **how: Any) -> None:
    """Enqueue a POST, and go on as `hanjul net get` does.

    \b
    Examples:
      hanjul net post https://api.example.com/todos '{"title": "foo"}'
      hanjul net post https://api.example.com/notes --text 'plain text'
      hanjul net post https://api.example.com/images --file a.png -H 'Content-Type: image/png'
    """
    _send("POST", url, _body(body, text, file), **how)


@net.command(short_help="Send a request of any method.")
@click.argument("method")
@click.argument("url")
@_with_body
@_asking
def request(method: str, url: str, body: str | None, text: str | None, file: Any, **how: Any) -> None:
    """Enqueue a request of any method, and go on as `hanjul net get` does.

    \b
    Examples:
      hanjul net request PUT https://api.example.com/todos/1 '{"title": "foo"}'
      hanjul net request DELETE https://api.example.com/todos/1
    """
    _send(method, url, _body(body, text, file), **how)


@net.command(short_help="Requests, newest first.")
@click.option("--status", type=click.Choice(["pending", "success", "error"], case_sensitive=False), help="Only of this status.")
@click.option("--host", help="Only to this host.")
@click.option("--webhook", help="Only of this webhook.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many at most.")
@click.option("--before", metavar="ID", type=int, help="The next page: those before this request.")
@as_json
def requests(status: str | None, *, as_json: bool, **only: Any) -> None:
    """Requests, newest first. Credentials in URLs are hidden.

    \b
    Examples:
      hanjul net requests --status error --host api.example.com
      hanjul net requests --limit 1000 --json
    """
    with connect_http_sync() as http:
        found = http.requests(status.upper() if status else None, **only)  # type: ignore[arg-type]  # one of the choices
    columns = RequestLine.__struct_fields__ if as_json else LISTED
    show(found, columns, as_json=as_json, empty="no such request")


@net.command("show", short_help="All that is known about a request.")
@request_id
@as_json
def show_(request_id: int, *, as_json: bool) -> None:
    """A request, every attempt at it, and the answer. Credentials are hidden."""
    with connect_http_sync() as http:
        record, attempts, answer = http.get_request(request_id), http.attempts(request_id), http.response(request_id)
    if as_json:
        print_json({"request": record, "attempts": attempts, "response": answer})
        return
    _print_fields(record, RequestRecord.__struct_fields__)
    if attempts:
        show(attempts, AttemptRecord.__struct_fields__, as_json=False)
    if answer is not None:
        _print_fields(answer, ResponseRecord.__struct_fields__)


@net.command()
@request_id
@as_json
def attempts(request_id: int, *, as_json: bool) -> None:
    """Every attempt at a request, the first first."""
    with connect_http_sync() as http:
        http.status(request_id)  # says so if there is none
        show(http.attempts(request_id), AttemptRecord.__struct_fields__, as_json=as_json, empty="not attempted yet")


@net.command(short_help="Wait for a request's answer.")
@request_id
@click.option("--wait", "wait_s", default=60.0, show_default=True, help="Seconds to wait at most.")
@as_json
def wait(request_id: int, wait_s: float, *, as_json: bool) -> None:
    """Wait for the answer to a request that is there already, and print it as `hanjul net get` does."""
    with connect_http_sync() as http:
        show_answer(http, wait_for(http, request_id, wait_s), as_json=as_json)


@net.command(short_help="Send a request again.")
@click.argument("ids", metavar="ID...", type=int, nargs=-1, required=True)
def retry(ids: Sequence[int]) -> None:
    """Send requests again that have ended, with all their attempts; one that waits for its next attempt goes now."""
    with connect_http_sync() as http:
        for one in ids:
            http.retry(one)
            click.echo(f"request {one} is sent again")


@net.command(short_help="Send again what failed.")
@click.argument("ids", metavar="[ID...]", type=int, nargs=-1)
@click.option("--yes", is_flag=True, help="Do not ask.")
def redrive(ids: Sequence[int], *, yes: bool) -> None:
    """Send requests again that failed; without an id, all that failed in spite of their retries."""
    if not ids and not yes:
        click.confirm("send all requests again that failed in spite of their retries?", abort=True)
    with connect_http_sync() as http:
        click.echo(f"{http.redrive(ids or None)} requests are sent again")


@net.command()
@request_id
def cancel(request_id: int) -> None:
    """End a request: it is not sent, or not again."""
    with connect_http_sync() as http:
        http.cancel(request_id)
    click.echo(f"request {request_id} is cancelled")


@net.command()
@as_json
def counts(*, as_json: bool) -> None:
    """How many requests wait or are on their way, how many of these a sender has, how many have failed."""
    with connect_http_sync() as http:
        show([http.counts()], RequestCounts.__struct_fields__, as_json=as_json)


def _send(
    method: str,
    url: str,
    body: dict[str, Any],
    *,
    headers: Sequence[str],
    params: Sequence[str],
    attempts: int | None,
    no_wait: bool,
    wait_s: float,
    as_json: bool,
    **how: Any,
) -> None:
    retry = None if attempts is None else HttpRetry(max_attempts=attempts)
    how |= {"headers": pairs("-H", headers, ":"), "params": pairs("--param", params, "="), "retry": retry}
    with connect_http_sync() as http:
        handle = http.request(method, url, **body, **how)
        if no_wait:
            print_json({"id": handle.id}) if as_json else click.echo(handle.id)
            return
        show_answer(http, wait_for(http, handle.id, wait_s), as_json=as_json)


def _body(json: str | None, text: str | None, file: Any) -> dict[str, Any]:
    if sum(given is not None for given in (json, text, file)) > 1:
        raise BadInput("a request has one body: JSON, --text or --file")
    if file is not None:
        return {"data": file.read()}
    return {"text": text} if text is not None else {} if json is None else {"json": json_text("the body", json)}


def _print_fields(record: RequestRecord | ResponseRecord, fields: Sequence[str]) -> None:
    print_table(
        ["field", "value"], [(name, plain(getattr(record, name))) for name in fields if getattr(record, name) is not None]
    )
