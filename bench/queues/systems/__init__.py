"""The systems that are compared. To add one, write a class as in base.py and list it here."""

from importlib import import_module

from bench.queues.systems.base import System

OURS = "hanjul"

SYSTEMS = {
    OURS: "bench.queues.systems.ours:Ours",
    "pgmq": "bench.queues.systems.pgmq_client:Sync",
    "pgmq async": "bench.queues.systems.pgmq_client:Async",
    "procrastinate": "bench.queues.systems.procrastinate:Procrastinate",
    "pgqueuer": "bench.queues.systems.pgqueuer:PgQueuer",
    "chancy": "bench.queues.systems.chancy:Chancy",
}
"""Name -> where its class is: imported only in its own processes, so that none carries the others' modules."""


def system(name: str, dsn: str) -> System:
    """The system of this name, on a database of its own."""
    return _class(name)(dsn)


def settings_of(name: str) -> str:
    """What was chosen for it."""
    return _class(name).settings


def _class(name: str) -> type[System]:
    module, _, of = SYSTEMS[name].partition(":")
    found: type[System] = getattr(import_module(module), of)
    return found
