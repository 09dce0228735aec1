"""What every suite needs: a server, child processes, a way to watch them, rounds, a report."""
