"""`hanjul sql -f`: rows are readable, however wide they and the terminal are."""

import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
URL = f"https://example.com/{'long/' * 30}"
ENQUEUED = f"""SELECT net.http_get('https://example.com/one');
SELECT net.http_post('{URL}', '{{"title": "foo"}}');
SELECT * FROM net.http_request_queue ORDER BY created DESC LIMIT 5;"""


def on_a_terminal(environment: dict[str, str], directory: Path, text: str, columns: int) -> str:
    """What somebody sees there, without colours."""
    (directory / "some.sql").write_text(text)
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (50, columns))
    command = [sys.executable, "-m", "hanjul", "sql", "-f", "some.sql"]
    unset = {name: value for name, value in environment.items() if name not in {"COLUMNS", "LINES"}} | {"TERM": "xterm"}
    process = subprocess.Popen(command, env=unset, cwd=directory, stdin=its, stdout=its, stderr=its)
    os.close(its)
    shown = b""
    try:
        while read := os.read(ours, 65536):
            shown += read
    except OSError:  # so Linux says that the other side is closed
        pass
    os.close(ours)
    assert process.wait(timeout=60) == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [100, 80])
def test_what_does_not_fit_the_terminal_is_a_block_for_each_row(
    environment: dict[str, str], tmp_path: Path, columns: int
) -> None:
    shown = on_a_terminal(environment, tmp_path, ENQUEUED, columns)

    answer = shown[shown.index("SELECT * FROM") :]
    lines = answer.splitlines()
    assert [line.rstrip() for line in lines if "row " in line] == ["-[ row 1 ]-", "-[ row 2 ]-"]
    assert re.findall(r"^(method|status|next_attempt_at) +(\S+)", answer, re.MULTILINE)[:2] == [
        ("method", "POST"),
        ("status", "PENDING"),
    ]
    assert URL in re.sub(r"\s+", "", answer)  # over several lines, and whole
    assert max(map(len, lines)) <= columns
    assert answer.endswith("(2 rows)\n\n")


def test_what_fits_is_a_table(environment: dict[str, str], tmp_path: Path) -> None:
    shown = on_a_terminal(environment, tmp_path, "SELECT n, n + 1 AS next FROM generate_series(1, 2) n;", 40)

    assert re.search(r"n +next *\n[ ─]+\n *1 +2 *\n *2 +3", shown)


@pytest.mark.parametrize(("width", "blocks"), [(150, False), (300, True)])
def test_piped_a_table_may_be_wider_and_a_blocks_values_keep_their_line(
    cli: Run, tmp_path: Path, width: int, blocks: bool
) -> None:
    (tmp_path / "some.sql").write_text(f"SELECT n, repeat('x', {width}) AS wide FROM generate_series(1, 2) n;")

    shown = cli("sql", "-f", "some.sql").stdout

    assert ("-[ row 2 ]-" in shown) == blocks
    assert shown.count("x" * width) == 2
