"""The thread of libcurl: many at once, cancelled, closed, failing; and what it may cost."""

import asyncio
import gc
import resource
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from tests.sender.sending import answer_to, request, sender
from tests.sender.server import Server, Writer, answer, stall

from hanjul.model.errors import InvalidSettings, Unavailable
from hanjul.model.outcome import Ack, Release
from hanjul.sender.limits import HostLimits, SenderLimits
from hanjul.sender.sender import Sender
from hanjul.sender.sockets import room_for
from hanjul.sender.transfer import Transfer

ROOT = Path(__file__).parents[2]


async def _until(condition: object) -> None:
    async with asyncio.timeout(20):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_more_than_1024_are_in_flight_at_once(server: Server) -> None:
    gate = asyncio.Event()

    async def reply(_: object, writer: Writer) -> None:
        await gate.wait()
        writer.write(answer())
        await writer.drain()

    server.on("/", reply)
    async with sender(concurrency=1500, host=HostLimits(concurrency=1500)) as own:
        sending = [asyncio.create_task(own.send(request(server.url(), timeout_ms=60_000))) for _ in range(1500)]
        await _until(lambda: server.running == 1500)
        gate.set()
        outcomes = await asyncio.gather(*sending)

    assert server.most_running == 1500
    assert all(type(outcome) is Ack for outcome in outcomes)


async def test_what_is_beyond_the_senders_concurrency_waits_and_its_time_has_not_begun(server: Server) -> None:
    async def reply(_: object, writer: Writer) -> None:
        await asyncio.sleep(0.15)
        writer.write(answer())
        await writer.drain()

    server.on("/", reply)
    async with sender(concurrency=2) as own:
        outcomes = await asyncio.gather(*(own.send(request(server.url(), timeout_ms=400)) for _ in range(8)))

    assert server.most_running == 2
    assert all(type(outcome) is Ack for outcome in outcomes)


async def test_a_send_that_is_cancelled_ends_its_transfer(server: Server) -> None:
    server.on("/", stall)
    async with sender(concurrency=1) as own:
        running, waiting = (asyncio.create_task(own.send(request(server.url()))) for _ in range(2))
        await _until(lambda: server.running == 1)
        waiting.cancel()
        running.cancel()
        await asyncio.wait({running, waiting})
        await _until(lambda: server.running == 0)

        assert (await answer_to(own, request(server.url("/good")))).status_code == 200
    assert len(server.seen) == 2


async def test_to_close_releases_what_is_on_its_way(server: Server) -> None:
    server.on("/", stall)
    own = Sender(SenderLimits(concurrency=1, http_allow=("*",)))
    await own.open()
    asked = [request(server.url(), timeout_ms=0) for _ in range(3)]
    sending = [asyncio.create_task(own.send(one)) for one in asked]
    await _until(lambda: server.running == 1)

    async with asyncio.timeout(5):
        await own.close()
        outcomes = await asyncio.gather(*sending)

    assert all(type(outcome) is Release for outcome in outcomes)
    assert [one.answer for one in asked] == [None] * 3
    assert type(await own.send(request(server.url()))) is Release
    await own.close()


async def test_a_sender_must_be_open() -> None:
    with pytest.raises(Unavailable):
        await Sender().send(request("http://a/"))
    await Sender().close()


