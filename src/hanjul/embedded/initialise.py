"""Make the database cluster: all of it or nothing, because it grows beside its place and is renamed into it."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .account import Account
from .binaries import Binaries
from .errors import StartFailed
from .home import Home
from .wire import USER

SETTINGS = """
# hanjul's defaults; `alter system` overrides them
max_connections = 200
log_line_prefix = '%m [%p] '
"""


def initialise(home: Home, binaries: Binaries, account: Account, *, start_lock: int) -> None:
    """Run initdb. Call it with the start lock held; initdb inherits it, so it counts until the last of us is gone."""
    draft = home.path / "data.new"
    shutil.rmtree(draft, ignore_errors=True)  # the half of an earlier try that was killed
    draft.mkdir(mode=0o700)
    account.give(draft)
    with _password_file(home, account) as password_file:
        command: list[str | Path] = [
            binaries.bin_dir / "initdb",
            "-D",
            draft,
            f"--pwfile={password_file}",
            *_options(binaries),
        ]
        _run(command, account, start_lock)
    _append(draft / "postgresql.conf", SETTINGS)
    draft.rename(home.data)
    _sync(home.path)


def make_share(home: Home) -> None:
    """Make the directory for extensions: ours to write, the server's to read."""
    extensions = home.share / "extension"
    extensions.mkdir(parents=True, exist_ok=True)
    for directory in (home.share, extensions):
        directory.chmod(0o755)


def _options(binaries: Binaries) -> list[str]:
    # the same order of texts on every machine, and a password for every connection
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if binaries.major >= 17 else []
    return ["-U", USER, "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", *locale]


@contextlib.contextmanager
def _password_file(home: Home, account: Account) -> Iterator[Path]:
    path = home.path / "initial-password"
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "w") as file:
            file.write(home.new_password() + "\n")
        account.give(path)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _run(command: list[str | Path], account: Account, start_lock: int) -> None:
    made = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        cwd="/",
        pass_fds=(start_lock,),
        start_new_session=True,  # Ctrl-C reaches us, not a half-made cluster
        **account.spawn_as(),
    )
    if made.returncode != 0:
        raise StartFailed(f"initdb failed with status {made.returncode}", "\n".join(made.stdout.splitlines()[-15:]))


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
