"""Helpers for tests, shipped: of applications on hanjul, and of drivers for it (see driver_suite)."""
