"""Ids and references, what starts before what, and the functions that entries name."""

from pathlib import Path

import pytest
from tests.entries.conftest import GOOD, Load, Refused

CONSUMER = (
    "- {{name: {name}, kind: queue.consumer, queue: mail, func: handle, "
    "lifecycle: {{requires: [{requires}], auto_start: {start}}}}}\n"
)


def consumer(name: str, requires: str = "", start: str = "true") -> str:
    return CONSUMER.format(name=name, requires=requires, start=start)


def test_a_short_reference_is_one_to_its_own_namespace(load_entries: Load) -> None:
    queue = load_entries().queue("app:mail")

    assert queue.driver == "app:driver"


@pytest.mark.parametrize("reference", ["app:driver", "{ns: app, name: driver}"])
def test_a_reference_has_a_full_form_and_one_of_two_parts(load_entries: Load, reference: str) -> None:
    assert load_entries(GOOD.replace("driver: driver", f"driver: {reference}")).queue("app:mail").driver == "app:driver"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("driver: driver", "driver: drivr", "there is no entry app:drivr; did you mean 'app:driver'?"),
        ("driver: driver", "driver: 1", "driver must be the id of an entry"),
        ("driver: driver", "driver: 'a b'", "driver must be the id of an entry"),
        ("driver: driver", "driver: handle", "app:handle is a function.python, not a queue.driver"),
        ("queue: mail", "queue: driver", "app:driver is a queue.driver.memory, not a queue.queue"),
        ("func: handle", "func: mail", "app:mail is a queue.queue, not a function"),
        ("{auto_start", "{depends_on: [handle], auto_start", "app:handle is a function.python, not a driver, a queue or"),
        ("{auto_start", "{depends_on: [mial], auto_start", "there is no entry app:mial; did you mean 'app:mail'?"),
        ("{auto_start", "{requires: [worker], auto_start", "app:worker refers to itself"),
        ("driver: driver", "driver: driver, dead_letter: {queue: nope}", "there is no entry app:nope"),
    ],
)  # fmt: skip
def test_a_reference_that_leads_nowhere_or_to_the_wrong_kind_is_refused(refused: Refused, old: str, new: str, said: str) -> None:
    assert any(said in why for why in refused(GOOD.replace(old, new)))


def test_a_reference_to_an_entry_that_is_wrong_itself_is_not_told_again(refused: Refused) -> None:
    [why] = refused(GOOD.replace("kind: queue.driver.memory", "kind: queue.driver.memory, pool: 1"))

    assert "unknown key 'pool'" in why


def test_an_id_that_comes_twice_is_refused_with_the_place_of_the_first(refused: Refused) -> None:
    [why] = refused(GOOD + "- {name: mail, kind: queue.queue, driver: driver}")

    assert why.startswith("app:mail is declared twice; first at ")
    assert why.endswith("_index.yaml:5")


def test_what_depends_on_each_other_in_a_circle_is_refused(refused: Refused) -> None:
    [why] = refused(GOOD + consumer("a", "b") + consumer("b", "c") + consumer("c", "a"))

    assert why == "depend on each other in a circle: app:a -> app:b -> app:c -> app:a"


def test_dead_letters_in_a_circle_are_refused(refused: Refused) -> None:
    queue = "- {{name: {}, kind: queue.queue, driver: driver, dead_letter: {{queue: {}}}}}\n"

    why = refused(GOOD + queue.format("a", "b") + queue.format("b", "a") + queue.format("c", "c"))

    assert "are each other's dead letters in a circle: app:a -> app:b -> app:a" in why
    assert "app:c refers to itself" in why
    assert why.count("queue is not built yet; without it they go to the queue's own dead letters") == 3


def test_two_entries_cannot_be_one_queue_of_a_driver(refused: Refused) -> None:
    [why] = refused(GOOD + "- {name: post, kind: queue.queue, driver: driver, queue_name: mail}")

    assert why == "app:mail is the queue 'mail' of app:driver, too; give one of them another queue_name"


