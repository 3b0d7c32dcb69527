"""Training particles for the classifier, cached under a hash of what they depend on.

They are made particle by particle, so that an interrupted run goes on where it stopped. Reconstructions have a cache of
their own: a change of features, tracing or refiner reuses them.
"""

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from itertools import accumulate
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from pann.classifier.data import SPLITS_OF, ClassifierData
from pann.core.progress import progress_bar
from pann.training.traced_particle import Recipe, is_complete, make_particle

SPLIT_STRIDE = 1_000_000
"""Sample numbers of successive splits start this far apart: a larger split does not move the others."""


class TracedClassifierData(ClassifierData):
    """`ClassifierData` that makes its particles first.

    Parameters
    ----------
    cache : folder of the caches.
    workers : processes that fill it; 1 works in this process.
    recipe : options of `Recipe`.
    faint : further `splits` of particles, simulated by the same recipe at doses of `range` [e/Å² per projection]; None
        for none. Doses that are drawn over decades are seldom that low.
    others : of `ClassifierData`, without `folder` and `more`.
    """

    def __init__(
        self,
        cache: str | Path,
        workers: int,
        recipe: Mapping[str, Any],
        faint: Mapping[str, Any] | None = None,
        **others: Any,
    ) -> None:
        self.recipe = Recipe(**recipe)
        self.cache = Path(cache)
        self.workers = workers
        self.faint = dict(faint or {})
        jobs = [(self.recipe, others["splits"])]
        if faint is not None and self.recipe.data_set is None:
            simulation = {**self.recipe.simulation, "dose": {"range": faint["range"]}}
            jobs.append((replace(self.recipe, simulation=simulation, seed=self.recipe.seed + 1), faint["splits"]))
        self._jobs = {self.cache / f"traced-{recipe.key}": (recipe, splits) for recipe, splits in jobs}
        folders = {folder: splits for folder, (_, splits) in self._jobs.items()}
        first, *more = folders
        super().__init__(folder=first, more={folder: folders[folder] for folder in more}, **others)

    def prepare_data(self) -> None:
        """Make the particles that are not in the cache."""
        for folder, (recipe, splits) in self._jobs.items():
            make_particles(recipe, self.cache, folder, splits, self.workers)

    def setup(self, stage: str | None = None) -> None:
        """Read what `stage` needs; what is to be validated outside a trainer, which prepares nothing, is made first."""
        if stage == "validate":
            for folder, (recipe, splits) in self._jobs.items():
                make_particles(recipe, self.cache, folder, splits, self.workers, SPLITS_OF[stage])
        super().setup(stage)

    def describe(self) -> dict[str, Any]:
        """Plain values for the card of the weights."""
        recipe = {key: value for key, value in asdict(self.recipe).items() if key not in ("features", "refiner")}
        recipe["refiner"] = self.recipe.refiner is not None
        return {**super().describe(), "faint": self.faint, "recipe": recipe}


def make_particles(
    recipe: Recipe,
    cache: Path,
    folder: Path,
    splits: Mapping[str, int],
    workers: int = 1,
    only: Collection[str] | None = None,
) -> None:
    """Write the missing particles of `splits` (number by name) below `folder`, with reconstructions below `cache`.

    Of the splits named in `only`, if it is given.
    """
    ends = accumulate(splits.values(), initial=0)
    starts = {
        split: place * SPLIT_STRIDE if recipe.data_set is None else end
        for place, (split, end) in enumerate(zip(splits, ends, strict=False))
    }
    wanted = [(split, number, starts[split] + number) for split, count in splits.items() for number in range(count)]
    wanted = [job for job in wanted if only is None or job[0] in only]
    missing = [job for job in wanted if not is_complete(recipe, folder, *job)]
    if not missing:
        return
    make = partial(make_particle, recipe, cache, folder)
    jobs: list[Callable[[], None]] = [partial(make, *job) for job in missing]
    # One thread each, or the processes fight for the cores.
    pool = (
        ProcessPoolExecutor(workers, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,))
        if workers > 1
        else nullcontext()
    )
    with progress_bar("traced particles", len(jobs)) as bar, pool as executor:
        if executor is None:
            for job in jobs:
                job()
                bar.advance()
        else:
            for done in as_completed([executor.submit(job) for job in jobs]):
                done.result()
                bar.advance()
