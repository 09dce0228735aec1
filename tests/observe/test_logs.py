"""Logs for programs: one JSON object a line."""

import json
import logging
import sys
from typing import Any

from hanjul.observe import JsonFormatter


def written(message: str, *args: object, **how: Any) -> dict[str, Any]:
    """What a record says, read back."""
    record = logging.getLogger("shop").makeRecord(
        "shop", logging.WARNING, __file__, 1, message, args, how.pop("exc_info", None), **how
    )
    line: dict[str, Any] = json.loads(JsonFormatter().format(record))
    assert line.pop("time")
    return line


def test_a_record_is_one_object() -> None:
    assert written("sent %d", 3) == {"level": "warning", "logger": "shop", "message": "sent 3"}


def test_extra_fields_are_fields_whatever_they_hold() -> None:
    line = written("sent", extra={"msg_id": 7, "queue": "한 줄", "to": {"ada"}})

    assert (line["msg_id"], line["queue"], line["to"]) == (7, "한 줄", "{'ada'}")


def test_extra_fields_do_not_hide_what_every_line_says() -> None:
    assert written("sent", extra={"level": "none", "logger": "none"}) == {"level": "warning", "logger": "shop", "message": "sent"}


def test_an_exception_is_told_with_its_traceback() -> None:
    try:
        raise ValueError("no such user")
    except ValueError:
        line = written("failed", exc_info=sys.exc_info())

    assert line["exception"].endswith("ValueError: no such user")
