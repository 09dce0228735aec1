"""The command line, run as a user runs it: in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(dsn: str, tmp_path: Path) -> dict[str, str]:
    """What the command finds around it: this test's database, and a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HANJUL_", "DATABASE_URL", "PG"))}
    return {**kept, "DATABASE_URL": dsn, "HOME": str(tmp_path), "PYTHONWARNINGS": "error"}


@pytest.fixture
def cli(environment: dict[str, str], tmp_path: Path) -> Run:
    """Run `hanjul ...`; what it answered. Keyword arguments are environment variables."""

    def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "hanjul", *arguments]
        return subprocess.run(
            command, env={**environment, **variables}, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )

    return run
