"""What people see while they wait: how many recordings are done, and how far each worker is with its own."""

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

import hanjul


class Bars:
    """Bars on the console, while the block runs."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("  {task.description:<8}"), BarColumn(40), TextColumn("{task.fields[note]}"), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console)
        self._tasks: dict[str, TaskID] = {}

    def done(self, count: int, total: int) -> int:
        """Show that so many of all recordings are done; how many."""
        self._show("done", count / total, f"{count} of {total}")
        return count

    def jobs(self, jobs: hanjul.JobsSync, total: int) -> int:
        """Show how all jobs stand; how many have ended."""
        for job in jobs.processing():
            self._show(job.worker_id, job.progress or 0.0, f"{job.progress_note or job.key}, attempt {job.attempt}")
        ended = sum(count.n for count in jobs.counts() if count.status in {"completed", "failed"})
        return self.done(ended, total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._progress.stop()

    def _show(self, name: str, fraction: float, note: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=1.0, note="")
        self._progress.update(self._tasks[name], completed=fraction, note=note)
