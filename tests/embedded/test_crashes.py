"""Whoever is killed, and whenever: no residue, no second server, no committed row lost."""

import contextlib
import signal
import subprocess
import sys
import time

import psycopg
import pytest
from tests.embedded.conftest import Place, kill, query, wait_until

from hanjul.embedded import StartFailed, locks

BUSY = "select count(*) from generate_series(1, 20_000_000_000)"  # looks at nothing that tells it of a dead postmaster


def replaced(place: Place, pid: int) -> bool:
    return place.guards() not in ([], [pid])


def test_a_killed_guard_leaves_the_server_running(place: Place) -> None:
    with place.attach() as server, psycopg.connect(server.dsn) as connection:
        [guard], [postmaster] = place.guards(), place.postmasters()

        kill(guard)

        wait_until(lambda: replaced(place, guard))
        assert place.postmasters() == [postmaster]
        assert connection.execute("select 1").fetchone() == (1,)


def test_after_the_guard_was_killed_the_last_user_still_stops_the_server(place: Place) -> None:
    user = place.user()
    user.told()
    [guard] = place.guards()
    kill(guard)
    wait_until(lambda: replaced(place, guard))

    user.kill()

    wait_until(place.is_quiet)


def test_a_user_that_leaves_right_after_the_guard_died_still_stops_the_server(place: Place) -> None:
    with place.attach() as server:
        kill(place.guards()[0])
        wait_until(lambda: not locks.is_held(server.data_dir / "guard.lock"))

    wait_until(place.is_quiet)


def test_a_server_without_guard_and_users_is_adopted_by_the_next_user(place: Place) -> None:
    user = place.user()
    user.told()
    [guard], [postmaster] = place.guards(), place.postmasters()
    user.process.send_signal(signal.SIGSTOP)  # or it might replace the guard
    kill(guard)
    user.kill()

    with place.attach() as server:
        assert query(server.dsn, "select 1") == [(1,)]
        assert place.postmasters() == [postmaster]

    wait_until(place.is_quiet)


def test_a_killed_postmaster_comes_back_with_every_committed_row(place: Place) -> None:
    with place.attach() as server:
        query(server.dsn, "create table kept as select n from generate_series(1, 1000) n")
        [postmaster] = place.postmasters()

        kill(postmaster)

        wait_until(lambda: place.postmasters() not in ([], [postmaster]))
        with place.attach() as again:
            assert again.dsn == server.dsn
            assert query(again.dsn, "select count(*), sum(n) from kept") == [(1000, 500500)]


def test_a_busy_backend_does_not_hold_up_the_restart(place: Place) -> None:
    with place.attach() as server, contextlib.closing(psycopg.connect(server.dsn)) as connection:
        connection.pgconn.send_query(BUSY.encode())
        connection.pgconn.flush()
        wait_until(lambda: query(server.dsn, f"select 1 from pg_stat_activity where query = '{BUSY}' and state = 'active'"))
        [postmaster] = place.postmasters()

        kill(postmaster)

        with place.attach() as again:
            assert query(again.dsn, "select 1") == [(1,)]


def test_guard_and_postmaster_killed_together_come_back(place: Place) -> None:
    with place.attach() as server:
        query(server.dsn, "create table kept as select 1 as n")
        [guard], [postmaster] = place.guards(), place.postmasters()

        kill(guard)
        kill(postmaster)

        wait_until(lambda: place.postmasters() not in ([], [postmaster]))
        with place.attach() as again:
            assert query(again.dsn, "select n from kept") == [(1,)]
    wait_until(place.is_quiet)


def test_everything_killed_together_leaves_nothing_that_matters(place: Place) -> None:
    user = place.user()
    query(user.told()["dsn"], "create table kept as select 1 as n")

    for pid in (user.process.pid, *place.guards(), *place.postmasters()):
        kill(pid)

    with place.attach() as server:
        assert query(server.dsn, "select n from kept") == [(1,)]


def test_a_postmaster_killed_again_and_again_comes_back(place: Place) -> None:
    with place.attach() as server:
        query(server.dsn, "create table kept (n int)")
        for n in range(4):
            query(server.dsn, f"insert into kept values ({n})")
            kill(place.postmasters()[0])
            with place.attach() as again:
                assert query(again.dsn, "select count(*) from kept") == [(n + 1,)]


@pytest.mark.parametrize("age_s", [0.2, 0.45, 0.7, 0.95])
def test_a_first_user_killed_at_any_moment_leaves_a_directory_that_works(place: Place, age_s: float) -> None:
    user = place.user()
    deadline = time.monotonic() + age_s
    wait_until(lambda: time.monotonic() > deadline)

    user.kill()

    with place.attach() as server:
        assert query(server.dsn, "select 1") == [(1,)]


def test_a_half_made_cluster_is_made_again(place: Place) -> None:
    user = place.user()
    wait_until((place.data_dir / "data.new" / "PG_VERSION").exists)

    for pid in (user.process.pid, *initdbs(place)):
        kill(pid)

    with place.attach() as server:
        assert query(server.dsn, "select 1") == [(1,)]
    assert not (place.data_dir / "data.new").exists()
    assert not (place.data_dir / "initial-password").exists()


def initdbs(place: Place) -> list[int]:
    found = subprocess.run(["pgrep", "-f", f"initdb.*{place.data_dir}"], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def test_a_pid_file_that_names_another_program_does_not_stop_us(place: Place) -> None:
    with place.attach() as server:
        query(server.dsn, "create table kept as select 1 as n")
    place.stop()
    account = (place.data_dir / "data").stat()
    stranger = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, user=account.st_uid)
    pid_file = place.data_dir / "data" / "postmaster.pid"
    pid_file.write_text(f"{stranger.pid}\n{place.data_dir}/data\n1\n1\n\n127.0.0.1\n1 1\nready\n")

    with place.attach() as server:
        assert query(server.dsn, "select n from kept") == [(1,)]

    assert stranger.poll() is None
    stranger.communicate(b"\n")


def test_a_failed_start_shows_the_log_and_deletes_nothing(place: Place) -> None:
    with place.attach() as server:
        query(server.dsn, "create table kept as select 1 as n")
    place.stop()
    settings = place.data_dir / "data" / "postgresql.conf"
    good = settings.read_text()
    settings.write_text(good + "no_such_setting = 1\n")

    with pytest.raises(StartFailed, match="unrecognized configuration parameter"):
        place.attach()

    settings.write_text(good)
    with place.attach() as server:
        assert query(server.dsn, "select n from kept") == [(1,)]


def test_damaged_data_are_reported_and_left_alone(place: Place) -> None:
    place.attach().close()
    place.stop()
    control = place.data_dir / "data" / "global" / "pg_control"
    control.write_bytes(b"damaged")

    with pytest.raises(StartFailed, match="pg_control"):
        place.attach()

    assert control.read_bytes() == b"damaged"
    wait_until(place.is_quiet)
