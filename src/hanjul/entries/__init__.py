"""Entries: what an application declares in YAML, read, checked as a whole, and named by id."""

from hanjul.entries import _installed  # noqa: F401  (first: it says what to install)
from hanjul.entries.load import load
from hanjul.entries.problems import Problem
from hanjul.entries.registry import Registry
from hanjul.entries.schema import schema

__all__ = ["Problem", "Registry", "load", "schema"]
