"""The suite `sql`: what one call costs the server, ours beside PGMQ's own SQL."""
