"""The head of an answer. Our own reading: of what servers really send, common parsers refuse too much."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Head:
    """Headers of one answer. headers: the last of each name, in the case in which it was received."""

    headers: dict[str, str]

    def get(self, name: str) -> str | None:
        """The last header of this name, in any case."""
        found = [value for given, value in self.headers.items() if given.lower() == name]
        return found[-1] if found else None


def head_of(lines: list[bytes]) -> Head:
    """The last head among the lines; those before it were interim ones (1xx) or a proxy's, those after its end are trailers."""
    headers: dict[str, str] = {}
    cases: dict[str, str] = {}
    within = False
    name = ""
    for line in lines:
        text = line.rstrip(b"\r\n")
        if line.startswith(b"HTTP/") and not within:
            within, name = True, ""
            headers.clear()
            cases.clear()
        elif not text:
            within = False
        elif within and line[:1] in b" \t" and name:
            headers[name] = f"{headers[name]} {_text(text.strip())}".strip()
        elif within:
            raw_name, colon, value = text.partition(b":")
            if colon:
                name = _text(raw_name.strip(b" \t"))
                headers.pop(cases.get(name.lower(), ""), None)
                cases[name.lower()] = name
                headers[name] = _text(value.strip(b" \t"))
    return Head(headers)


def _text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\0", "\ufffd")
