"""One round: torture under load, then let all of it drain, then look at what is left."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from tests.proxy import Proxy
from tests.torture.adversary import Adversary, Company, Pace
from tests.torture.nursery import Nursery
from tests.torture.scene import QUEUES, Scene
from tests.torture.stage import Stage, final_state, left_behind, save, unfinished, wait_until_idle

TICK_S = 0.01
Prepare = Callable[["psycopg.Connection[Any]"], None]


def play(
    stage: Stage,
    nursery: Nursery,
    directory: Path,
    *,
    seconds: float,
    pace: Pace,
    drain_s: float = 30.0,
    prepare: Prepare | None = None,
    queues: Sequence[str] = QUEUES,
    watch: Callable[[Counter[str]], None] = lambda _: None,
) -> Counter[str]:
    """Play a round; what it needs to be judged is in `directory` afterwards. Returns how often was struck, by kind.

    drain_s: how long consumers may take for what is left.  prepare: what to change in the schema before.
    queues: which to play with; all others stay empty.
    watch: is told all the time how often was struck.
    """
    directory.mkdir(parents=True)
    with stage.database(prepare) as dsn, Proxy(dsn) as link:
        company = Company(nursery, Scene(str(directory), dsn, "", queues), link)
        company.assemble()
        try:
            adversary = Adversary(company, stage, pace)
            return _acts(company, adversary, seconds, drain_s, lambda: watch(adversary.count))
        finally:
            company.dismiss()


def _acts(company: Company, adversary: Adversary, seconds: float, drain_s: float, watch: Callable[[], None]) -> Counter[str]:
    directory = Path(company.scene.directory)
    for _ in ticks(company, seconds):
        adversary.strike()
        watch()
    adversary.heal()
    company.thaw(all_of_them=True)
    (directory / "drain").touch()
    with connected(company.scene.dsn) as conn:
        for _ in ticks(company, drain_s):
            if unfinished(conn) == 0:
                break
            time.sleep(0.05)
        (directory / "quiet").touch()
        wait_until_idle(conn)
        state = final_state(conn)
        company.dismiss()
        save(directory, state | {"left": left_behind(conn)})
    adversary.count["kills"] += company.deaths
    return adversary.count


def ticks(company: Company, seconds: float) -> Iterator[None]:
    """So many seconds, again and again: the dead are replaced, and who was frozen long enough goes on."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        company.thaw()
        company.replace_the_dead()
        yield
        time.sleep(TICK_S)


@contextmanager
def connected(dsn: str) -> "Iterator[psycopg.Connection[Any]]":
    """Our own connection, as soon as the server is up."""
    deadline = time.monotonic() + 60
    while True:
        with suppress(psycopg.OperationalError):
            conn = psycopg.connect(dsn, autocommit=True, application_name="judge")
            break
        assert time.monotonic() < deadline, "the server does not come back"
        time.sleep(0.05)
    with conn:
        yield conn
