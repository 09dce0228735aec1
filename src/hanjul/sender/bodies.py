"""The body of an answer, as what PostgreSQL can keep: text, and its bytes where the text is not exactly they."""

import codecs
import re
import zlib

from hanjul.sender.failures import TOO_LARGE, Unsendable

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^";\s]+)', re.IGNORECASE)
_NOT_CHARSETS = frozenset({"idna", "punycode", "raw-unicode-escape", "unicode-escape", "undefined", "utf-7", "mbcs", "oem"})
"""Codecs of Python that are slow, unsafe or no charsets."""
_COMPRESSED = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""Encoding -> zlib's window."""
MOST_GROWTH = 100
"""How many times its size an answer that is too long when it is decompressed may have then; beyond, it is a bomb."""


def decompressed(
    body: bytes | bytearray, encoding: str | None, max_bytes: int, *, truncated: bool
) -> tuple[bytes | bytearray, bool]:
    """The body without its gzip or deflate, and whether it is only the beginning; raises Unsendable, TOO_LARGE, for a bomb.

    None was asked for: what cannot be decompressed stays as it is. Never more than max_bytes are made.
    """
    names = [name.strip().lower() for name in (encoding or "").split(",") if name.strip()]
    if not body or not names or any(name not in _COMPRESSED for name in names) or len(names) > 3:
        return body, truncated
    plain = body
    for name in reversed(names):
        try:
            plain, cut = _inflated(plain, _COMPRESSED[name], max_bytes)
        except zlib.error:
            return body, truncated
        truncated |= cut
    return plain, truncated


def _inflated(data: bytes | bytearray, window: int, max_bytes: int) -> tuple[bytes, bool]:
    try:
        decoder = zlib.decompressobj(window)
        plain = decoder.decompress(data, max_bytes)
    except zlib.error:
        if window == _COMPRESSED["gzip"]:
            raise
        decoder = zlib.decompressobj(-15)  # "deflate" without zlib's frame: many servers send it so
        plain = decoder.decompress(data, max_bytes)
    cut = not decoder.eof and len(plain) >= max_bytes
    used = len(data) - len(decoder.unconsumed_tail)
    if cut and len(plain) > MOST_GROWTH * used:
        raise Unsendable(f"too large: {used:,} bytes of the compressed answer grow to more than {max_bytes:,}", kind=TOO_LARGE)
    return plain, cut


def content_of(body: bytes | bytearray, content_type: str | None, *, truncated: bool) -> tuple[str | None, bytes | None]:
    """The body as text, and its bytes where the text is not exactly they; (None, None) for an empty one."""
    if not body:
        return None, None
    charset = _charset(content_type)
    try:
        text = codecs.getincrementaldecoder(charset)().decode(body, final=False) if truncated else body.decode(charset)
        text.encode()  # some codecs make halves of characters
    except UnicodeError:
        text = body.decode(charset, "replace").encode("utf-8", "replace").decode()
        return text.replace("\0", "\ufffd"), bytes(body)
    return (text, None) if "\0" not in text else (text.replace("\0", "\ufffd"), bytes(body))


def _charset(content_type: str | None) -> str:
    found = _CHARSET.search(content_type or "")
    if found is None:
        return "utf-8"
    try:
        codec = codecs.lookup(found[1])
    except (LookupError, ValueError):
        return "utf-8"
    is_text: bool = getattr(codec, "_is_text_encoding", True)
    return codec.name if is_text and codec.name.replace("_", "-") not in _NOT_CHARSETS else "utf-8"
