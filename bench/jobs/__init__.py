"""Durable jobs, beside other job queues."""
