"""Applications to copy from."""
