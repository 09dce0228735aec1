"""What to ask of the SQL family `net`. Pure."""

from collections.abc import Sequence
from typing import Any

from hanjul.model.call import Call
from hanjul.net.rows import (
    AttemptRecord,
    HttpSetting,
    RequestCounts,
    RequestLine,
    RequestRecord,
    ResponseRecord,
    SecretRecord,
)


def _itself(value: Any) -> Any:
    return value


def http_request_many(requests: str) -> Call[int]:
    return Call("net.http_request_many", {"requests jsonb": requests}, row=_itself)


def get_request(request_id: int) -> Call[RequestRecord]:
    return Call("net.get_request", {"request_id bigint": request_id}, row=RequestRecord, repeatable=True)


def status(request_id: int) -> Call[str | None]:
    return Call("net.status", {"request_id bigint": request_id}, row=_itself, repeatable=True)


def list_requests(
    status: str | None, host: str | None, webhook: str | None, before_id: int | None, qty: int
) -> Call[RequestLine]:
    only = {"status text": status, "host text": host, "webhook text": webhook}
    args = {**only, "before_id bigint": before_id, "qty integer": qty}
    return Call("net.list_requests", args, row=RequestLine, repeatable=True)


def list_attempts(request_id: int) -> Call[AttemptRecord]:
    return Call("net.list_attempts", {"request_id bigint": request_id}, row=AttemptRecord, repeatable=True)


def get_response(request_id: int) -> Call[ResponseRecord]:
    return Call("net.get_response", {"request_id bigint": request_id}, row=ResponseRecord, repeatable=True)


def count_requests() -> Call[RequestCounts]:
    return Call("net.count_requests", {}, row=RequestCounts, repeatable=True)


def cancel(request_id: int) -> Call[None]:
    return Call("net.cancel", {"request_id bigint": request_id}, row=_itself)


def retry(request_id: int) -> Call[None]:
    return Call("net.retry", {"request_id bigint": request_id}, row=_itself)


def redrive(request_ids: Sequence[int] | None) -> Call[int]:
    return Call("net.redrive", {"request_ids bigint[]": request_ids}, row=_itself)


def set_secret(name: str, value: str, hosts: Sequence[str]) -> Call[None]:
    args = {"name text": name, "value text": value, "hosts text[]": hosts}
    return Call("net.set_secret", args, row=_itself, repeatable=True)


def rotate_secret(name: str, value: str, keep: str) -> Call[None]:
    args = {"name text": name, "value text": value, "keep interval": keep}
    return Call("net.rotate_secret", args, row=_itself)


def drop_secret(name: str) -> Call[bool]:
    return Call("net.drop_secret", {"name text": name}, row=_itself)


def list_secrets() -> Call[SecretRecord]:
    return Call("net.list_secrets", {}, row=SecretRecord, repeatable=True)


def check_worker_is_up() -> Call[None]:
    return Call("net.check_worker_is_up", {}, row=_itself, repeatable=True)


def show_config() -> Call[HttpSetting]:
    return Call("net.show_config", {}, row=HttpSetting, repeatable=True)


def set_config(name: str, value: str) -> Call[None]:
    return Call("net.set_config", {"name text": name, "value text": value}, row=_itself, repeatable=True)


def reset_config(name: str) -> Call[None]:
    return Call("net.reset_config", {"name text": name}, row=_itself, repeatable=True)
