"""Helpers for tests, shipped: of applications on hanjul, and of drivers for it (see driver_suite)."""

from hanjul.testing.jobs import assert_enqueued, move_time, run_jobs

__all__ = ["assert_enqueued", "move_time", "run_jobs"]
