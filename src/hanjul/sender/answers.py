"""What came of the hops of one attempt, as one answer."""

from collections.abc import Sequence

from hanjul.model.request import Answer
from hanjul.sender.bodies import content_of, decompressed
from hanjul.sender.failures import COULD_NOT_CONNECT, REFUSED, TIMED_OUT, TIMEOUT, Unsendable, failure, timeout_text
from hanjul.sender.heads import head_of
from hanjul.sender.transfer import Transfer


def answer_of(hops: Sequence[Transfer], timeout_ms: float) -> Answer:
    """The last hop's answer, or why there is none; times are of all hops together.

    timeout_ms: what ran out, if time did.
    """
    last = hops[-1]
    if last.code and not last.truncated:
        kind, text = _failure(hops, timeout_ms)
        return without_answer(hops, kind, text)
    head = head_of(last.lines)
    content_type = head.get("content-type")
    try:
        body, truncated = decompressed(last.body, head.get("content-encoding"), last.hop.max_bytes, truncated=last.truncated)
    except Unsendable as error:
        return without_answer(hops, error.kind, error.text)
    content, raw = content_of(body, content_type, truncated=truncated)
    dns_us, connect_us, _ = _phases(hops)
    return Answer(
        last.status, content_type, head.headers, content, raw, truncated,
        duration_ms=_total_us(hops) / 1000, dns_ms=dns_us / 1000, connect_ms=connect_us / 1000,
        first_byte_ms=(last.times.first_byte - last.times.sent) / 1000,
        response_bytes=last.received, remote_address=last.address,
    )  # fmt: skip


def without_answer(hops: Sequence[Transfer], kind: str, text: str) -> Answer:
    """A failure: nothing of an answer, but how far it came."""
    if not hops:
        return Answer(error=text, error_kind=kind)
    last = hops[-1]
    dns_us, connect_us, _ = _phases(hops)
    return Answer(
        error=text, error_kind=kind, timed_out=kind == TIMEOUT, duration_ms=_total_us(hops) / 1000,
        dns_ms=dns_us / 1000 if last.times.dns or last.times.sent else None,
        connect_ms=connect_us / 1000 if last.times.sent else None,
        first_byte_ms=(last.times.first_byte - last.times.sent) / 1000 if last.lines else None,
        response_bytes=last.received, remote_address=last.address,
    )  # fmt: skip


def _failure(hops: Sequence[Transfer], timeout_ms: float) -> tuple[str, str]:
    last = hops[-1]
    if last.code == TIMED_OUT:
        return TIMEOUT, timeout_text(timeout_ms, _total_us(hops), *_phases(hops))
    if last.code == COULD_NOT_CONNECT and last.refusal is not None:
        return REFUSED, last.refusal
    return failure(last.code, last.detail)


def _total_us(hops: Sequence[Transfer]) -> int:
    return sum(hop.times.total for hop in hops)


def _phases(hops: Sequence[Transfer]) -> tuple[int, int, int]:
    if len(hops) == 1:
        return hops[0].times.phases()
    dns, handshake, request = zip(*(hop.times.phases() for hop in hops), strict=True)
    return sum(dns), sum(handshake), sum(request)
