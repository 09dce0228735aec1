"""Who works on jobs, as rows for whoever looks."""

import psycopg
import pytest


def age(db, seconds):
    """Let every worker have been seen so long ago."""
    db.run("update hanjul.worker set seen_at = clock_timestamp() - make_interval(secs => %s)", seconds)


def test_a_worker_that_is_seen_again_keeps_its_row(db):
    db.run("select hanjul.worker_seen('w1', '{a}', '{mail}', 3, 'host', 7, '1.0')")
    [before] = db.rows("select * from hanjul.workers()")

    db.run("select hanjul.worker_seen('w1', '{a,b}', null, 4, 'host', 7, '1.1')")

    [after] = db.rows("select * from hanjul.workers()")
    assert before[:7] == ("w1", "host", 7, ["a"], ["mail"], 3, "1.0")
    assert after[:7] == ("w1", "host", 7, ["a", "b"], None, 4, "1.1")
    assert after[7] == before[7]
    assert after[8] > before[8]


def test_two_processes_of_one_name_are_two(db):
    db.run(
        "select hanjul.worker_seen('w1', '{a}', host => 'x', pid => 1), hanjul.worker_seen('w1', '{a}', host => 'y', pid => 1)"
    )

    assert db.column("select host from hanjul.workers() order by host") == ["x", "y"]


def test_a_worker_that_stops_is_gone(db):
    db.run("select hanjul.worker_seen('w1', '{a}'), hanjul.worker_seen('w2', '{a}')")

    db.run("select hanjul.worker_stopped('w1')")

    assert db.column("select id from hanjul.workers()") == ["w2"]


def test_a_worker_is_live_for_a_minute_and_forgotten_after_an_hour_by_whoever_lives(db):
    db.run("select hanjul.worker_seen('w1', '{a}')")
    age(db, 55)
    assert db.one("select live from hanjul.workers()")

    age(db, 65)
    assert not db.one("select live from hanjul.workers()")

    age(db, 3605)
    db.run("select hanjul.worker_seen('w2', '{a}')")
    assert db.column("select id from hanjul.workers()") == ["w2"]


@pytest.mark.parametrize(
    "arguments",
    [
        "null, '{a}'",
        "'', '{a}'",
        "repeat('w', 201), '{a}'",
        "'w', null",
        "'w', '{}'",
        "'w', '{null}'",
        "'w', '{a}', concurrency => 0",
        "'w', '{a}', concurrency => null",
    ],
)
def test_what_cannot_be_about_a_worker_is_refused(shared, arguments):
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        shared.run(f"select hanjul.worker_seen({arguments})")

    assert shared.rows("select * from hanjul.workers()") == []
