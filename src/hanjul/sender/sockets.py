"""How many sockets this process may have."""

import contextlib
import math

_RESERVE = 256
"""Files and sockets for everything else: PostgreSQL, logs, addresses that are looked up."""
_ENOUGH = 1 << 16


def room_for(concurrency: int) -> int:
    """Raise the limit of open files as far as it goes without privileges; how many of `concurrency` sockets it allows."""
    try:
        import resource
    except ImportError:  # a system without such limits
        return concurrency
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # some systems allow less than they say
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = math.inf if soft == resource.RLIM_INFINITY else soft - min(_RESERVE, soft // 2)
    return int(min(concurrency, most))
