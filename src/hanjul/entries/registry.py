"""All entries by id: who refers to whom, what starts before what, and what cannot be."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from hanjul.entries.files import Written
from hanjul.entries.kinds import Consumer, Entry, MemoryDriver, PostgresDriver, Queue
from hanjul.entries.problems import MOST_COMPARED, Problem, did_you_mean
from hanjul.runtime.handlers import Handler


@dataclass(frozen=True, slots=True)
class Registry:
    """Entries that fit together.

    entries: by id.  written: how each is written, and where.  handlers: by the id of a function, or by py://module:function;
    empty if functions were not imported.
    """

    entries: Mapping[str, Entry]
    written: Mapping[str, Written]
    handlers: Mapping[str, Handler]

    def queue(self, id_: str) -> Queue:
        """The queue of this id."""
        found = self.entries[id_]
        assert isinstance(found, Queue)  # noqa: S101  (references were checked)
        return found

    def driver(self, queue: Queue) -> MemoryDriver | PostgresDriver:
        """The driver of a queue."""
        found = self.entries[queue.driver]
        assert isinstance(found, MemoryDriver | PostgresDriver)  # noqa: S101  (references were checked)
        return found

    def queue_name(self, id_: str) -> str:
        """What the queue of this id is called in its backend."""
        return self.queue(id_).queue_name or id_.rpartition(":")[2]

    def queues(self) -> dict[str, Queue]:
        """All queues, by id."""
        return {id_: entry for id_, entry in sorted(self.entries.items()) if isinstance(entry, Queue)}

    def consumers(self) -> dict[str, Consumer]:
        """The consumers that run, in the order in which they start: those with auto_start, and what they require."""
        graph = dependencies(self.entries)
        wanted = {id_ for id_, entry in self.entries.items() if isinstance(entry, Consumer) and entry.lifecycle.auto_start}
        todo = list(wanted)
        while todo:
            for id_ in graph[todo.pop()]:
                if id_ not in wanted:
                    wanted.add(id_)
                    todo.append(id_)
        found = {id_: self.entries[id_] for id_ in _in_order(graph) if id_ in wanted}
        return {id_: entry for id_, entry in found.items() if isinstance(entry, Consumer)}


def _in_order(graph: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """What depends on nothing first, then what depends on that alone, and so on; by id within each step."""
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        yield from ready
        sorter.done(*ready)


def dependencies(entries: Mapping[str, Entry]) -> dict[str, set[str]]:
    """What must be there before each entry: what it requires, and what it refers to; not where its dead letters go."""
    graph: dict[str, set[str]] = {}
    for id_, entry in entries.items():
        found = {reference for field, reference, _ in entry.references() if field[0] != "dead_letter"}
        lifecycle = getattr(entry, "lifecycle", None)
        found |= set() if lifecycle is None else {required for _, required in lifecycle.required}
        graph[id_] = {one for one in found if one in entries}
    return graph


def link_problems(entries: Mapping[str, Entry], written: Mapping[str, Written]) -> Iterator[Problem]:
    """References that lead nowhere, to the wrong kind, or round in a circle.

    written: all entries, those with problems of their own too, so that one mistake is not told twice.
    """
    for id_, entry in entries.items():
        for field, reference, kind in entry.references():
            if why := _wrong(reference, kind, written):
                yield written[id_].problem(field, why)
        lifecycle = getattr(entry, "lifecycle", None)
        for where, required in [] if lifecycle is None else lifecycle.required:
            if why := _wrong(required, "queue.", written):
                yield written[id_].problem(where, why)
    yield from _cycles(dependencies(entries), written, "depend on each other")
    dead = {
        id_: {entry.dead_letter.queue} & entries.keys()
        for id_, entry in entries.items()
        if isinstance(entry, Queue) and entry.dead_letter and entry.dead_letter.queue
    }
    yield from _cycles(dead, written, "are each other's dead letters")


def _wrong(reference: str, kind: str, written: Mapping[str, Written]) -> str | None:
    if reference not in written:
        few = written.items() if len(written) <= MOST_COMPARED else ()
        fitting = [id_ for id_, entry in few if _fits(entry.kind, kind)]
        return f"there is no entry {reference}{did_you_mean(reference, fitting)}"
    if not _fits(found := written[reference].kind, kind):
        service = "a driver, a queue or a consumer, which lead to a service" if kind == "queue." else f"a {kind.rstrip('.')}"
        return f"{reference} is a {found}, not {service}"
    return None


def _fits(found: str, kind: str) -> bool:
    return found.startswith(kind) if kind.endswith(".") else found == kind


def _cycles(graph: Mapping[str, Iterable[str]], written: Mapping[str, Written], how: str) -> Iterator[Problem]:
    """One problem for each circle, at the first of its entries."""
    left = {id_: sorted(others) for id_, others in sorted(graph.items())}
    while True:
        try:
            TopologicalSorter(left).prepare()
        except CycleError as error:
            circle: list[str] = list(reversed(error.args[1][1:]))
            start = circle.index(min(circle))
            circle = circle[start:] + circle[:start]
            shape = "refers to itself" if len(circle) == 1 else f"{how} in a circle: {' -> '.join([*circle, circle[0]])}"
            yield written[circle[0]].problem((), shape if len(circle) > 1 else f"{circle[0]} {shape}")
            left[circle[0]] = [id_ for id_ in left[circle[0]] if id_ != (circle[1] if len(circle) > 1 else circle[0])]
        else:
            return
