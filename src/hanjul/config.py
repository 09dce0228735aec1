"""Settings: from the environment, over the file hanjul.toml, over the defaults; checked once, frozen after."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from hanjul.model.errors import InvalidSettings

FILE = "hanjul.toml"

ENVIRONMENT = {
    "DATABASE_URL": "database_url",
    "HANJUL_LISTEN_URL": "listen_url",
    "HANJUL_LISTEN": "listen",
    "HANJUL_DATA_DIR": "data_dir",
    "HANJUL_MAX_CONNECTIONS": "max_connections",
    "HANJUL_MAX_MESSAGE_BYTES": "max_message_bytes",
    "WORKER_ID": "worker_id",
    "WORKER_POLL_INTERVAL": "poll_interval_s",
    "MAX_RETRIES": "max_retries",
    "HANJUL_JOB_CONCURRENCY": "job_concurrency",
    "HANJUL_JOB_LEASE_S": "job_lease_s",
    "HANJUL_STOP_TIMEOUT_S": "stop_timeout_s",
    "HANJUL_API_TOKEN": "api_token",
    "HANJUL_HISTORY_DAYS": "history_days",
    "HANJUL_HTTP_SENDER": "http_sender",
    "HANJUL_HTTP_CONCURRENCY": "http_concurrency",
    "HANJUL_HTTP_LEASE_S": "http_lease_s",
    "HANJUL_HTTP_HOST_CONCURRENCY": "http_host_concurrency",
    "HANJUL_HTTP_HOST_RATE": "http_host_rate",
    "HANJUL_HTTP_ALLOW": "http_allow",
    "HANJUL_HTTP_MAX_RESPONSE_BYTES": "http_max_response_bytes",
    "HANJUL_HTTP_MAX_REDIRECTS": "http_max_redirects",
    "HANJUL_HTTP_LONGEST_ATTEMPT_S": "http_longest_attempt_s",
    "HANJUL_HTTP_CA_FILE": "http_ca_file",
    "HANJUL_HTTP_PROXY": "http_proxy",
    "HANJUL_HTTP_NO_PROXY": "http_no_proxy",
}
"""Variable -> setting."""


class HostSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What applies to HTTP requests to one host, in place of http_host_concurrency and http_host_rate."""

    concurrency: int | None = None
    rate: float | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What can be set.

    database_url: the PostgreSQL to use; None: the embedded one.
    listen_url: a direct address to listen on, where database_url goes through a transaction pooler; None: database_url.
    listen: False to poll instead.  data_dir: where the embedded PostgreSQL keeps its data; None: the user's own place.
    max_connections: how many the pool of clients and handlers may hold.  max_message_bytes: the longest body that a client sends.
    worker_id: who a worker of jobs says that he is; None: host, process and some chance.
    poll_interval_s: how often idle workers look for work that no notification told them of; None: 5 s, and 1.3 s where
    notifications do not arrive.  max_retries: of jobs whose kind does not say.
    job_concurrency: jobs that a worker runs at once, of queues without workers of their own.  job_lease_s: how long after its
    worker's death a job is handed out again.  stop_timeout_s: how long jobs that run may take to end when it is stopped.
    api_token: what the status API asks for, commas between several; None: only this machine may use it.
    history_days: for how long jobs are kept that have ended, and their statistics; whoever works on jobs prunes the rest.
    http_sender: whether `hanjul worker` and `hanjul up` send the HTTP requests of the database.
    http_concurrency: requests on their way at once.  http_lease_s: how long after its sender's death a request is sent again.
    http_host_concurrency, http_host_rate: to one host, at once and a second; None: as many as go.
    http_hosts: for single hosts, in hanjul.toml only: [http_hosts."api.example.com"], concurrency and rate.
    http_allow: what may be reached though its address is not public, commas between: 10.0.0.0/8, localhost, 127.0.0.1:8000;
    `*`: everything.  http_max_response_bytes: what is kept of an answer.  http_max_redirects: how many are followed.
    http_longest_attempt_s: no timeout of a request is longer, not even none.
    http_ca_file: certificates to trust, in place of the usual ones.  http_proxy: its address.  http_no_proxy: hosts that are
    reached without it, commas between.
    """

    database_url: str | None = None
    listen_url: str | None = None
    listen: bool = True
    data_dir: str | None = None
    max_connections: int = 10
    max_message_bytes: int = 16 << 20
    worker_id: str | None = None
    poll_interval_s: float | None = None
    max_retries: int = 3
    job_concurrency: int = 10
    job_lease_s: float = 30.0
    stop_timeout_s: float = 10.0
    api_token: str | None = None
    history_days: int = 30
    http_sender: bool = True
    http_concurrency: int = 500
    http_lease_s: float = 30.0
    http_host_concurrency: int = 100
    http_host_rate: float | None = None
    http_hosts: dict[str, HostSettings] = {}
    http_allow: str | None = None
    http_max_response_bytes: int = 10 << 20
    http_max_redirects: int = 10
    http_longest_attempt_s: float = 3600.0
    http_ca_file: str | None = None
    http_proxy: str | None = None
    http_no_proxy: str | None = None

    def __post_init__(self) -> None:
        if self.max_connections < 2:
            raise InvalidSettings(f"max_connections must be 2 or more, not {self.max_connections}")
        if self.max_message_bytes < 1:
            raise InvalidSettings(f"max_message_bytes must be 1 or more, not {self.max_message_bytes}")
        if self.poll_interval_s is not None and not 0.05 <= self.poll_interval_s <= 3600:
            raise InvalidSettings(f"poll_interval_s (WORKER_POLL_INTERVAL) must be from 0.05 to 3600, not {self.poll_interval_s}")
        if not 0 <= self.max_retries <= 1000:
            raise InvalidSettings(f"max_retries must be from 0 to 1000, not {self.max_retries}")
        if self.worker_id is not None and not 1 <= len(self.worker_id) <= 200:
            raise InvalidSettings(f"worker_id must have 1 to 200 characters, not {len(self.worker_id)}")
        if not 1 <= self.job_concurrency <= 1000:
            raise InvalidSettings(f"job_concurrency must be from 1 to 1000, not {self.job_concurrency}")
        if not 0.1 <= self.job_lease_s <= 86_400:
            raise InvalidSettings(f"job_lease_s must be from 0.1 to 86400, not {self.job_lease_s}")
        if not 0 <= self.stop_timeout_s <= 86_400:
            raise InvalidSettings(f"stop_timeout_s must be from 0 to 86400, not {self.stop_timeout_s}")
        if not 1 <= self.history_days <= 36_500:
            raise InvalidSettings(f"history_days must be from 1 to 36500, not {self.history_days}")


def settings(environment: Mapping[str, str] | None = None, directory: Path | None = None) -> Settings:
    """The settings that apply; raises InvalidSettings, which names the setting and where it stands."""
    file = (directory or Path.cwd()) / FILE
    found = _from_file(file) if file.is_file() else {}
    for variable, name in ENVIRONMENT.items():
        if value := (os.environ if environment is None else environment).get(variable):
            found[name] = value
    try:
        return msgspec.convert(found, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidSettings(f"settings ({FILE} or environment {', '.join(ENVIRONMENT)}): {error}") from None


def _from_file(file: Path) -> dict[str, Any]:
    import tomllib  # few have the file

    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InvalidSettings(f"{file}: {error}") from None
