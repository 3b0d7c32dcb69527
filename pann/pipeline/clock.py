"""Seconds and peak memory of each step of a run."""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console


@dataclass
class Clock:
    """Times the steps of a run and says on the error stream which one is running.

    Attributes
    ----------
    seconds : wall time of each step.
    peak_mb : highest resident memory of the process up to the end of each step [MB].
    """

    verbose: bool = True
    seconds: dict[str, float] = field(default_factory=dict)
    peak_mb: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, description: str) -> Iterator[None]:
        """Time a block under `name`; steps of the same name add up."""
        console = Console(stderr=True, highlight=False)
        if self.verbose:
            console.print(f"[bold]{name}[/bold]: {description}")
        start = time.perf_counter()
        yield
        elapsed = time.perf_counter() - start
        self.seconds[name] = self.seconds.get(name, 0.0) + elapsed
        self.peak_mb[name] = peak_memory_mb()

    def table(self) -> dict[str, dict[str, float]]:
        """Step -> seconds and peak_mb, rounded."""
        return {
            name: {"seconds": round(self.seconds[name], 2), "peak_mb": round(self.peak_mb[name])}
            for name in self.seconds
        }


def peak_memory_mb() -> float:
    """Highest resident memory of this process so far [MB]."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
