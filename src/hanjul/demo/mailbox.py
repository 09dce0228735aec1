"""The demo's SMTP server, and what it has received: by whom each e-mail was brought, and when."""

import email
import socket
import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from email.policy import SMTP as POLICY
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP


@dataclass(frozen=True, slots=True)
class Arrival:
    """One e-mail, once: the worker that brought it (its process id), and when, on the monotonic clock."""

    worker: int
    at: float


class Mailbox:
    """An SMTP server on loopback. Reads every message as a mail program would, so that a damaged one is noticed."""

    def __init__(self) -> None:
        self.arrivals: dict[str, list[Arrival]] = defaultdict(list)
        self.damaged = 0
        self._lock = threading.Lock()
        self._controller = Controller(self, hostname="127.0.0.1", port=_free_port())

    @property
    def address(self) -> str:
        """host:port."""
        return f"{self._controller.hostname}:{self._controller.port}"

    def start(self) -> None:
        """Serve, from a thread of its own."""
        self._controller.start()

    def stop(self) -> None:
        """Stop to serve."""
        self._controller.stop()

    async def handle_DATA(self, _server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802  (aiosmtpd's name)
        """Take one e-mail."""
        message = email.message_from_bytes(envelope.content, policy=POLICY)
        attachments = list(message.iter_attachments())
        with self._lock:
            if len(attachments) != 1 or not message["Subject"].endswith(")"):
                self.damaged += 1
            worker = int(session.host_name.removeprefix("worker-"))
            self.arrivals[message["Message-ID"]].append(Arrival(worker, time.monotonic()))
        return "250 OK"


def _free_port() -> int:
    """The controller looks for itself at the port that it is given, so it cannot be 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
