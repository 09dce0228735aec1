"""Backends that fulfil model/driver.py."""
