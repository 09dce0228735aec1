"""What can go wrong with the embedded server, and what to do then.

EmbeddedError
├── BinariesNotFound   no PostgreSQL programs on this machine
├── Unsupported        a platform or an account that cannot run a server of its own
├── BadDataDirectory   the directory cannot hold, or does not hold, our server
└── StartFailed        PostgreSQL was started and gave up; the end of its log is in the message
"""

from pathlib import Path

from hanjul.model.errors import HanjulError

ELSEWHERE = "set DATABASE_URL to a PostgreSQL that runs elsewhere"


class EmbeddedError(HanjulError):
    """The embedded PostgreSQL cannot be used."""


class BinariesNotFound(EmbeddedError):
    """No PostgreSQL programs were found."""

    def __init__(self, tried: list[str], major: int | None = None) -> None:
        wanted = f"PostgreSQL {major}, which made the data," if major else "PostgreSQL"
        places = "".join(f"\n  {place}" for place in tried)
        super().__init__(f"{wanted} was not found; install 'hanjul[embedded]', or {ELSEWHERE}. Looked at:{places}")
        self.tried = tried


class Unsupported(EmbeddedError):
    """This platform or account cannot run an embedded server."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}; {ELSEWHERE}")


class BadDataDirectory(EmbeddedError):
    """The data directory cannot be used as it is; nothing in it was changed."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"data directory {str(path)!r}: {why}")
        self.path = path


class StartFailed(EmbeddedError):
    """PostgreSQL did not start; the message ends with the last lines of its log."""

    def __init__(self, why: str, log: str = "") -> None:
        super().__init__(why + "".join(f"\n  | {line}" for line in log.strip().splitlines()))
