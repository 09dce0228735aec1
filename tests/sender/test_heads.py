"""Heads and bodies of any bytes are values that PostgreSQL can keep."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from hanjul.sender.bodies import content_of, decompressed
from hanjul.sender.failures import Unsendable
from hanjul.sender.heads import head_of

values = st.binary(max_size=30).map(lambda data: data.replace(b"\r", b"").replace(b"\n", b""))
names = st.text("abcXYZ-", min_size=1, max_size=4)


@given(st.lists(values))
def test_any_lines_are_headers_of_text_without_nul(lines: list[bytes]) -> None:
    head = head_of([b"HTTP/1.1 200 OK\r\n", *(line + b"\r\n" for line in lines), b"\r\n"])

    for name, value in head.headers.items():
        assert "\0" not in name + value
        (name + value).encode()
    assert len({name.lower() for name in head.headers}) == len(head.headers)


@given(st.lists(st.tuples(names, names), max_size=8), st.lists(st.tuples(names, names), max_size=3))
def test_the_last_head_counts_and_the_last_of_each_name(real: list[tuple[str, str]], interim: list[tuple[str, str]]) -> None:
    lines = [
        b"HTTP/1.1 100 Continue\r\n",
        *_lines(interim),
        b"\r\n",
        b"HTTP/1.1 200 OK\r\n",
        *_lines(real),
        b"\r\n",
        *_lines(interim),
    ]

    assert head_of(lines).headers == {
        name: value for name, value in real if [n for n, _ in real if n.lower() == name.lower()][-1] == name
    }


def _lines(headers: list[tuple[str, str]]) -> list[bytes]:
    return [f"{name}: {value} \r\n".encode() for name, value in headers]


charsets = (
    st.none() | st.text(max_size=20) | st.sampled_from(["utf-8", "latin-1", "euc-kr", "utf-16", "utf-7", "gb18030", "idna"])
)


@given(st.binary(), charsets, st.booleans())
def test_any_body_is_text_without_nul_and_bytes_where_the_text_is_not_they(
    body: bytes, charset: str | None, truncated: bool
) -> None:
    content, raw = content_of(body, None if charset is None else f"text/plain; charset={charset}", truncated=truncated)

    if not body:
        assert (content, raw) == (None, None)
        return
    assert content is not None
    assert "\0" not in content
    content.encode()
    assert raw in {None, body}
    if raw is None and charset is None and not truncated:
        assert content.encode() == body


@given(st.binary(), st.sampled_from(["gzip", "deflate", "gzip, deflate", "br", ",", "identity"]), st.integers(1, 200))
def test_any_body_can_be_called_compressed(body: bytes, encoding: str, most: int) -> None:
    plain, _ = decompressed(body, encoding, most, truncated=False)

    assert plain == body or len(plain) <= most


@given(st.binary(min_size=1, max_size=5000), st.integers(1, 5000))
def test_what_is_decompressed_is_never_longer_than_allowed(body: bytes, most: int) -> None:
    try:
        plain, truncated = decompressed(zlib.compress(body), "deflate", most, truncated=False)
    except Unsendable:  # it grew too much
        return

    assert plain == body[:most]
    assert truncated == (len(body) > most) or len(body) == most
