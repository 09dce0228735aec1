"""From files to a registry: everything that is wrong is told at once."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from hanjul.entries.decode import decoded
from hanjul.entries.files import Written, documents, written
from hanjul.entries.fits import fit_problems
from hanjul.entries.functions import Unusable, handler_of, handler_of_code, misfit
from hanjul.entries.kinds import Consumer, Entry, PythonFunction
from hanjul.entries.problems import Problem, in_order
from hanjul.entries.registry import Registry, link_problems
from hanjul.model.errors import InvalidEntries, InvalidSettings
from hanjul.runtime.handlers import Handler


def load(
    targets: Sequence[str | Path] | str | Path, *, environment: Mapping[str, str] | None = None, functions: bool = True
) -> Registry:
    """The entries of directories and files, checked as a whole.

    environment: what placeholders are filled in from (None: the process's).  functions: False to import none.
    Raises InvalidEntries with all that is wrong, InvalidSettings if there is nothing to read.
    """
    paths = [Path(target) for target in ([targets] if isinstance(targets, str | Path) else targets)]
    problems: list[Problem] = []
    found = _all_written(paths, problems)
    if not found and not problems:
        raise InvalidSettings(f"{', '.join(map(str, paths))}: no file there has a namespace and entries, as _index.yaml has")
    values = os.environ if environment is None else environment
    typed = {id_: decoded(entry, values, problems) for id_, entry in found.items()}
    entries = {id_: entry for id_, entry in typed.items() if entry is not None}
    problems += link_problems(entries, found)
    problems += fit_problems(entries, found)
    handlers = _handlers(entries, found, problems) if functions else {}
    if problems:
        raise InvalidEntries(in_order(problems))
    return Registry(entries, found, handlers)


def _all_written(paths: Sequence[Path], problems: list[Problem]) -> dict[str, Written]:
    found: dict[str, Written] = {}
    for document in documents(paths, problems):
        for entry in written(document, problems):
            if (first := found.setdefault(entry.id, entry)) is not entry:
                where = first.problem((), "")
                problems.append(entry.problem((), f"{entry.id} is declared twice; first at {where.file}:{where.line}"))
    return found


def _handlers(entries: Mapping[str, Entry], found: Mapping[str, Written], problems: list[Problem]) -> dict[str, Handler]:
    handlers: dict[str, Handler] = {}
    for id_, entry in entries.items():
        try:
            if isinstance(entry, PythonFunction):
                handlers[id_] = handler_of(entry, found[id_])
            elif isinstance(entry, Consumer) and entry.func.startswith("py://"):
                handlers[entry.func] = handler_of_code(entry)
        except Unusable as error:
            problems.append(found[id_].problem((error.field,), error.message))
    for id_, entry in entries.items():
        if isinstance(entry, PythonFunction) and id_ in handlers and (why := misfit(entry.executor, handlers[id_])):
            problems.append(found[id_].problem(("executor", "type"), why))
        elif isinstance(entry, Consumer) and entry.executor and entry.func in handlers:
            why = misfit(entry.executor, handlers[entry.func])
            problems += [found[id_].problem(("executor", "type"), why)] if why else []
    return handlers
