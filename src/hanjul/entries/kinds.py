"""Every kind of entry: its fields, defaults and limits. What is declared and not built yet is marked Later."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from hanjul.entries.blocks import DeadLetter, Lifecycle, Redelivery
from hanjul.entries.fields import Deadline, Duration, FunctionReference, Later, Lease, Model, Poll, Reference, Truth, Whole
from hanjul.runtime.spec import MAX_CONCURRENCY, MAX_PREFETCH

Codec = Literal["json/plain", "json", "application/msgpack", "msgpack"]
Bag = dict[str, Any]
"""Options of a driver that is not the queue's: kept, and read when the driver is swapped."""
Refers = list[tuple[tuple[str, ...], str, str]]
"""References: the field, the id that it holds, and the kind that must have (a kind, or the beginning of one)."""


class Entry(Model):
    """What every entry has."""

    kind: str
    meta: Annotated[dict[str, Any], Field(default_factory=dict)]

    def references(self) -> Refers:
        """What it refers to."""
        return []


class Pool(Model):
    """Connections to the database."""

    min: Annotated[Whole, Field(ge=0, le=1000), Later("one is opened at the start")] = 1
    max: Annotated[Whole, Field(ge=2, le=1000)] = 10


class MemoryDriver(Entry):
    """Queues that live and die with the process."""

    kind: Literal["queue.driver.memory"]
    lifecycle: Lifecycle = Lifecycle()


class PostgresDriver(Entry):
    """Queues in a PostgreSQL."""

    kind: Literal["queue.driver.postgres"]
    lifecycle: Lifecycle = Lifecycle()
    dsn: Annotated[str | None, Field(min_length=1, repr=False)] = None
    """Its address: postgresql://..., best as ${env:DATABASE_URL}."""
    database: Annotated[Reference | None, Later("give dsn: instead")] = None
    schema_: Annotated[Literal["pgmq"], Field(alias="schema")] = "pgmq"
    pool: Pool = Pool()
    statement_timeout: Annotated[Duration, Later()] = 15.0
    listen: Truth = True
    """False behind a transaction pooler: poll instead."""
    notify_throttle: Annotated[Duration, Later("senders notify only who waits")] = 0.25
    poll_interval: Poll | None = None
    """How often idle consumers look at least; none: as the driver sees fit."""
    poll_max_interval: Annotated[Poll, Later()] = 5.0
    archive: Literal["none", "on_ack", "on_dead_letter"] = "none"
    """on_ack: acked messages stay in the queue's archive."""

    @model_validator(mode="after")
    def _one_address(self) -> "PostgresDriver":
        if (self.dsn is None) == (self.database is None):
            raise ValueError("needs exactly one of dsn and database")
        return self

    def references(self) -> Refers:
        """Its database."""
        return [] if self.database is None else [(("database",), self.database, "db.sql.postgres")]


class MemoryBag(Model):
    """Options of a queue in memory."""

    max_length: Annotated[Whole | None, Field(ge=0), Later()] = None


class PostgresBag(Model):
    """Options of a queue in PostgreSQL."""

    unlogged: Truth = False
    """Faster; a crash of the server empties it."""
    partitioned: Truth = False

    @model_validator(mode="after")
    def _one_of_both(self) -> "PostgresBag":
        if self.unlogged and self.partitioned:
            raise ValueError("cannot be unlogged and partitioned at once")
        return self


class QueueOptions(Model):
    """Options by driver; those of other drivers than the queue's lie dormant."""

    memory: MemoryBag = MemoryBag()
    postgres: PostgresBag = PostgresBag()
    amqp: Bag = {}
    redis: Bag = {}
    sqs: Bag = {}
    nats: Bag = {}
    kafka: Bag = {}


class Ordering(Model):
    """Of the messages with the same value of a header one at a time, in order."""

    by: Literal["x-pgmq-group"]


class Priority(Model):
    """Levels of priority; 0: off."""

    levels: Annotated[Whole, Field(ge=0, le=255), Later()] = 0


class Dedup(Model):
    """Which messages are the same."""

    by: str
    window: Duration


_ORDERING = {"type": "object", "properties": {"by": {"const": "x-pgmq-group"}}, "required": ["by"], "additionalProperties": False}


def _ordering(value: object) -> object:
    return None if value == "none" else value


