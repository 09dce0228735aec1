"""pgmq in Python: the queue client. Its sync twin is asked for at `client_sync`: who is async does not carry it."""

from hanjul.queues.client import Queues
from hanjul.queues.rows import DeadLetter, Message, Metrics, NotifyThrottle, QueueInfo, QueueRecord, Route, TopicBinding
from hanjul.queues.topics import Topics

__all__ = [
    "DeadLetter", "Message", "Metrics", "NotifyThrottle", "QueueInfo", "QueueRecord", "Queues", "Route", "TopicBinding",
    "Topics",
]  # fmt: skip
