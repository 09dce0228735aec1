"""One server per data directory, from the first user to the last."""

import contextlib
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.embedded.conftest import Place, kill, query, wait_until

from hanjul.embedded import attach


@contextlib.contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", port)):
        yield


def resident_mb(pid: int) -> float:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def test_the_first_user_starts_a_server_with_a_database_called_hanjul(place: Place) -> None:
    said: list[str] = []

    with place.attach(say=said.append) as server:
        [[database, encoding, fsync]] = query(
            server.dsn, "select current_database(), current_setting('server_encoding'), current_setting('fsync')"
        )

    assert (database, encoding, fsync) == ("hanjul", "UTF8", "on")
    assert [line.split()[0] for line in said] == ["initialising", "starting"]


def test_two_processes_share_one_server(place: Place) -> None:
    first, second = place.user().told(), place.user().told()

    query(first["dsn"], "create table shared as select 7 as n")

    assert query(second["dsn"], "select n from shared") == [(7,)]
    assert len(place.postmasters()) == len(place.guards()) == 1


def test_the_server_stays_for_the_user_that_stays(place: Place) -> None:
    leaver, stayer = place.user(), place.user()
    dsn = [user.told()["dsn"] for user in (leaver, stayer)][1]
    [postmaster] = place.postmasters()

    leaver.leave()

    deadline = time.monotonic() + 1.5  # longer than the guard's grace
    while time.monotonic() < deadline:
        assert query(dsn, "select 1") == [(1,)]
    assert place.postmasters() == [postmaster]


def test_the_server_stops_when_its_last_user_leaves(place: Place) -> None:
    users = [place.user(), place.user()]
    for user in users:
        user.told()

    for user in users:
        user.leave()

    wait_until(place.is_quiet)


def test_a_killed_user_has_left(place: Place) -> None:
    user = place.user()
    user.told()

    user.kill()

    wait_until(place.is_quiet)


def test_data_password_and_port_outlive_a_stop(place: Place) -> None:
    with place.attach() as server:
        before = server.dsn
        query(server.dsn, "create table kept as select 1 as n")
    place.stop()

    with place.attach() as server:
        assert server.dsn == before
        assert query(server.dsn, "select n from kept") == [(1,)]


def test_another_port_is_chosen_when_the_old_one_is_taken(place: Place) -> None:
    with place.attach() as server:
        port = server.port
    place.stop()

    with taken(port), place.attach() as server:
        assert server.port != port
        assert query(server.dsn, "select 1") == [(1,)]


@pytest.mark.parametrize("race", range(3))
def test_simultaneous_first_users_start_one_server(place: Place, race: int) -> None:
    users = [place.user() for _ in range(4)]

    told = [user.told() for user in users]

    assert len({answer["dsn"] for answer in told}) == 1
    assert query(told[0]["dsn"], "select 1") == [(1,)]
    assert len(place.postmasters()) == len(place.guards()) == 1


def test_a_newcomer_never_gets_a_dying_server(place: Place) -> None:
    place.attach().close()
    for step in range(5):
        arrival = time.monotonic() + 0.9 + step * 0.08  # around the end of the guard's grace, where it stops the server
        wait_until(lambda arrival=arrival: time.monotonic() > arrival)

        with place.attach() as server:
            assert query(server.dsn, "select 1") == [(1,)]
            assert len(place.postmasters()) == 1


def test_closing_twice_is_closing_once(place: Place) -> None:
    server = place.attach()
    other = place.attach()

    server.close()
    server.close()

    assert query(other.dsn, "select 1") == [(1,)]
    other.close()


def test_a_database_that_was_dropped_is_made_again(place: Place) -> None:
    with place.attach() as server:
        query(server.dsn.replace("/hanjul", "/postgres"), "drop database hanjul")

        with place.attach() as again:
            assert query(again.dsn, "select current_database()") == [("hanjul",)]


def test_joining_a_running_server_is_quick(place: Place) -> None:
    def seconds() -> float:
        start = time.perf_counter()
        attach(place.data_dir).close()
        return time.perf_counter() - start

    with place.attach():
        assert min(seconds() for _ in range(5)) < 0.05


def test_the_guard_stays_small(place: Place) -> None:
    with place.attach():
        [guard] = place.guards()

        assert resident_mb(guard) < 20


def test_a_terminated_guard_stops_the_server_properly(place: Place) -> None:
    user = place.user()
    user.told()
    [guard] = place.guards()
    user.kill()

    kill(guard, signal.SIGTERM)

    wait_until(place.is_quiet)
    assert "database system is shut down" in (place.data_dir / "server.log").read_text()
