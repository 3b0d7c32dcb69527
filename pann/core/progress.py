"""Progress bars on the error stream, so that standard output stays clean for results."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Bar:
    """One line of a progress display: `advance` it, and show the statistic that the loop watches."""

    def __init__(self, progress: Progress, description: str, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task(description, total=total, status="")

    def advance(self, steps: int = 1, status: str = "") -> None:
        """Move on by `steps`; `status` replaces the text at the end of the line."""
        self._progress.update(self._task, advance=steps, status=status)


@contextmanager
def progress_bar(description: str, total: int, enabled: bool = True) -> Iterator[Bar]:
    """Show a bar of `total` steps with the rate and the time left; silent when not `enabled` or not on a terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[status]}"),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not (enabled and console.is_terminal), transient=True) as progress:
        yield Bar(progress, description, total)
