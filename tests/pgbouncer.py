"""A real PgBouncer in transaction mode before the test server.

On Debian and its kin the packages are fetched once and unpacked beside the system, not installed; elsewhere `pgbouncer` has
to be on PATH.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from hanjul.embedded import ports
from hanjul.embedded.account import server_account

PACKAGES = ("pgbouncer", "libevent-2.1-7", "libc-ares2")

CONFIG = """\
[databases]
* = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
max_client_conn = 200
max_prepared_statements = 0
server_idle_timeout = 5
"""


@contextmanager
def pgbouncer(server: str) -> Iterator[str]:
    """The address of a pooler before the server; any of its databases can be named there.

    Two connections to the server serve all clients of a database, so whoever counts on a session is found out.
    """
    program, variables = _program()
    url, port = urlsplit(server), ports.choose(None)
    with tempfile.TemporaryDirectory(prefix="hanjul-pgbouncer-") as directory:
        config = Path(directory, "pgbouncer.ini")
        login = {"host": url.hostname, "port": url.port, "user": url.username, "password": url.password}
        text = CONFIG.format(**login, listen_port=port)
        config.write_text("".join(line for line in text.splitlines(keepends=True) if _knows(program, variables, line)))
        Path(directory).chmod(0o755)
        account: dict[str, Any] = {**server_account().spawn_as()}
        account["env"] = {**account.get("env", {}), **variables}
        process = subprocess.Popen([program, "-q", config], stderr=subprocess.PIPE, text=True, **account)
        pooled = url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{port}").geturl()
        try:
            _wait_until_up(pooled, process)
            yield pooled
        finally:
            process.terminate()
            process.communicate()


def _knows(program: Path, variables: dict[str, str], line: str) -> bool:
    """Prepared statements are known since 1.21; before, they do not pass anyway."""
    if not line.startswith("max_prepared_statements"):
        return True
    told = subprocess.run([program, "--version"], env=os.environ | variables, capture_output=True, text=True, check=True).stdout
    return tuple(map(int, told.split()[1].split(".")[:2])) >= (1, 21)


def _program() -> tuple[Path, dict[str, str]]:
    """The program, and the variables that it needs to find its libraries."""
    if found := shutil.which("pgbouncer"):
        return Path(found), {}
    if not shutil.which("apt-get"):
        pytest.skip("no pgbouncer on PATH, and no Debian packages here to take it from")
    home = Path(tempfile.gettempdir(), f"hanjul-test-tools-{os.geteuid()}")
    home.mkdir(mode=0o755, exist_ok=True)
    assert home.stat().st_uid == os.geteuid(), f"{home} belongs to somebody else"
    with Path(home, "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        program = home / "root" / "usr" / "sbin" / "pgbouncer"
        if not program.exists():
            _fetch(home)
    [library] = (home / "root" / "usr" / "lib").glob("*-linux-gnu")
    return program, {"LD_LIBRARY_PATH": str(library)}


def _fetch(home: Path) -> None:
    for package in home.glob("*.deb"):
        package.unlink()
    download = ["apt-get", "download", "-qq", *PACKAGES]
    if subprocess.run(download, cwd=home, check=False, capture_output=True).returncode != 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True)  # the lists may be missing or old
        subprocess.run(download, cwd=home, check=True, capture_output=True)
    for package in home.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, home / "root"], check=True)


def _wait_until_up(pooled: str, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            psycopg.connect(pooled, connect_timeout=2).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
