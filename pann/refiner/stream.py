"""Samples that are made while the network trains already."""

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Thread
from typing import Any

from pann.refiner.cache import filled


class BackgroundFill:
    """Fills the cache in processes of its own, and hands over every sample as soon as its file is there.

    Parameters
    ----------
    plan, folder, seed, count, workers, first, crystals : see `pann.refiner.cache.fill_cache`.
    take : called with the path of each sample, from another thread.
    """

    def __init__(
        self,
        plan: Mapping[str, Any],
        folder: Path,
        seed: int,
        count: int,
        workers: int,
        first: int,
        crystals: bool,
        take: Callable[[Path], None],
    ) -> None:
        self._stop = Event()
        self._error: BaseException | None = None

        def work() -> None:
            try:
                for path in filled(plan, folder, seed, count, max(workers, 2), first, crystals):
                    if self._stop.is_set():
                        return
                    take(path)
            except BaseException as error:  # raised where the training looks, see `check`
                self._error = error

        self._thread = Thread(target=work, name="samples", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise what went wrong in the background, if anything did."""
        if self._error is not None:
            raise self._error

    def join(self) -> None:
        """Wait for the last sample."""
        self._thread.join()
        self.check()

    def close(self) -> None:
        """Make no further samples; those at work are finished."""
        self._stop.set()
        self._thread.join()
