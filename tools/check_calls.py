"""Check that every `Call("schema.function", {"name type": ...})` in a calls.py names a SQL function of ours, as it is.

Static: the SQL files and the calls are read, nothing is run. A call that chooses between forms (a delay in seconds or a
moment) is followed through the plain assignments of its function, and every form is checked.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

SOURCE = Path(__file__).parent.parent / "src" / "hanjul"

_FUNCTION = re.compile(r'create or replace function\s+([a-z_]+)\."?([a-z_0-9]+)"?\s*\(', re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*")
_QUOTED = re.compile(r"'[^']*'")
_SAME_TYPE = {"int": "integer", "int4": "integer", "int8": "bigint", "float8": "double precision", "bool": "boolean"}

Args = dict[str, str]


@dataclass(frozen=True)
class SqlFunction:
    """One form of a function: the types of its arguments by name, and which of them may be left out."""

    types: tuple[tuple[str, str], ...]
    optional: frozenset[str]

    def refusal(self, given: Args) -> str:
        """Why this form cannot take the arguments; empty if it can."""
        types = dict(self.types)
        if unknown := [name for name in given if name not in types]:
            return f"has no argument {unknown[0]}"
        if wrong := [name for name, type_ in given.items() if types[name] != type_]:
            return f"{wrong[0]} is {types[wrong[0]]}"
        if missing := [name for name in types if name not in given and name not in self.optional]:
            return f"needs {missing[0]} too"
        return ""


def main(source: Path = SOURCE) -> int:
    """Check all calls; return the exit code."""
    functions = sql_functions(source / "sql")
    problems, checked = [], 0
    for file in sorted(source.glob("*/*calls.py")):
        for line, function, args in calls_in(ast.parse(file.read_text("utf-8"))):
            checked += 1
            if problem := _problem(functions, function, args):
                problems.append(f"{file.relative_to(source.parent)}:{line}: {problem}")
    for problem in problems:
        print(problem)
    if not problems:
        print(f"SQL: {checked} forms of calls match {sum(map(len, functions.values()))} functions")
    return 1 if problems else 0


def sql_functions(directory: Path) -> dict[str, list[SqlFunction]]:
    """Every function in the SQL files, by `schema.name`; one name may have several forms."""
    found: dict[str, list[SqlFunction]] = {}
    for file in sorted(directory.rglob("*.sql")):
        text = _COMMENT.sub("", file.read_text("utf-8"))
        for match in _FUNCTION.finditer(text):
            found.setdefault(f"{match[1]}.{match[2]}", []).append(_sql_function(_parenthesised(text, match.end())))
    return found


def calls_in(module: ast.Module) -> Iterator[tuple[int, str, Args]]:
    """Line, SQL function and "name" -> type of every form of every Call; raises SystemExit for what cannot be followed."""
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    for function in functions.values():
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Call":
                follow = _Follow(function, functions)
                for name, keys in product(follow.texts(node.args[0]), follow.keys(node.args[1])):
                    yield node.lineno, name, dict(_argument(key) for key in keys)


class _Follow:
    """The values that an expression of one function can have, as far as names and keys go."""

    def __init__(self, function: ast.FunctionDef, functions: dict[str, ast.FunctionDef]) -> None:
        self._function, self._functions = function, functions

    def texts(self, node: ast.expr) -> list[str]:
        """The texts it can be."""
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.IfExp():
                return self.texts(node.body) + self.texts(node.orelse)
            case ast.JoinedStr():
                parts = [self.texts(part.value if isinstance(part, ast.FormattedValue) else part) for part in node.values]
                return ["".join(choice) for choice in product(*parts)]
            case ast.Name():
                return [text for value in self._assigned(node.id) for text in self.texts(value)]
        raise self._lost(node)

    def keys(self, node: ast.expr) -> list[list[str]]:
        """The lists of keys that it can have as a dict."""
        match node:
            case ast.Dict():
                parts = [
                    self.keys(value) if key is None else [[text] for text in self.texts(key)]
                    for key, value in zip(node.keys, node.values, strict=True)
                ]
                return [[key for part in choice for key in part] for choice in product(*parts)]
            case ast.IfExp():
                return self.keys(node.body) + self.keys(node.orelse)
            case ast.Name():
                forms = [keys for value in self._assigned(node.id) for keys in self.keys(value)]
                for text in self._added_later(node.id):
                    forms += [[*keys, text] for keys in forms]
                return forms
            case ast.Call(func=ast.Name(id=name)) if name in self._functions:
                inner = _Follow(self._functions[name], self._functions)
                returned = [n.value for n in ast.walk(self._functions[name]) if isinstance(n, ast.Return) and n.value]
                return [keys for value in returned for keys in inner.keys(value)]
        raise self._lost(node)

    def _assigned(self, name: str) -> list[ast.expr]:
        values = []
        for node in ast.walk(self._function):
            match node:
                case ast.Assign(targets=[ast.Name(id=target)], value=value) if target == name:
                    values.append(value)
                case ast.Assign(targets=[ast.Tuple(elts=targets)], value=value):
                    values += [_element(value, n) for n, t in enumerate(targets) if isinstance(t, ast.Name) and t.id == name]
        if not values:
            raise SystemExit(f"calls.py, {self._function.name}: {name!r} is not assigned plainly, so it cannot be checked")
        return values

    def _added_later(self, name: str) -> Iterator[str]:
        for node in ast.walk(self._function):
            match node:
                case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=target), slice=key)]) if target == name:
                    yield from self.texts(key)

    def _lost(self, node: ast.expr) -> SystemExit:
        return SystemExit(f"calls.py:{node.lineno}, {self._function.name}: cannot follow `{ast.unparse(node)}`; write it plainly")


def _element(value: ast.expr, position: int) -> ast.expr:
    """The n-th of a tuple, or of the tuples that a conditional chooses between."""
    if isinstance(value, ast.IfExp):
        return ast.copy_location(ast.IfExp(value.test, _element(value.body, position), _element(value.orelse, position)), value)
    return value.elts[position] if isinstance(value, ast.Tuple) else value


def _problem(functions: dict[str, list[SqlFunction]], function: str, args: Args) -> str:
    call = f"{function}({', '.join(f'{name} {type_}' for name, type_ in args.items())})"
    if function not in functions:
        return f"{call}: there is no function {function} in src/hanjul/sql"
    refusals = [form.refusal(args) for form in functions[function]]
    return "" if "" in refusals else f"{call}: {function} " + ", or ".join(dict.fromkeys(refusals))


def _parenthesised(text: str, start: int) -> str:
    depth, end = 1, start
    while depth:
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    return text[start : end - 1]


def _sql_function(arguments: str) -> SqlFunction:
    types, optional = [], set()
    for argument in re.split(r",(?![^(]*\))", _QUOTED.sub("''", arguments)):
        if not argument.strip() or argument.split()[0].lower() == "out":
            continue
        declared, default, _ = re.sub(r"\s+(default|=)\s+", "\0", argument, count=1, flags=re.IGNORECASE).partition("\0")
        name, type_ = _argument(declared.strip())
        types.append((name, type_))
        if default:
            optional.add(name)
    return SqlFunction(tuple(types), frozenset(optional))


def _argument(text: str) -> tuple[str, str]:
    name, type_ = text.split(None, 1)
    type_ = " ".join(type_.lower().split()).replace("timestamp with time zone", "timestamptz")
    base, brackets = type_.removesuffix("[]"), "[]" if type_.endswith("[]") else ""
    return name.strip('"'), _SAME_TYPE.get(base, base) + brackets


if __name__ == "__main__":
    sys.exit(main())
