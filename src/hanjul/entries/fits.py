"""What a driver, or this version, cannot honour of what is declared: refused when it is read, never ignored."""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel, ValidationError

from hanjul.entries.decode import later, problem_of
from hanjul.entries.files import Written
from hanjul.entries.kinds import Entry, MemoryBag, MemoryDriver, PostgresBag, PostgresDriver, Queue
from hanjul.entries.problems import Problem
from hanjul.model.errors import InvalidQueueName
from hanjul.model.names import queue_name

_BAGS: dict[str, type[BaseModel]] = {"queue.driver.memory": MemoryBag, "queue.driver.postgres": PostgresBag}


def fit_problems(entries: Mapping[str, Entry], written: Mapping[str, Written]) -> Iterator[Problem]:
    """What does not fit together though each reference leads somewhere."""
    used: dict[str, str] = {}
    names: dict[tuple[str, str], str] = {}
    for id_, queue in entries.items():
        if not isinstance(queue, Queue) or (driver := entries.get(queue.driver)) is None:
            continue
        yield from _queue_problems(queue, written[id_], driver)
        name = queue.queue_name or id_.rpartition(":")[2]
        if (first := names.setdefault((queue.driver, name), id_)) != id_:
            message = f"{first} is the queue {name!r} of {queue.driver}, too; give one of them another queue_name"
            yield written[id_].problem(("queue_name",) if queue.queue_name else (), message)
        used.setdefault(queue.driver, id_)
    first_driver = next(iter(used), None)
    for driver_id, queue_id in used.items():
        if driver_id != first_driver:
            message = (
                f"queues on several drivers in one process are not built yet: {used[first_driver or '']} is on {first_driver}"
            )
            yield written[queue_id].problem(("driver",), message)
    for id_, entry in entries.items():
        if isinstance(entry, PostgresDriver) and entry.archive == "on_dead_letter":
            yield written[id_].problem(("archive",), "archive: on_dead_letter is not built yet; dead letters are always kept")


def _queue_problems(queue: Queue, entry: Written, driver: Entry) -> Iterator[Problem]:
    try:
        queue_name(queue.queue_name or entry.id.rpartition(":")[2])
    except InvalidQueueName as error:
        yield entry.problem(("queue_name",) if queue.queue_name else (), str(error))
    if isinstance(driver, MemoryDriver) and queue.declare != "ensure":
        yield entry.problem(("declare",), f"a queue in memory is made by its process: declare: {queue.declare} cannot be")
    if queue.options and (bag := _BAGS.get(driver.kind)) is not None:
        try:
            found = bag.model_validate(queue.options)
        except ValidationError as error:
            for told in error.errors(include_url=False):
                yield problem_of(entry, bag, told, base=("options",))
        else:
            yield from later(entry, found, ("options",))
