"""Scores of whole samples as a table: one row for each validation or test sample."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import distributed

from pann.refiner.example import Example
from pann.refiner.scoring import dose_label

Row = TypeVar("Row")
Case = dict[str, Any]
"""Plain values: the keys of `FACTS`, and scores such as ``input/f1`` beside ``refined/f1``."""

FACTS = ("name", "dose", "largest_tilt", "tilts", "atoms", "method", "iterations")
"""What a row says of its sample: dose [e/Å² per projection], largest tilt [deg], number of tilts, number of atoms, and
how it was reconstructed."""


def case_of(example: Example, scores: dict[str, float]) -> Case:
    """The row of `example` with its `scores`."""
    return {
        "name": example.name,
        "dose": float(example.dose),
        "largest_tilt": float(np.abs(example.angles[:, 1]).max()),
        "tilts": len(example.angles),
        "atoms": len(example.positions),
        "method": example.method,
        "iterations": example.iterations,
        **scores,
    }


def xz_slice(values: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """The central plane (nx, nz) of a volume (nx, ny, nz) across the tilt axis: it shows the missing wedge."""
    return values[:, values.shape[1] // 2].astype(np.float32)


def gathered(cases: list[Row], count: int) -> list[Row]:
    """The rows of all processes, in the order of the samples; `cases` itself where there is one process.

    Lightning deals the `count` samples of a split to the processes in turn, and deals some of the first again where
    they do not come out even: these are left out, so that the table and its means are those of a single process.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return cases
    parts: list[list[Row]] = [[] for _ in range(distributed.get_world_size())]
    distributed.all_gather_object(parts, cases)
    return [case for turn in zip(*parts, strict=True) for case in turn][:count]


def mean_scores(cases: Sequence[Case], dose_bins: list[float]) -> dict[str, float]:
    """Means of all scores over `cases`: ``refined/f1``, and for each bin of `dose_bins` ``refined/dose_100-400/f1``.

    A score that a sample lacks (the RMSD where no atom was found) does not count.
    """
    collected: dict[str, list[float]] = defaultdict(list)
    for case in cases:
        label = dose_label(case["dose"], dose_bins)
        for key in case.keys() - set(FACTS):
            kind, _, score = key.rpartition("/")
            collected[key].append(case[key])
            if kind:
                collected[f"{kind}/{label}/{score}"].append(case[key])
    return {key: float(np.mean(values)) for key, values in sorted(collected.items())}
