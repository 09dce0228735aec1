"""Loopback and password only; secrets are the owner's; what is not ours is not touched."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.embedded.conftest import Place, new_place, query

from hanjul.embedded import BadDataDirectory, Server


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Place, Server]]:
    with new_place() as place, pytest.MonkeyPatch.context() as environment:
        environment.setenv("CLOUD_SECRET", "canary")
        environment.setenv("PGPORT", "1")
        with place.attach() as server:
            yield place, server


Running = tuple[Place, Server]


@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_connection_without_the_password_is_refused(running: Running, password: str) -> None:
    _, server = running
    dsn = f"postgresql://postgres:{password}@127.0.0.1:{server.port}/hanjul"

    with pytest.raises(psycopg.OperationalError, match=r"password authentication failed|no password supplied"):
        query(dsn, "select 1")


def test_every_way_in_asks_for_the_password(running: Running) -> None:
    _, server = running

    assert query(server.dsn, "select distinct auth_method from pg_hba_file_rules") == [("scram-sha-256",)]


def test_the_server_listens_on_loopback_only(running: Running) -> None:
    _, server = running

    assert listening_addresses(server.port) == {"0100007F"}
    assert query(server.dsn, "show unix_socket_directories") == [("",)]


def listening_addresses(port: int) -> set[str]:
    rows = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == port}


def test_files_with_secrets_are_the_owners(running: Running) -> None:
    place, _ = running

    modes = {path.name: path.stat().st_mode & 0o077 for path in place.data_dir.iterdir() if path.is_file()}

    assert "password" in modes
    assert set(modes.values()) == {0}
    assert place.data_dir.stat().st_mode & 0o066 == 0
    assert (place.data_dir / "data").stat().st_mode & 0o077 == 0


def test_the_server_does_not_inherit_our_environment(running: Running) -> None:
    place, _ = running

    environment = Path(f"/proc/{place.postmasters()[0]}/environ").read_bytes()

    assert b"canary" not in environment
    assert b"PGPORT" not in environment


def test_a_directory_with_other_things_in_it_is_refused_and_left_as_it_was(place: Place) -> None:
    place.data_dir.mkdir(mode=0o750)
    (place.data_dir / "thesis.txt").write_text("mine")

    with pytest.raises(BadDataDirectory, match="not empty and not made by hanjul"):
        place.attach()

    assert [path.name for path in place.data_dir.iterdir()] == ["thesis.txt"]
    assert place.data_dir.stat().st_mode & 0o777 == 0o750


def test_a_lost_password_file_is_reported(place: Place) -> None:
    place.attach().close()
    (place.data_dir / "password").unlink()

    with pytest.raises(BadDataDirectory, match="'password' is gone"):
        place.attach()


def test_a_full_disk_is_reported_with_its_reason(place: Place) -> None:
    place.data_dir.mkdir()
    with small_disk(place.data_dir, megabytes=8), pytest.raises(Exception, match="No space left on device"):
        place.attach()


@contextlib.contextmanager
def small_disk(path: Path, *, megabytes: int) -> Iterator[None]:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", path], check=False)
    if mounted.returncode != 0:
        pytest.skip("may not mount a small disk here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)
