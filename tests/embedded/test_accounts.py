"""PostgreSQL refuses root; so it gets another account, and nobody else's permissions change for that."""

import os
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.embedded.conftest import Place, query, wait_until

from hanjul.embedded import BadDataDirectory, locate

NOBODY = pwd.getpwnam("nobody")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about what root does")


def owner(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def modes(*paths: Path) -> list[tuple[Path, int, int]]:
    around = [step for path in paths for step in (path, *path.parents)]
    return [(step, step.stat().st_mode, step.stat().st_uid) for step in around]


@pytest.fixture
def unprivileged(place: Place) -> Iterator[dict[str, Any]]:
    """How to start a process as a normal user with a home directory."""
    home = place.root / "home"
    home.mkdir(mode=0o755)
    if os.geteuid() != 0:
        yield {"env": os.environ | {"HOME": str(home)}}
        return
    os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
    env = {"HOME": str(home), "PATH": os.environ["PATH"]}
    yield {"user": NOBODY.pw_uid, "group": NOBODY.pw_gid, "extra_groups": [], "env": env, "cwd": "/"}


@as_root
def test_for_root_the_server_runs_as_nobody(place: Place) -> None:
    with place.attach():
        assert owner(place.postmasters()[0]) == NOBODY.pw_uid
        assert owner(place.guards()[0]) == 0


@as_root
def test_no_permission_outside_the_directory_changes(place: Place) -> None:
    before = modes(place.root, locate().bin_dir)

    place.attach().close()

    assert modes(place.root, locate().bin_dir) == before


@as_root
def test_a_directory_that_nobody_cannot_reach_is_refused_by_name(place: Place) -> None:
    closed = place.root / "closed"
    closed.mkdir(mode=0o700)
    place.data_dir = closed / "deeper" / "pg"

    with pytest.raises(BadDataDirectory, match=f"'nobody', which may not enter '{closed}'"):
        place.attach()

    assert list(closed.iterdir()) == []


@as_root
def test_programs_that_nobody_cannot_reach_are_copied(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    package = locate().prefix.parent
    prefix = place.root / "closed" / package.name / locate().prefix.name
    shutil.copytree(locate().prefix, prefix, symlinks=True)
    shutil.copytree(package.with_name(f"{package.name}.libs"), place.root / "closed" / f"{package.name}.libs")
    (place.root / "closed").chmod(0o700)
    monkeypatch.setenv("HANJUL_PG_BIN", str(prefix / "bin"))

    with place.attach() as server:
        assert query(server.dsn, "select 1") == [(1,)]
        [postmaster] = place.postmasters()
        assert Path(f"/proc/{postmaster}/exe").readlink().is_relative_to(place.data_dir)

    assert (place.root / "closed").stat().st_mode & 0o777 == 0o700


def test_a_normal_user_gets_a_server_of_its_own_in_its_home(place: Place, unprivileged: dict[str, Any]) -> None:
    user = place.user("", **unprivileged)

    told = user.told()

    assert told["data_dir"].startswith(str(place.root / "home/.local/share/hanjul/postgres-"))
    assert owner(place.postmasters()[0]) == owner(place.guards()[0]) == owner(user.process.pid)
    assert query(told["dsn"], "select 1") == [(1,)]
    user.leave()
    wait_until(lambda: not place.postmasters())


def test_data_of_an_older_version_stay_in_use_while_its_programs_are_there(place: Place, unprivileged: dict[str, Any]) -> None:
    older = next(found for found in installed() if found.major != locate().major)
    env = unprivileged.pop("env")
    first = place.user("", env=env | {"HANJUL_PG_BIN": str(older.bin_dir)}, **unprivileged)
    dsn = first.told()["dsn"]

    second = place.user("", env=env, **unprivileged)

    assert second.told()["dsn"] == dsn


@as_root
def test_a_directory_of_another_user_is_refused(place: Place, unprivileged: dict[str, Any]) -> None:
    place.attach().close()

    told = place.user(**unprivileged).told()

    assert told["error"] == "BadDataDirectory"
    assert "belongs to 'root'" in told["text"]


def installed() -> list[Any]:
    from hanjul.embedded.binaries import candidates

    return list(candidates([]))
