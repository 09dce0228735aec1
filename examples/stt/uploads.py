"""The users: each uploads one recording over a connection of his own, all at the same moment, and measures the answer."""

import http.client
import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from examples.stt.speech import Spoken

BOUNDARY = "a-recording-follows"
LONGEST_S = 120.0


@dataclass(frozen=True)
class Answer:
    """What the API said to one upload.  seconds: from the first byte of the request to the last of the answer."""

    spoken: Spoken
    status: int
    body: dict[str, Any]
    seconds: float


def at_once(port: int, recordings: Sequence[Spoken]) -> list[Answer]:
    """Upload all at the same moment."""
    start = threading.Barrier(len(recordings))

    def upload(spoken: Spoken) -> Answer:
        connection = _connected(port)
        request = _form(spoken)
        start.wait(LONGEST_S)
        began = time.monotonic()
        connection.request("POST", "/recordings", request, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
        response = connection.getresponse()
        body = response.read()
        seconds = time.monotonic() - began
        connection.close()
        return Answer(spoken, response.status, json.loads(body) if response.status == 202 else {}, seconds)

    with ThreadPoolExecutor(len(recordings)) as users:
        return list(users.map(upload, recordings))


def look(port: int, path: str) -> dict[str, Any]:
    """What the API shows at `path`."""
    connection = _connected(port)
    connection.request("GET", path)
    found: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return found


def _connected(port: int) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONGEST_S)
    connection.connect()
    return connection


def _form(spoken: Spoken) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{spoken.filename}"\r\n'
    return head.encode() + b"Content-Type: audio/wav\r\n\r\n" + spoken.audio + f"\r\n--{BOUNDARY}--\r\n".encode()
