"""The functions that entries name, imported and made ready: from a file beside the YAML, or from a module."""

import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hanjul.entries.decode import inside
from hanjul.entries.files import Written
from hanjul.entries.kinds import Consumer, Executor, PythonFunction
from hanjul.entries.placeholders import BadPlaceholder
from hanjul.entries.problems import did_you_mean
from hanjul.model.errors import InvalidSettings
from hanjul.runtime.handlers import Handler

DEFAULT = "main"
"""What a function is called whose entry does not say."""

_PREFIX = "hanjul_entries"
"""Modules of files are called so, with the namespace and the file's name behind it."""


class Unusable(Exception):
    """No handler can be made of it; why, and which field says so."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.message, self.field = message, field


def handler_of(function: PythonFunction, entry: Written) -> Handler:
    """The handler of a function entry; raises Unusable."""
    if function.source.startswith("file://"):
        module, source, name = _from_file(function.source, entry), function.source, function.func or function.method or DEFAULT
    else:
        module, source, name = _from_module(function.source, function.func or function.method, "source")
    said = next((field for field in ("func", "method") if field in function.model_fields_set), "source")
    return _made(module, source, name, said)


def handler_of_code(consumer: Consumer) -> Handler:
    """The handler of a consumer's py://module:function; raises Unusable."""
    module, source, name = _from_module(consumer.func.removeprefix("py://"), None, "func")
    return _made(module, source, name, "func")


def misfit(executor: Executor, handler: Handler) -> str | None:
    """Why the handler cannot run there; None if it can."""
    if executor.type == "process":
        return "executor type process is not built yet for consumers; jobs have it: @app.job(executor='process')"
    if executor.type == "loop" and not handler.is_async:
        return f"executor type loop is for async functions; {handler.name} is a plain one: thread"
    if executor.type == "thread" and handler.is_async:
        return f"executor type thread is for plain functions; {handler.name} is async: loop"
    return None


def _from_file(source: str, entry: Written) -> ModuleType:
    try:
        path = inside(source, entry)
    except BadPlaceholder as error:
        raise Unusable(str(error), "source") from None
    if not path.is_file():
        raise Unusable(f"{source}: there is no file {path}", "source")
    within = path.relative_to(entry.document.root).with_suffix("").as_posix()
    name = f"{_PREFIX}.{entry.namespace}.{re.sub('[^0-9A-Za-z_]', '_', within)}"
    if (known := sys.modules.get(name)) is not None and known.__file__ == str(path):
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise Unusable(f"{source} is not a Python file", "source")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs: dataclasses and pickle look their module up
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise Unusable(_told(source, error, path), "source") from error
    return module


def _from_module(source: str, function: str | None, field: str) -> tuple[ModuleType, str, str]:
    name, _, within = source.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name), name, function or within or DEFAULT
    except ValueError as error:
        raise Unusable(f"{source!r} is neither file://x.py nor module:function: {error}", field) from error
    except (Exception, SystemExit) as error:
        raise Unusable(_told(name, error, None), field) from error


def _told(source: str, error: BaseException, path: Path | None) -> str:
    line, trace = None, error.__traceback__
    while trace is not None:
        if path is not None and trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError):
        line = error.lineno
    return f"{source} cannot be imported: {type(error).__name__}: {error}{'' if line is None else f' (its line {line})'}"


def _made(module: ModuleType, source: str, name: str, field: str) -> Handler:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            functions = [word for word, value in vars(module).items() if callable(value) and not word.startswith("_")]
            raise Unusable(f"{source} has no function {name!r}{did_you_mean(name, functions)}", field)
        found = getattr(found, part)
    if not callable(found):
        raise Unusable(f"{name} in {source} is a {type(found).__name__}, not a function", field)
    try:
        return Handler(found)
    except InvalidSettings as error:
        raise Unusable(str(error), field) from None
