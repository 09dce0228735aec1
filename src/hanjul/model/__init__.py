"""Values and ports: what all rooms talk about, with no I/O."""

__all__: list[str] = []