def test_queues_on_two_drivers_are_not_built_yet(refused: Refused) -> None:
    [why] = refused(GOOD + "- {name: d2, kind: queue.driver.memory}\n- {name: q2, kind: queue.queue, driver: d2}")

    assert "queues on several drivers in one process are not built yet: app:mail is on app:driver" in why


def test_consumers_start_after_what_they_require(load_entries: Load) -> None:
    registry = load_entries(GOOD + consumer("c") + consumer("a", "z, mail") + consumer("z") + consumer("b", "a"))

    order = list(registry.consumers())
    assert order.index("app:z") < order.index("app:a") < order.index("app:b")
    assert sorted(order) == ["app:a", "app:b", "app:c", "app:worker", "app:z"]


def test_a_consumer_without_auto_start_runs_only_if_another_requires_it(load_entries: Load) -> None:
    registry = load_entries(GOOD + consumer("idle", start="false") + consumer("needed", start="false") + consumer("a", "needed"))

    assert list(registry.consumers()) == ["app:needed", "app:worker", "app:a"]


def function(source: str) -> str:
    return GOOD.replace("source: file://handlers.py", source)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("source: file://handlers.py", "main"),
        ("source: file://handlers.py, func: plain", "plain"),
        ("source: file://handlers.py, method: plain", "plain"),
        ("source: file://handlers.py, func: Group.inner", "Group.inner"),
        ("source: 'tests.entries.conftest:found'", "found"),
        ("source: tests.entries.conftest, func: found", "found"),
    ],
)
def test_a_function_is_found_in_a_file_or_in_a_module(load_entries: Load, source: str, name: str) -> None:
    handler = load_entries(function(source)).handlers["app:handle"]

    assert handler.name == name


def test_a_consumer_can_name_its_function_without_an_entry(load_entries: Load) -> None:
    registry = load_entries(GOOD.replace("func: handle", "func: 'py://tests.entries.conftest:found'"))

    assert registry.handlers["py://tests.entries.conftest:found"].name == "found"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("source: file://handlers.py, func: mian", "has no function 'mian'; did you mean 'main'?"),
        ("source: file://handlers.py, func: number", "number in file://handlers.py is a int, not a function"),
        ("source: file://handlers.py, func: two", "handler two must take one argument"),
        ("source: file://handlers.py, func: yields", "handler yields yields"),
        ("source: file://nowhere.py", "there is no file"),
        ("source: file://../handlers.py", "is outside"),
        ("source: file://broken.py", "cannot be imported: ZeroDivisionError: division by zero (its line 2)"),
        ("source: file://syntax.py", "cannot be imported: SyntaxError"),
        ("source: file://exits.py", "cannot be imported: SystemExit: 3"),
        ("source: no_such_module:f", "cannot be imported: ModuleNotFoundError"),
        ("source: 'file://handlers.py', executor: {type: thread}", "type thread is for plain functions; main is async"),
        ("source: 'file://handlers.py', func: plain, executor: {type: loop}", "type loop is for async functions; plain is"),
    ],
)
def test_a_function_that_is_not_there_or_cannot_be_called_is_refused(
    refused: Refused, directory: Path, source: str, said: str
) -> None:
    (directory / "broken.py").write_text("x = 1\n1 / 0\n")
    (directory / "syntax.py").write_text("def f(:\n")
    (directory / "exits.py").write_text("raise SystemExit(3)\n")

    [why] = refused(function(source))

    assert said in why


def test_one_file_named_by_two_entries_is_run_once(load_entries: Load, directory: Path) -> None:
    (directory / "once.py").write_text("with open(__file__ + '.runs', 'a') as f: f.write('.')\nasync def main(body): ...\n")

    load_entries("".join(f"- {{name: {name}, kind: function.python, source: file://once.py}}\n" for name in ("a", "b")))

    assert (directory / "once.py.runs").read_text() == "."
