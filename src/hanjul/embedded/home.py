"""The data directory: where its files are, and whether it may be ours.

<home>/                 0700; 0711 if root owns it, since the server's account must pass through
  data/                 PostgreSQL's own files; belongs to the server's account
  share/extension/      where callers may put extensions (see Server.extension_dir)
  password, port        of the server; only the owner reads them
  server.log, guard.log
  *.lock                see README.md
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .account import Account
from .binaries import candidates
from .errors import BadDataDirectory, BinariesNotFound

VARIABLE = "HANJUL_DATA_DIR"
ROOT_PARENT = Path("/var/lib/hanjul")
LOG_BYTES = 8 << 20
READY = "ready"  # what a guard answers to its starter; anything else says why not


@dataclass(frozen=True)
class Home:
    """Names inside one data directory."""

    path: Path

    @property
    def data(self) -> Path:
        """PGDATA."""
        return self.path / "data"

    @property
    def share(self) -> Path:
        """What PostgreSQL's extension_control_path is told."""
        return self.path / "share"

    @property
    def log(self) -> Path:
        """What PostgreSQL says."""
        return self.path / "server.log"

    @property
    def guard_log(self) -> Path:
        """What the guard says."""
        return self.path / "guard.log"

    def lock(self, name: str) -> Path:
        """The lock file called `name`: start, users, guard, server or postmaster."""
        return self.path / f"{name}.lock"

    def major(self) -> int | None:
        """The major version that made the data; None if there are none."""
        try:
            return int((self.data / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            raise BadDataDirectory(self.path, "its data/PG_VERSION is not a version number") from None

    def password(self) -> str:
        """The server's password. Raises BadDataDirectory if it is lost."""
        try:
            return (self.path / "password").read_text()
        except FileNotFoundError:
            raise BadDataDirectory(self.path, "its file 'password' is gone; restore it from a backup") from None

    def port(self) -> int | None:
        """The server's port, which outlives restarts; None before the first start."""
        try:
            return int((self.path / "port").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def new_password(self) -> str:
        """Make and keep a password, unless one is kept already."""
        if not (self.path / "password").exists():
            self._keep("password", secrets.token_urlsafe(24))
        return self.password()

    def keep_port(self, port: int) -> None:
        """Remember the port."""
        self._keep("port", str(port))

    def trim_logs(self) -> None:
        """Start the logs again when they have grown long; their writers append, so they just go on."""
        for log in (self.log, self.guard_log):
            with contextlib.suppress(FileNotFoundError):
                if log.stat().st_size > LOG_BYTES:
                    os.truncate(log, 0)

    def _keep(self, name: str, text: str) -> None:
        draft = self.path / f"{name}.new"
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path / name)


def open_log(log: Path) -> int:
    """A descriptor that appends to `log`, which only its owner reads."""
    return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def last_lines(log: Path, *, start: int = 0, count: int = 15) -> str:
    """The last `count` lines of what was logged since the byte `start`."""
    with log.open("rb") as file:
        file.seek(min(start, log.stat().st_size))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])


def choose(data_dir: str | os.PathLike[str] | None) -> Home:
    """The named directory, else HANJUL_DATA_DIR, else the default one of the best PostgreSQL that has data there."""
    if named := data_dir or os.environ.get(VARIABLE):
        return Home(Path(named).expanduser().resolve())
    tried: list[str] = []
    homes = [Home(_default_parent() / f"postgres-{found.major}") for found in candidates(tried)]
    if not homes:
        raise BinariesNotFound(tried)
    # an upgrade that brings a newer major version beside the old one must not hide the data
    return next((home for home in homes if home.data.exists()), homes[0])


def _default_parent() -> Path:
    if os.geteuid() == 0:
        return ROOT_PARENT  # below /root the account `nobody` could not reach it
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "hanjul"


def prepare(home: Home, account: Account) -> None:
    """Make the directory, or check that the one there is ours. Raises BadDataDirectory."""
    if obstacle := account.obstacle(home.path.parent):
        raise BadDataDirectory(
            home.path, f"PostgreSQL runs as {account.name!r}, which may not enter {str(obstacle)!r}; name another one"
        )
    _make(home.path)
    if home.path.stat().st_uid != os.geteuid():
        raise BadDataDirectory(home.path, f"belongs to {home.path.owner()!r}; only that user can use it")
    names = {path.name for path in home.path.iterdir()} - {"lost+found"}
    if names and home.lock("users").name not in names:  # which is the first file that we make
        raise BadDataDirectory(home.path, "is not empty and not made by hanjul; name an empty or a new directory")
    home.path.chmod(0o711 if account.other else 0o700)


def _make(path: Path) -> None:
    for missing in reversed(list(_missing(path))):
        missing.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            missing.chmod(0o755)  # whatever the umask: `nobody` must pass


def _missing(path: Path) -> Iterator[Path]:
    while not path.exists():
        yield path
        path = path.parent
