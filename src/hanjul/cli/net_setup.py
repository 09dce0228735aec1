"""`hanjul net config` and `hanjul net secret`: how requests are kept, and what they may carry."""

import base64
import secrets
import sys
from collections.abc import Sequence
from datetime import timedelta

import click

from hanjul.cli.output import as_json, show
from hanjul.clients import connect_http_sync
from hanjul.model.errors import NotFound
from hanjul.net.rows import HttpSetting, SecretRecord

secret_name = click.argument("name", metavar="NAME")
generate = click.option("--generate", is_flag=True, help="Make one for signing (whsec_...), and print it once.")


@click.group()
def config() -> None:
    """Settings by the extension's names, such as pg_net.ttl: for how long answers are kept.

    \b
    Examples:
      hanjul net config list
      hanjul net config set ttl '1 day'
      hanjul net config set queue_retention 0
      hanjul net config reset ttl
    """


@config.command("list")
@as_json
def list_config(*, as_json: bool) -> None:
    """Every setting, what applies, where that comes from, and what it means."""
    with connect_http_sync() as http:
        show(http.config(), HttpSetting.__struct_fields__, as_json=as_json)


@config.command("set")
@click.argument("name")
@click.argument("value")
def set_config(name: str, value: str) -> None:
    """Set one, for all sessions and senders of this database, at once."""
    with connect_http_sync() as http:
        http.set_config(name, value)
    click.echo(f"{name} is {value}")


@config.command("reset")
@click.argument("name")
def reset_config(name: str) -> None:
    """Let its default apply."""
    with connect_http_sync() as http:
        http.reset_config(name)
    click.echo(f"{name} is at its default")


@click.group()
def secret() -> None:
    """Values that headers name as ${secret:NAME}, and that sign; they are never shown again.

    \b
    Examples:
      hanjul net secret set crm --host api.example.com          asks for the value; or reads it from a pipe
      hanjul net secret set orders --host hooks.example.com --generate
      hanjul net secret rotate orders --generate --keep-hours 48
      hanjul net secret list
    """


@secret.command("set", short_help="Store a secret, or another value in its place.")
@secret_name
@click.option("--host", "hosts", multiple=True, required=True, help="Where it may go: a name, or *.name; repeatable.")
@generate
def set_secret(name: str, hosts: Sequence[str], *, generate: bool) -> None:
    """Store a secret, or another value in its place at once. The value is asked for, or read from a pipe: others see commands."""
    value = _value(generate=generate)
    with connect_http_sync() as http:
        http.set_secret(name, value, hosts)
    _tell(f"secret {name} is stored; it goes to {', '.join(hosts)} only", value, generated=generate)


@secret.command(short_help="Give a secret another value, and keep the one before for a while.")
@secret_name
@click.option(
    "--keep-hours", default=24.0, show_default=True, type=click.FloatRange(0, 8760), help="How long the one before signs, too."
)
@generate
def rotate(name: str, keep_hours: float, *, generate: bool) -> None:
    """Give a secret another value; signatures are made with the one before, too, while receivers follow."""
    value = _value(generate=generate)
    with connect_http_sync() as http:
        http.rotate_secret(name, value, keep=timedelta(hours=keep_hours))
    _tell(f"secret {name} has another value; the one before signs for {keep_hours:g} more hours", value, generated=generate)


@secret.command()
@secret_name
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(name: str, *, yes: bool) -> None:
    """Forget a secret; requests that name it fail from now on."""
    if not yes:
        click.confirm(f"forget secret {name}? Requests that name it fail from now on", abort=True)
    with connect_http_sync() as http:
        if not http.drop_secret(name):
            raise NotFound(f"there is no secret {name!r}")
    click.echo(f"secret {name} is dropped")


@secret.command("list")
@as_json
def list_secrets(*, as_json: bool) -> None:
    """The names of secrets, where they may go, when they were changed; never their values."""
    with connect_http_sync() as http:
        found = http.secrets()
    show(found, SecretRecord.__struct_fields__, as_json=as_json, empty="no secrets: hanjul net secret set NAME --host HOST")


def _value(*, generate: bool) -> str:
    if generate:
        return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    if sys.stdin.isatty():
        return str(click.prompt("value", hide_input=True, confirmation_prompt=True))
    return sys.stdin.read().rstrip("\r\n")


def _tell(done: str, value: str, *, generated: bool) -> None:
    """What was done; a value that was made goes to standard output, alone."""
    click.echo(done, err=generated)
    if generated:
        click.echo(value)
