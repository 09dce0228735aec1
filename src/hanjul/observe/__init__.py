"""What can be seen of a running process."""

from hanjul.observe.logs import JsonFormatter, set_up

__all__ = ["JsonFormatter", "set_up"]
