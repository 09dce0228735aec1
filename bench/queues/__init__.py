"""Message queues: sending, handling, waking up."""
