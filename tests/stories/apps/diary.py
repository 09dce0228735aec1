"""What a story's app uses to write down what it does. A line is one write, so a kill leaves whole lines."""

import json
import os
import time
from typing import Any

import hanjul

_file = os.open(f"{os.environ['STORY_DIRECTORY']}/worker-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def write(what: str, delivery: hanjul.Delivery[Any]) -> None:
    """Write one event down."""
    line = {"what": what, "key": delivery.body, "attempt": delivery.attempt, "fence": delivery.fence}
    os.write(_file, json.dumps({**line, "pid": os.getpid(), "at": time.time()}).encode() + b"\n")
