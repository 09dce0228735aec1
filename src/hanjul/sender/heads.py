"""The head of an answer. Our own reading: of what servers really send, common parsers refuse too much."""

from dataclasses import dataclass

_ENDS = frozenset({b"\r\n", b"\n"})


@dataclass(frozen=True, slots=True)
class Head:
    """Headers of one answer.

    headers: the last of each name, in the case in which it was received.  lower: their names, by themselves in lower case.
    """

    headers: dict[str, str]
    lower: dict[str, str]

    def get(self, name: str) -> str | None:
        """The last header of this name, which is lower case, in any case."""
        given = self.lower.get(name)
        return None if given is None else self.headers[given]


def head_of(lines: list[bytes]) -> Head:
    """The last head among the lines; those before it were interim ones (1xx) or a proxy's, those after its end are trailers."""
    headers: dict[str, str] = {}
    name = ""
    for line in _last(lines):
        if line[:1] in b" \t" and name:  # a header may go on in the next line
            headers[name] = f"{headers[name]} {_text(line.strip())}".strip()
            continue
        raw_name, colon, raw_value = line.partition(b":")
        if colon:
            name = _text(raw_name.strip(b" \t"))
            headers.pop(name, None)  # the last one stands where it stood
            headers[name] = _text(raw_value.strip(b" \t\r\n"))
    lower = {given.lower(): given for given in headers}
    return Head(headers if len(lower) == len(headers) else {given: headers[given] for given in lower.values()}, lower)


def _last(lines: list[bytes]) -> list[bytes]:
    """The lines of the last head, without its first and its end."""
    start, end, within = 0, 0, False
    for number, line in enumerate(lines):
        if within:
            if line in _ENDS:
                end, within = number, False
        elif line.startswith(b"HTTP/"):
            start, end, within = number + 1, len(lines), True
    return lines[start:end]


def _text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\0", "\ufffd") if "\0" in text else text
