"""`python -m bench [--only SUITE] [--json FILE] [--quick]`: measure, and print a table."""

import argparse
import json
import platform
import signal
import sys
from pathlib import Path

import psutil
from rich.console import Console

from bench.harness.options import Options
from bench.harness.report import comparisons, console, markdown, table
from bench.harness.server import server
from bench.http import suite as http
from bench.jobs import suite as jobs
from bench.queues import suite as queues
from bench.sql import suite as sql

SUITES = {"queues": queues, "jobs": jobs, "http": http, "sql": sql}


def main() -> int:
    """Run the suites; 0, or 130 after Ctrl-C."""
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what is running is ended
    out, progress = console(), Console(stderr=True)
    entries: list[dict[str, object]] = []
    try:
        for name in args.only or SUITES:
            entries += _run(name, args, out, progress)
    except KeyboardInterrupt:
        progress.print("stopped; nothing is left running")
        return 130
    if args.json:
        args.json.write_text(json.dumps(entries, indent=1) + "\n")
    return 0


def _run(name: str, args: argparse.Namespace, out: Console, progress: Console) -> list[dict[str, object]]:
    suite = SUITES[name]
    systems = [system for system in suite.SYSTEMS if not args.systems or system in args.systems]
    with server() as running:
        progress.print(f"{name}: PostgreSQL {running.settings['server_version']} runs")
        samples = suite.run(running, systems, progress, Options(args.quick, args.rounds, args.questions, args.states))
    out.print(table(samples, systems, suite.OURS, title=f"{name}: medians; x: how many times better {suite.OURS} is"))
    if args.markdown:
        args.markdown.write_text(markdown(samples, systems, suite.OURS))
    for system in systems:
        out.print(f"- {system}: {suite.settings_of(system)}", highlight=False, soft_wrap=True)
    for note in getattr(suite, "NOTES", ()):
        out.print(f"- {note}", highlight=False, soft_wrap=True)
    machine = f"{psutil.cpu_count()} CPUs, Python {platform.python_version()}"
    out.print(f"- server, {machine}:", ", ".join(f"{key} {value}" for key, value in running.settings.items()), soft_wrap=True)
    return comparisons(samples, suite.OURS)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure hanjul against its peers.")
    parser.add_argument("--only", action="append", choices=SUITES, help="one suite; may be repeated (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every comparison there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there, of the last suite")
    parser.add_argument("--quick", action="store_true", help="one short round, a minute or two for each suite: coarse numbers")
    parser.add_argument("--rounds", type=int, metavar="N", help="other than the usual number of rounds")
    parser.add_argument("--systems", type=_list, metavar="A,B", help="only these")
    parser.add_argument("--questions", type=_list, metavar="A,B", help="only these of the suite")
    parser.add_argument("--states", type=_list, metavar="A,B", help="sql: fresh (default), analysed, bloated, huge tables")
    return parser.parse_args()


def _list(text: str) -> list[str]:
    return text.split(",")


if __name__ == "__main__":
    sys.exit(main())
