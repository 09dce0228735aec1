"""The Redis of a run, for those systems that need one: on a port of its own, in a directory of its own."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from tools import debian
from tools.npm import Unavailable

CACHE = Path(sys.prefix) / "redis"
"""Where it is unpacked: what belongs to the benchmarks alone goes with their environment."""
URL = "BENCH_REDIS"
"""The variable that tells child processes its address."""
START_S = 10.0
LOOK_S = 0.05


def url() -> str:
    """Its address, in the processes of a run."""
    return os.environ[URL]


@contextmanager
def running(progress: Console) -> Iterator[bool]:
    """Whether there is one, while the block runs; if not, it is told why. It ends with the block, and with this process."""
    try:
        program, libraries = _program()
    except Unavailable as missing:
        progress.print(f"no Redis: {missing}", style="yellow", markup=False)
        yield False
        return
    with tempfile.TemporaryDirectory(prefix="hanjul-bench-redis-", ignore_cleanup_errors=True) as directory:
        port = _free_port()
        server = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", program, *_settings(port, directory)],
            env=os.environ | {"LD_LIBRARY_PATH": libraries},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us, not for the server under measurement
        )
        try:
            _until_it_answers(server, port)
            os.environ[URL] = f"redis://127.0.0.1:{port}"
            yield True
        finally:
            os.environ.pop(URL, None)
            server.kill()
            server.wait()


def _settings(port: int, directory: str) -> list[str]:
    """Nothing beyond loopback; each command goes into the log, which is flushed every second, as by default."""
    return ["--bind", "127.0.0.1", "--port", str(port), "--dir", directory, "--appendonly", "yes", "--save", ""]


def _program() -> tuple[str, str]:
    """redis-server, the system's or one unpacked, and where its libraries are. Raises Unavailable."""
    if not shutil.which("setpriv"):
        raise Unavailable("setpriv, which ends it with us, is not there (util-linux)")
    if installed := shutil.which("redis-server"):
        return installed, ""
    if not (CACHE / ".ready").exists():
        shutil.rmtree(CACHE, ignore_errors=True)
        debian.unpack(["redis-server", "redis-tools", *_libraries()], CACHE)
        (CACHE / ".ready").touch()
    libraries = {str(found.parent) for found in CACHE.glob("usr/lib/**/*.so*")}
    return str(CACHE / "usr" / "bin" / "redis-server"), os.pathsep.join(sorted(libraries))


def _libraries() -> list[str]:
    """The shared libraries that it asks for, except the one that every program has."""
    debian.require()
    depends = (line.strip().removeprefix("Depends: ") for line in debian.apt_cache("depends", "redis-server", "redis-tools"))
    return sorted({name for name in depends if name.startswith("lib") and name != "libc6"})


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


def _until_it_answers(server: "subprocess.Popen[bytes]", port: int) -> None:
    end = time.monotonic() + START_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=START_S).close()
        except ConnectionRefusedError:
            if server.poll() is not None or time.monotonic() > end:
                raise
        else:
            return
        time.sleep(LOOK_S)