async def test_a_failure_of_the_thread_fails_what_was_on_its_way_and_it_goes_on(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from hanjul.sender import transfers

    server.on("/", stall)
    whole = transfers.collect

    def broken(curl: object, transfer: Transfer) -> None:
        if transfer.hop.target.rest == "/bug":
            raise RuntimeError("a bug")
        whole(curl, transfer)

    monkeypatch.setattr(transfers, "collect", broken)
    async with sender() as own:
        stalled = asyncio.create_task(answer_to(own, request(server.url())))
        await _until(lambda: server.running == 1)
        hit = await answer_to(own, request(server.url("/bug")))
        error = (await stalled).error
        after = await answer_to(own, request(server.url("/good")))

    assert error == hit.error == "the sender failed: RuntimeError: a bug"
    assert after.status_code == 200
    assert "goes on" in caplog.text


async def test_what_was_called_for_when_the_thread_failed_is_sent_and_so_is_what_comes_later(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hanjul.sender import transfers

    whole, failed = transfers._Engine.turn, []

    def broken(engine: transfers._Engine) -> bool:
        rung = whole(engine)
        if rung and not failed:
            failed.append(engine)
            raise RuntimeError("a bug")
        return rung

    async with sender() as own:
        await answer_to(own, request(server.url()))
        monkeypatch.setattr(transfers._Engine, "turn", broken)
        async with asyncio.timeout(20):
            answers = [await answer_to(own, request(server.url())) for _ in range(3)]

    assert len(failed) == 1
    assert [answer.status_code for answer in answers] == [200] * 3


async def test_what_libcurl_does_not_take_is_the_requests_error(server: Server) -> None:
    async with sender() as own:
        got_it = await answer_to(own, request(server.url("/" + "x" * 9_000_000)))
        assert (await answer_to(own, request(server.url()))).status_code == 200

    assert got_it.error is not None
    assert len(got_it.error) < 500


async def test_no_file_is_left_open(server: Server) -> None:
    async def rude(_: object, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    server.on("/", rude)
    async with sender() as own:
        await answer_to(own, request(server.url()))
        before = len([*Path("/proc/self/fd").iterdir()])
        for _ in range(50):
            await answer_to(own, request(server.url()))
        gc.collect()
        await _until(lambda: len([*Path("/proc/self/fd").iterdir()]) <= before + 2)


def test_the_limit_of_open_files_is_raised_and_bounds_the_concurrency() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    code = """
        import asyncio, logging, resource, sys
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 900))
        from hanjul.sender.limits import SenderLimits
        from hanjul.sender.sender import Sender
        logging.basicConfig(stream=sys.stdout, format="%(message)s")
        async def main():
            sender = Sender(SenderLimits(concurrency=5000))
            await sender.open()
            print(sender.limits.concurrency, resource.getrlimit(resource.RLIMIT_NOFILE))
            await sender.close()
        asyncio.run(main())
    """

    said = _python(code)

    assert said == ["http concurrency is 644, not 5000: the process may have no more sockets (ulimit -n)", "644 (900, 900)"]
    assert room_for(10) == 10
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] == hard
    assert soft <= hard


def _python(code: str, *arguments: str) -> list[str]:
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


GROWTH = """
    import asyncio, resource, sys, zlib
    from tests.sender.sending import *
    from tests.sender.server import *
    def mb(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    def bomb():
        packer = zlib.compressobj(9, zlib.DEFLATED, 31)
        return b"".join(packer.compress(bytes(1 << 20)) for _ in range(500)) + packer.flush()
    CHUNKED = b"HTTP/1.1 200 OK\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n"
    KINDS = {
        "large": lambda: endless(b"HTTP/1.1 200 OK\\r\\nContent-Length: 1073741824\\r\\n\\r\\n", b"x" * 65536),
        "chunks": lambda: endless(CHUNKED, b"400\\r\\n" + b"y" * 1024 + b"\\r\\n"),
        "tiny chunks": lambda: endless(CHUNKED, b"1\\r\\nz\\r\\n" * 5000),
        "bomb": lambda: answer(200, bomb(), {"Content-Encoding": "gzip"}),
        "bytes": lambda: endless(b"HTTP/1.1 200 OK\\r\\n\\r\\n", b"\\xff" * 65536),
    }
    async def main(kind):
        async with serving() as server, sender() as own:
            await answer_to(own, request(server.on("/", answer(200, b"x" * 300_000))))
            before = mb()
            got = await answer_to(own, request(server.on("/", KINDS[kind]()), timeout_ms=60_000))
            print(got.status_code, got.truncated, len(got.content or ""), got.error_kind)
            print(round(mb() - before))
            print(got.error)
    asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("kind", "end"),
    [
        ("large", "200 True 10485760 None"), ("chunks", "200 True 10485760 None"), ("tiny chunks", "200 True 10485760 None"),
        ("bomb", "None False 0 too_large"),
    ],
)  # fmt: skip
def test_an_answer_without_end_costs_no_more_than_32_mb(kind: str, end: str) -> None:
    got_it, grown, error = _python(GROWTH, kind)

    assert got_it == end
    assert int(grown) <= 32
    if kind == "bomb":
        assert error.endswith(" bytes of the compressed answer grow to more than 10,485,760")


def test_memory_is_flat_over_many_requests() -> None:
    code = """
        import asyncio, os
        from tests.sender.sending import *
        from tests.sender.server import *
        def mb(): return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        async def many(own, server, count):
            left = iter(range(count))
            async def one():
                for _ in left:
                    server.seen.clear()
                    await own.send(request(server.url("/"), "POST", payload=b"x" * 2000, headers_out={"X": "y"}))
            await asyncio.gather(*(one() for _ in range(50)))
        async def main():
            async with serving() as server, sender() as own:
                await many(own, server, 3000)
                before = mb()
                await many(own, server, 9000)
                print(round(mb() - before, 1))
        asyncio.run(main())
    """

    [grown] = _python(code)

    assert float(grown) < 4


async def test_without_pycurl_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = {"pycurl", "hanjul.sender.attempt", "hanjul.sender.transfers", "hanjul.sender.options"}
    for name in loaded & set(sys.modules):
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pycurl", None)

    with pytest.raises(InvalidSettings, match=r"pip install 'hanjul\[http\]'"):
        await Sender().open()


async def test_a_blocked_event_loop_does_not_stop_transfers(tmp_path: Path) -> None:
    code = """
        import http.server, sys
        server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
        print(server.server_port, flush=True)
        server.handle_request()
    """
    listening = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with listening:
        assert listening.stdout is not None
        port = int(listening.stdout.readline())
        async with sender() as own:
            asked = request(f"http://127.0.0.1:{port}/", timeout_ms=5000)
            sending = asyncio.create_task(own.send(asked))
            await asyncio.sleep(0)
            time.sleep(0.5)
            await sending

    assert asked.answer is not None
    assert asked.answer.status_code == 200
    assert asked.answer.duration_ms < 400
