"""Webhooks: a table whose changes reach a receiver that fails, stalls, limits, goes away, and recovers."""
