"""One process of the suite: `python -m bench.http.child ROLE ARGUMENT...`.

ROLE is install or send, with a database's URL; or raw, with a URL, how often it is asked for and how many times at once,
which prints in how many seconds, and how many CPU seconds that took.
"""

import asyncio
import sys
import time

from bench.harness.child import live
from bench.http import raw


async def install(dsn: str) -> None:
    import psycopg

    from hanjul.sql import install_script

    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as sql:
        await sql.execute(install_script().encode())


async def send(dsn: str) -> None:
    from hanjul import App
    from hanjul.config import Settings

    app = App(dsn, config=Settings(http_allow="127.0.0.1"))
    app.send_http()
    async with app:
        await asyncio.Event().wait()


async def alone(url: str, count: str, at_once: str) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    raw.get_all(url, int(count), int(at_once))
    print(time.perf_counter() - began, time.process_time() - cpu)


ROLES = {"install": install, "send": send, "raw": alone}

if __name__ == "__main__":
    live(ROLES[sys.argv[1]](*sys.argv[2:]))
