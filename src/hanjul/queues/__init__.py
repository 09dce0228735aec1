"""pgmq in Python: the queue client, async and sync."""

from hanjul.queues.client import Queues
from hanjul.queues.client_sync import QueuesSync
from hanjul.queues.rows import DeadLetter, Message, Metrics, NotifyThrottle, QueueInfo, QueueRecord, Route, TopicBinding
from hanjul.queues.topics import Topics
from hanjul.queues.topics_sync import TopicsSync

__all__ = [
    "DeadLetter", "Message", "Metrics", "NotifyThrottle", "QueueInfo", "QueueRecord", "Queues", "QueuesSync",
    "Route", "TopicBinding", "Topics", "TopicsSync",
]  # fmt: skip
