"""The demo itself: the tutorial, the e-mails, the kill, the verdict."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.resources import files

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from hanjul.clients import connect
from hanjul.config import Settings, settings
from hanjul.demo import mailer
from hanjul.demo.ledger import Verdict, verdict
from hanjul.demo.mailbox import Mailbox
from hanjul.demo.mails import mail
from hanjul.local import embedded_server
from hanjul.postgres.migrate import database_of_its_own, migrate
from hanjul.postgres.script import run

PATIENCE_S = 60.0
"""How long no e-mail may arrive before the demo is given up as failed."""

console = Console(highlight=False)


def show(mails: int) -> bool:
    """Run it all, with live progress; True if every promise was kept."""
    began = time.monotonic()
    for ending in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal too: what was started is ended
        signal.signal(ending, lambda *_: sys.exit(1))
    console.rule("[bold]hanjul: a real PostgreSQL, from a Python package")
    server = embedded_server(settings(), say=lambda text: console.print(f"  {text}"))
    with server as running, database_of_its_own(running.dsn, f"hanjul_demo_{os.getpid()}") as url:
        migrate(url)
        took = time.monotonic() - began
        console.print(f"  PostgreSQL {running.version} on port {running.port}, schema installed ({took:.1f} s)")
        _tutorial(url)
        result = _mails(url, mails)
    _tell(result, time.monotonic() - began)
    return result.holds


def _tutorial(url: str) -> None:
    console.rule("[bold]the tutorial")
    for result in run(url, files(__package__).joinpath("tutorial.sql").read_text("utf-8"), name="tutorial.sql"):
        console.print(f"  [dim]{result.statement};[/dim]", soft_wrap=True)
        for row in result.rows:
            seen = [(name, value) for name, value in zip(result.columns, row, strict=True) if value not in (None, "")]
            shown = ", ".join(f"{name}={_short(value)}" for name, value in seen)
            console.print(f"    [green]->[/green] {shown or 'done'}", soft_wrap=True, markup=True)
        if result.columns and not result.rows:
            console.print("    [green]->[/green] no row: the message is leased to the reader above")


def _short(value: object) -> str:
    return f"{value:%H:%M:%S}" if isinstance(value, datetime) else str(value)


def _mails(url: str, count: int) -> Verdict:
    console.rule(f"[bold]{count:,} e-mails, 2 workers, one of them killed half way")
    mailbox = Mailbox()
    mailbox.start()
    try:
        with _progress() as progress, _workers(url, mailbox.address) as start:
            sent_at = asyncio.run(_enqueue(url, count, progress("enqueued", count)))
            started_at = time.monotonic()
            workers = [start(), start()]
            delivered = progress("delivered", count)
            _watch(mailbox, count // 2, delivered)
            killed = workers[0]
            os.kill(killed.pid, signal.SIGKILL)
            killed.wait()
            console.print(f"  worker {killed.pid} killed (SIGKILL) at {len(mailbox.arrivals):,} e-mails; another takes its place")
            start()
            _watch(mailbox, count, delivered)
            left = asyncio.run(_left(url))
    finally:
        mailbox.stop()
    return verdict(
        sent_at, mailbox.arrivals, killed=killed.pid, in_flight_limit=mailer.PREFETCH,
        started_at=started_at, damaged=mailbox.damaged, left_in_queue=left,
    )  # fmt: skip


async def _enqueue(url: str, count: int, done: Callable[[int], None]) -> dict[str, float]:
    """Send every e-mail by itself, from concurrent tasks, as web requests would; when each was durable."""
    sent_at: dict[str, float] = {}
    numbers = iter(range(1, count + 1))
    async with connect(config=Settings(database_url=url)) as queues:
        await queues.create(mailer.QUEUE)

        async def send() -> None:
            for number in numbers:
                letter = mail(number)
                await queues.send(mailer.QUEUE, letter)
                sent_at[letter.message_id] = time.monotonic()
                done(len(sent_at))

        await asyncio.gather(*[send() for _ in range(50)])
    return sent_at


async def _left(url: str) -> int:
    """Messages still in the queue once the last ack has had its time."""
    async with connect(config=Settings(database_url=url)) as queues:
        deadline = time.monotonic() + 2 * mailer.LEASE_S + 5
        while (left := (await queues.metrics(mailer.QUEUE)).queue_length) and time.monotonic() < deadline:  # noqa: ASYNC110  (in a database)
            await asyncio.sleep(0.1)
        return left


def _watch(mailbox: Mailbox, goal: int, done: Callable[[int], None]) -> None:
    """Show the e-mails come in until there are `goal`, or none has come for too long."""
    seen, last = 0, time.monotonic()
    while seen < goal and time.monotonic() - last < PATIENCE_S:
        if len(mailbox.arrivals) != seen:
            seen, last = len(mailbox.arrivals), time.monotonic()
            done(seen)
        time.sleep(0.01)


@contextmanager
def _workers(url: str, smtp: str) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Starts worker processes; ends them, as an operator would, at the end."""
    running: list[subprocess.Popen[bytes]] = []
    environment = {**os.environ, "DATABASE_URL": url, mailer.SMTP: smtp}
    command = [sys.executable, "-m", "hanjul", "worker", "hanjul.demo.mailer:app", "--log-level", "ERROR"]

    def start() -> "subprocess.Popen[bytes]":
        running.append(subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, start_new_session=True))
        return running[-1]

    try:
        yield start
    finally:
        for process in running:
            process.terminate()
        for process in running:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _progress() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Progress bars: `bar = progress("sent", 100)`, then `bar(42)`."""
    columns = (TextColumn("  {task.description:<10}"), BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as progress:

        def bar(name: str, total: int) -> Callable[[int], None]:
            task = progress.add_task(name, total=total)
            return lambda done: progress.update(task, completed=done)

        yield bar


def _tell(result: Verdict, seconds: float) -> None:
    console.rule("[bold]the books")
    lines = [
        ("delivered", f"{result.delivered:,} of {result.sent:,}"),
        ("lost", f"{result.lost}"),
        ("twice", f"{result.twice}, in flight in the killed worker (at most {mailer.PREFETCH})"),
        ("twice for no reason", f"{result.unexplained}"),
        ("damaged", f"{result.damaged}"),
        ("left in queue", f"{result.left_in_queue}"),
        ("rate", f"{result.rate:,.0f} e-mails/s"),
        ("enqueue to handled", f"p50 {result.wait_s(50):.2f} s, p99 {result.wait_s(99):.2f} s"),
        ("all in all", f"{seconds:.1f} s"),
    ]
    for name, value in lines:
        console.print(f"  {name:<20}{value}")
    console.print("  [bold green]every promise was kept[/]" if result.holds else "  [bold red]a promise was broken[/]")
