"""pgmq in Python: the queue client, async and sync."""

from hanjul.queues.client import Queues
from hanjul.queues.client_sync import QueuesSync
from hanjul.queues.rows import DeadLetter, Message, Metrics, QueueInfo, QueueRecord

__all__ = ["DeadLetter", "Message", "Metrics", "QueueInfo", "QueueRecord", "Queues", "QueuesSync"]
