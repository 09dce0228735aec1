"""The systems that are compared. To add one, write a class as in base.py and list it here."""

from importlib import import_module

from bench.queues.systems.base import System

OURS = "hanjul"
OUR_JOBS = "hanjul jobs"
CELERY = "celery"

CLASSES = {
    OURS: "bench.queues.systems.ours:Ours",
    OUR_JOBS: "bench.queues.systems.our_jobs:OurJobs",
    "pgmq": "bench.queues.systems.pgmq_client:Sync",
    "pgmq async": "bench.queues.systems.pgmq_client:Async",
    "procrastinate": "bench.queues.systems.procrastinate:Procrastinate",
    "pgqueuer": "bench.queues.systems.pgqueuer:PgQueuer",
    "chancy": "bench.queues.systems.chancy:Chancy",
    CELERY: "bench.queues.systems.celery_redis:CeleryRedis",
}
"""Name -> where its class is: imported only in its own processes, so that none carries the others' modules."""

SYSTEMS = [OURS, "pgmq", "pgmq async", "procrastinate", "pgqueuer", "chancy"]
"""Those of suite `queues`."""
JOBS = [OUR_JOBS, "procrastinate", "pgqueuer", "chancy", CELERY]
"""Those of suite `jobs`."""


def system(name: str, dsn: str) -> System:
    """The system of this name, on a database of its own."""
    return class_of(name)(dsn)


def settings_of(name: str) -> str:
    """What was chosen for it."""
    return class_of(name).settings


def class_of(name: str) -> type[System]:
    """Its class; what a question needs to know beforehand is written there."""
    module, _, of = CLASSES[name].partition(":")
    found: type[System] = getattr(import_module(module), of)
    return found
