"""The show: a table's changes reach a receiver with moods. `make example-webhooks`, `python -m examples.webhooks.run --help`."""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from examples.webhooks.books import Attempt, Books, table
from examples.webhooks.processes import Processes
from examples.webhooks.shop import Shop
from hanjul.config import settings
from hanjul.local import embedded_server
from hanjul.postgres.migrate import database_of_its_own, migrate

PATIENCE_S = 60.0
"""How long nothing may happen before the show is given up as failed."""
CREATE = """
    select * from hanjul.create_webhook(
        'orders', array['insert', 'update'], %s, ordering => array['customer'], timeout_ms => 1000,
        retry => '{"schedule_s": [0.2, 0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}')"""
ATTEMPTS = """
    select 'msg_' || request_id, status_code, error_msg from net.http_attempt order by request_id, claim"""
AWAY = "select count(*) from net.http_attempt where error_msg like 'Couldn''t connect%'"
STALLED = "select count(*) from net.http_attempt where error_msg like 'Timeout%'"

console = Console(highlight=False)


def main() -> bool:
    """Run it; True if every promise was kept."""
    arguments = _arguments()
    for ending in (signal.SIGTERM, signal.SIGHUP):  # what was started is ended
        signal.signal(ending, lambda *_: sys.exit(1))
    console.rule("[bold]webhooks: a table's changes reach a receiver that has its moods")
    server = embedded_server(settings(), say=lambda text: console.print(f"  {text}"))
    with (
        server as running,
        database_of_its_own(running.dsn, f"hanjul_webhooks_{os.getpid()}") as url,
        tempfile.TemporaryDirectory() as directory,
        Processes(url, Path(directory, "diary.jsonl")) as processes,
    ):
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            began = time.monotonic()
            show = Show(connection, processes, Path(directory, "diary.jsonl"), arguments)
            books = show.run()
            seconds = time.monotonic() - began
    return _tell(books, seconds)


class Show:
    """One run of it."""

    def __init__(
        self, connection: psycopg.Connection[Any], processes: Processes, diary: Path, arguments: argparse.Namespace
    ) -> None:
        self._connection, self._processes, self._diary = connection, processes, diary
        self._shop, self._orders = Shop(connection, arguments.customers), arguments.orders
        columns = (TextColumn("  {task.description:<28}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console)
        self._bar = self._progress.add_task("", total=self._orders + self._orders // 5)

    def run(self) -> Books:
        """All of it; the books."""
        self._connection.execute(Path(__file__).with_name("schema.sql").read_bytes())
        address = f"http://127.0.0.1:{self._processes.port}/hook"
        [(webhook, signed_with, secret)] = self._connection.execute(CREATE, [address]).fetchall()
        console.print(f"  webhook {webhook} on table orders; it signs with secret {signed_with}; order is kept by customer")
        self._processes.receiver(secret)
        self._processes.sender()
        forged = _forge(address)
        with self._progress:
            self._story(secret)
        rows = self._connection.execute("select status::text from net.http_request_queue").fetchall()
        attempts = [Attempt(*row) for row in self._connection.execute(ATTEMPTS).fetchall()]
        return Books(self._shop.expected, self._read(), attempts, [status for (status,) in rows], forged)

    def _story(self, secret: str) -> None:
        """The receiver's day, with orders all along."""
        share = self._orders // 6
        self._phase("the receiver is well", share, lambda: self._acted() >= sum(self._shop.expected.values()))
        self._processes.mood("errors")
        self._phase("the receiver fails (500)", share, lambda: self._met("errors") >= 10)
        self._processes.mood("limits")
        self._phase("the receiver limits (429)", share, lambda: self._met("limits") >= 1)
        self._processes.kill("receiver")
        self._phase("the receiver is away", share, lambda: self._count(AWAY) >= 1)
        self._processes.receiver(secret)
        self._phase("the receiver is back", 0, lambda: self._acted() >= sum(self._shop.expected.values()))
        self._processes.mood("stalls")
        self._phase("the receiver stalls", share, lambda: self._count(STALLED) >= 1)
        self._processes.mood("well")
        last = self._orders - 5 * share
        self._phase("the receiver has recovered", last, lambda: not self._count("select net.queue_depth()"))

    def _phase(self, name: str, orders: int, met: Callable[[], bool]) -> None:
        """Let there be orders, and wait until what was to happen has happened."""
        self._progress.update(self._bar, description=name)
        self._shop.order(orders)
        seen, changed_at = -1, time.monotonic()
        while not met():
            acted = self._acted()
            self._progress.update(self._bar, completed=acted)
            if acted != seen:
                seen, changed_at = acted, time.monotonic()
            if time.monotonic() - changed_at > PATIENCE_S:
                raise TimeoutError(f"{name}: nothing has happened for {PATIENCE_S:g} s")
            time.sleep(0.1)
        self._progress.update(self._bar, completed=self._acted())

    def _read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._diary.read_text().splitlines()]

    def _acted(self) -> int:
        return sum(line["acted"] for line in self._read())

    def _met(self, mood: str) -> int:
        return sum(line.get("mood") == mood for line in self._read())

    def _count(self, query: str) -> int:
        [(n,)] = self._connection.execute(query.encode()).fetchall()
        return int(n)


def _forge(address: str) -> int:
    """Send what is signed by somebody else; the status of the answer."""
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,Zm9yZ2Vk"}
    try:
        urlopen(Request(address, b'{"type": "INSERT"}', headers), timeout=10).close()
    except HTTPError as error:
        return error.code
    return 200


def _tell(books: Books, seconds: float) -> bool:
    console.rule("[bold]the books")
    console.print(table(books, seconds))
    for promise in books.broken():
        console.print(f"  [bold red]not kept: {promise}")
    if not books.broken():
        console.print("  [bold green]every promise was kept")
    return not books.broken()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--orders", type=int, default=500, help="how many are inserted (default: 500); every fifth is changed, too"
    )
    parser.add_argument("--customers", type=int, default=20, help="of whom each one's changes arrive in order (default: 20)")
    arguments = parser.parse_args()
    if not 60 <= arguments.orders <= 100_000:
        parser.error("--orders must be 60 to 100000")
    if not 1 <= arguments.customers <= 1000:
        parser.error("--customers must be 1 to 1000")
    return arguments


if __name__ == "__main__":
    sys.exit(not main())