class Queue(Entry):
    """A named line of messages on a driver."""

    kind: Literal["queue.queue"]
    driver: Reference
    codec: Annotated[Codec, Later("JSON is built")] = "json/plain"
    queue_name: str | None = None
    """Its name in the backend; none: the entry's own name."""
    driver_options: QueueOptions = QueueOptions()
    options: Bag = {}
    """The older place of its driver's options."""
    dead_letter: DeadLetter | None = None
    visibility_timeout: Lease = 30.0
    """For how long a message that was handed out is hidden from others; renewed while it is held."""
    retry: Redelivery | None = None
    message_ttl: Annotated[Duration | None, Later()] = None
    max_length: Annotated[Whole | None, Field(ge=1), Later()] = None
    overflow: Annotated[Literal["reject", "block", "drop_oldest"] | None, Later()] = None
    ordering: Annotated[
        Ordering | None,
        BeforeValidator(_ordering),
        WithJsonSchema({"anyOf": [{"const": "none"}, _ORDERING]}),
    ] = None
    priority: Priority = Priority()
    dedup: Annotated[Dedup | None, Later()] = None
    declare: Literal["ensure", "verify", "never"] = "ensure"
    """Who makes the queue: we do; it must be there; nobody asks."""

    @property
    def postgres_bag(self) -> PostgresBag:
        """Its options on postgres, by the newer word and the older one."""
        return PostgresBag.model_validate({**self.driver_options.postgres.model_dump(), **self.options})

    def references(self) -> Refers:
        """Its driver, and where its dead letters go."""
        found: Refers = [(("driver",), self.driver, "queue.driver.")]
        if self.dead_letter is not None and self.dead_letter.queue is not None:
            found.append((("dead_letter", "queue"), self.dead_letter.queue, "queue.queue"))
        return found


class ConsumerOptions(Model):
    """Options by driver; the drivers that are built have none for consumers."""

    memory: Annotated[Model, Field(default_factory=Model)]
    postgres: Annotated[Model, Field(default_factory=Model)]
    amqp: Bag = {}
    redis: Bag = {}
    sqs: Bag = {}
    nats: Bag = {}
    kafka: Bag = {}


class Executor(Model):
    """Where a handler runs."""

    type: Literal["auto", "loop", "thread", "process"] = "auto"
    """auto: an async function on the event loop, a plain one in a thread."""
    size: Annotated[Whole | None, Field(ge=1, le=1000), Later("a consumer has `concurrency` threads")] = None


class Consumer(Entry):
    """A queue, the function that handles its messages, and how many at once."""

    kind: Literal["queue.consumer"]
    queue: Reference
    func: FunctionReference
    concurrency: Annotated[Whole, Field(ge=1, le=MAX_CONCURRENCY)] = 1
    """Handlers that run at once."""
    prefetch: Annotated[Whole, Field(ge=1, le=MAX_PREFETCH)] = 10
    """Messages held at once, waiting and running."""
    auto_ack: Annotated[Truth, Later()] = False
    driver_options: Annotated[ConsumerOptions, Field(default_factory=ConsumerOptions)]
    lifecycle: Lifecycle = Lifecycle()
    timeout: Deadline | None = None
    """How long a handler may take."""
    retry: Redelivery | None = None
    """In place of the queue's."""
    reject_on: Annotated[list[str], Later("raise hanjul.Reject in the handler")] = []
    release_on: Annotated[list[str], Later("raise hanjul.Release in the handler")] = []
    on_decode_error: Annotated[Literal["reject", "nack"], Later()] = "reject"
    lease_renewal: Annotated[Literal["auto", "off"], Later()] = "auto"
    executor: Executor | None = None
    """In place of the function's."""
    max_in_flight_per_key: Annotated[Whole | None, Field(ge=1), Later()] = None

    def references(self) -> Refers:
        """Its queue and its function."""
        found: Refers = [(("queue",), self.queue, "queue.queue")]
        if not self.func.startswith("py://"):
            found.append((("func",), self.func, "function."))
        return found


class PythonFunction(Entry):
    """A function in a file beside the YAML (file://x.py), or in a module that can be imported (module or module:function)."""

    kind: Literal["function.python"]
    source: Annotated[str, Field(min_length=1)]
    func: str | None = None
    """Its name there, dots allowed; none: main."""
    method: str | None = None
    """Another word for func."""
    inject: Annotated[dict[str, Any], Later()] = {}
    modules: list[Any] = []
    """Of function.lua; it means nothing here."""
    executor: Executor = Executor()

    @model_validator(mode="after")
    def _named_once(self) -> "PythonFunction":
        in_source = not self.source.startswith("file://") and ":" in self.source
        if sum([self.func is not None, self.method is not None, in_source]) > 1:
            raise ValueError("names its function twice: give one of func, method and source: module:function")
        return self


KINDS: dict[str, type[Entry]] = {
    "queue.driver.memory": MemoryDriver,
    "queue.driver.postgres": PostgresDriver,
    "queue.queue": Queue,
    "queue.consumer": Consumer,
    "function.python": PythonFunction,
}

UNBUILT = {
    **dict.fromkeys([f"queue.driver.{name}" for name in ("amqp", "redis", "sqs", "nats", "kafka")], "use memory or postgres"),
    "db.sql.postgres": "give the driver's dsn: instead",
    "function.lua": "it is not run here; use function.python",
    "config.aws": "",
    **dict.fromkeys(
        [f"env.storage.{name}" for name in ("os", "memory", "file", "static", "router")], "${env:NAME} reads the environment"
    ),
    "env.variable": "${env:NAME} reads the environment",
    "security.policy": "",
    "security.policy.expr": "",
}
"""Kinds of the contract that are not built yet, and what to do instead."""
