"""The nginx of the distribution, unpacked and not installed, in a directory of its own and on loopback alone."""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools import debian
from tools.npm import Unavailable

CACHE = Path(sys.prefix) / "nginx"
"""Where it is unpacked: beside the environment that asks for it."""
LARGE = "".join(f"{number:07}\n" for number in range(1 << 17)).encode()
"""What /large answers: 1 MiB, each eight bytes of it different."""
SLOW = "slow answer\\n" * 33
"""What /slow answers, so many bytes a second that it takes more than one."""
START_S = 10.0
LOOK_S = 0.02
TRIES = 5
"""How many ports are tried: another process may take one between the look and the start."""

_CONFIG = """\
daemon off;
master_process off;
pid {home}/pid;
error_log {home}/error.log;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    default_type text/plain;
    keepalive_requests 10000000;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    open_file_cache max=10;
    server {{
        server_name localhost;
        listen 127.0.0.1:{port} backlog=8192;
        {tls}
        location = /small {{ return 200 'a small answer\\n'; }}
        location = /wire {{ return 200 '$connection $server_protocol'; }}
        location = /now {{ return 200 '$msec'; }}
        location = /large {{ root {home}; }}
        location = /slow {{ limit_rate 200; return 200 '{slow}'; }}
        location = /limited {{ add_header Retry-After 1 always; return 429; }}
        location = /unavailable {{ return 503; }}
        location = /status {{ stub_status; }}
    }}
}}
"""
_TLS = "listen 127.0.0.1:{port} ssl http2 backlog=8192; ssl_certificate {pem}; ssl_certificate_key {pem};"


@dataclass(frozen=True)
class Nginx:
    """A running one. Its paths:

    /small: a few bytes.  /wire: the number of the connection, and the protocol.  /now: seconds since 1970, by its clock.
    /large: LARGE.  /slow: SLOW, within two to four seconds.  /limited, /unavailable: 429 with Retry-After, 503.
    """

    port: int
    tls_port: int

    def url(self, path: str) -> str:
        """Over plain HTTP."""
        return f"http://127.0.0.1:{self.port}{path}"

    def tls_url(self, path: str) -> str:
        """Over TLS, where HTTP/2 is spoken."""
        return f"https://localhost:{self.tls_port}{path}"

    def status(self) -> dict[str, int]:
        """Connections that are open (active), came in (accepts), and requests so far; those of this question included."""
        with urllib.request.urlopen(self.url("/status"), timeout=START_S) as answer:
            words = answer.read().decode().split()
        return {"active": int(words[2]), "accepts": int(words[7]), "requests": int(words[9])}


@contextmanager
def running(certificate: Path | None = None) -> Iterator[Nginx]:
    """One for as long as the block runs; it ends with this process, too. Raises Unavailable.

    certificate: a PEM file with the key and the certificates of localhost; without it, nothing is spoken over TLS.
    """
    program, libraries = _program()
    with tempfile.TemporaryDirectory(prefix="hanjul-nginx-", ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        (home / "large").write_bytes(LARGE)
        server, found = _started(program, libraries, home, certificate)
        try:
            yield found
        finally:
            server.kill()
            server.wait()


def _started(program: str, libraries: str, home: Path, certificate: Path | None) -> tuple["subprocess.Popen[bytes]", Nginx]:
    for _ in range(TRIES):
        found = Nginx(_free_port(), _free_port())
        tls = "" if certificate is None else _TLS.format(port=found.tls_port, pem=certificate)
        (home / "conf").write_text(_CONFIG.format(home=home, port=found.port, tls=tls, slow=SLOW))
        server = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", program, "-p", home, "-c", home / "conf", "-e", home / "error.log"],
            env=os.environ | {"LD_LIBRARY_PATH": libraries},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,  # it is in the log, too
            start_new_session=True,  # Ctrl-C is for us, not for it
        )
        if _answers(found, server):
            return server, found
        server.kill()
        server.wait()
    raise Unavailable(f"nginx does not start: {(home / 'error.log').read_text()[-2000:]}")


def _answers(found: Nginx, server: "subprocess.Popen[bytes]") -> bool:
    end = time.monotonic() + START_S
    while server.poll() is None and time.monotonic() < end:
        try:
            found.status()
        except OSError:
            time.sleep(LOOK_S)
        else:
            return server.poll() is None
    return False


def _program() -> tuple[str, str]:
    """nginx, the system's or one unpacked, and where its libraries are. Raises Unavailable."""
    if not shutil.which("setpriv"):
        raise Unavailable("setpriv, which ends nginx with us, is not there (util-linux)")
    if installed := shutil.which("nginx"):
        return installed, ""
    if not (CACHE / ".ready").exists():
        _fetch()
    libraries = {str(found.parent) for found in CACHE.glob("**/*-linux-gnu*/*.so*")}
    return str(CACHE / "usr" / "sbin" / "nginx"), os.pathsep.join(sorted(libraries))


def _fetch() -> None:
    debian.require()
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes come here at the same time
        if (CACHE / ".ready").exists():
            return
        try:
            debian.unpack(["nginx", *_libraries()], CACHE)
        except Unavailable:
            if os.geteuid() != 0:
                raise
            debian.apt("update", "-qq")  # the lists may be missing or old
            debian.unpack(["nginx", *_libraries()], CACHE)
        (CACHE / ".ready").touch()


def _libraries() -> list[str]:
    """The shared libraries that it asks for, except those that every program has."""
    depends = (line.strip().removeprefix("Depends: ") for line in debian.apt_cache("depends", "nginx"))
    return sorted({name for name in depends if name.startswith(("lib", "zlib")) and name != "libc6"})


def _free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port
