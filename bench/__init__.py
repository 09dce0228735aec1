"""Measurements against the systems that people would otherwise use. See README.md."""
