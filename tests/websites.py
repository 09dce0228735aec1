"""The nginx of the distribution, for tests. Without it they fail; HANJUL_TEST_SKIP=nginx leaves them out instead."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tools import nginx
from tools.nginx import Nginx
from tools.npm import Unavailable


@contextmanager
def site(certificate: Path | None = None) -> Iterator[Nginx]:
    """A running one."""
    try:
        with nginx.running(certificate) as found:
            yield found
    except Unavailable as error:
        if "nginx" in os.environ.get("HANJUL_TEST_SKIP", "").split(","):
            pytest.skip(str(error))
        raise
