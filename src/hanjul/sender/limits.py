"""What a sender may do: how much at once, how long, how large, and to which addresses."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hanjul.model.errors import InvalidSettings

DEFAULT_MAX_RESPONSE_BYTES = 10 << 20
LONGEST_ATTEMPT_S = 86_400 * 7


@dataclass(frozen=True, slots=True)
class HostLimits:
    """For one host. concurrency: requests to it at once.  rate: requests a second; None: as many as go."""

    concurrency: int = 100
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise InvalidSettings(f"the concurrency of a host must be 1 or more, not {self.concurrency}")
        if self.rate is not None and not 0 < self.rate < math.inf:
            raise InvalidSettings(f"the rate of a host must be more than 0 requests a second, not {self.rate}")


@dataclass(frozen=True, slots=True)
class SenderLimits:
    """For one sender.

    concurrency: requests on their way at once; no more than the process may have sockets.
    host: of every host that hosts does not name.  hosts: by name, or name:port.
    max_response_bytes: what is kept of a longer answer, unless the request says less.  max_redirects: unless it says another.
    connect_timeout_s: of one connection, beside the request's own timeout.
    longest_attempt_s: of one attempt, whatever its request says; one that says no timeout has this.
    http_allow: what may be reached though it is not public: addresses, networks, names, name:port, or "*" for everything.
    ca_file: certificates that are trusted; None: certifi's.  proxy: its URL; None: none, whatever the environment says.
    no_proxy: hosts that are reached without it; a leading dot: any below.
    break_after: failures in a row after which a host is left alone, for probe_s seconds, then twice that, up to probe_max_s.
    """

    concurrency: int = 1000
    host: HostLimits = field(default_factory=HostLimits)
    hosts: Mapping[str, HostLimits] = field(default_factory=dict)
    max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES
    max_redirects: int = 10
    connect_timeout_s: float = 300.0
    longest_attempt_s: float = 3600.0
    http_allow: tuple[str, ...] = ()
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)  # it may have a login
    no_proxy: tuple[str, ...] = ()
    break_after: int = 10
    probe_s: float = 5.0
    probe_max_s: float = 300.0

    def __post_init__(self) -> None:
        for name, least in (("concurrency", 1), ("max_response_bytes", 1), ("max_redirects", 0), ("break_after", 1)):
            if getattr(self, name) < least:
                raise InvalidSettings(f"{name} must be {least} or more, not {getattr(self, name)}")
        if not 0.001 <= self.longest_attempt_s <= LONGEST_ATTEMPT_S:
            raise InvalidSettings(f"longest_attempt_s must be from 0.001 to {LONGEST_ATTEMPT_S}, not {self.longest_attempt_s}")
        if self.ca_file is not None and not Path(self.ca_file).is_file():
            raise InvalidSettings(f"ca_file: there is no file {self.ca_file!r}")
        if not (0 < self.probe_s <= self.probe_max_s < math.inf and 0 < self.connect_timeout_s < math.inf):
            raise InvalidSettings("a sender needs 0 < probe_s <= probe_max_s and 0 < connect_timeout_s, finite")
