"""How high a peak of the presence must be to be an atom, learnt on validation samples.

The presence follows the probability that an atom is there, spread over where it may be, so that peaks of atoms come
out lower the less the data say: the threshold with the fewest missed and false atoms depends on how many electrons
there were.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from torch import Tensor

from pann.core import Volume
from pann.core.geometry import position_to_index

LEVELS = np.arange(0.06, 0.80, 0.02)
"""Thresholds that are tried, in peaks of an atom that is certain."""
LOWEST_PEAK = 0.03
"""Lower maxima are not looked at."""
KNOTS = 4
"""Points of the curve."""
UNTRAINED = (tuple(float(k) for k in range(KNOTS)), (0.3,) * KNOTS)
"""A curve to begin with."""
SPREAD = 0.35
"""Standard deviation, in powers of ten of the counts, of the samples that a knot listens to."""


@dataclass(frozen=True)
class Peaks:
    """All maxima of the presence of one sample.

    Attributes
    ----------
    counts : electrons per Å² of an image, see `pann.refiner.acquisition.counts_per_area`.
    heights : (n,) of the maxima.
    is_atom : (n,) whether a true atom was matched to it.
    n_true : number of true atoms.
    """

    counts: float
    heights: NDArray[np.float64]
    is_atom: NDArray[np.bool_]
    n_true: int

    def errors(self, threshold: float) -> float:
        """Missed and false atoms above `threshold`, per true atom."""
        kept = self.heights >= threshold
        right = int((kept & self.is_atom).sum())
        return (self.n_true - right + int(kept.sum()) - right) / self.n_true


@dataclass(frozen=True)
class Thresholds:
    """Height above which a maximum of the presence is an atom, interpolated over the logarithm of the counts.

    Attributes
    ----------
    log_counts : (k,) increasing log10 of electrons per Å² of an image; beyond its ends the curve is flat.
    level : (k,) heights.
    """

    log_counts: tuple[float, ...]
    level: tuple[float, ...]

    @classmethod
    def of_rows(cls, rows: Tensor) -> Self:
        """From the rows (2, k) that a network carries beside its weights."""
        log_counts, level = (tuple(row) for row in rows.tolist())
        return cls(log_counts, level)

    @property
    def rows(self) -> Tensor:
        """(2, k), what `of_rows` takes."""
        return torch.tensor([self.log_counts, self.level])

    def at(self, counts: float) -> float:
        """Height for a series of `counts` electrons per Å² of an image."""
        return float(np.interp(np.log10(max(counts, 1e-9)), self.log_counts, self.level))


def fit_thresholds(samples: Sequence[Peaks]) -> Thresholds:
    """The thresholds with the fewest missed and false atoms, each knot over the samples of about its counts."""
    place = np.log10([max(sample.counts, 1e-9) for sample in samples])
    knots = np.quantile(place, np.linspace(0.1, 0.9, KNOTS))
    errors = np.array([[sample.errors(level) for sample in samples] for level in LEVELS])
    best = []
    for knot in knots:
        weights = np.exp(-0.5 * ((place - knot) / SPREAD) ** 2)
        best.append(float(LEVELS[int(np.argmin(errors @ weights))]))
    return Thresholds(tuple(knots.tolist()), tuple(best))


def peak_heights(positions: NDArray[np.float64], volume: Volume, smoothing: float) -> NDArray[np.float64]:
    """Heights (n,) of the maxima at `positions` [Å] of `volume`, smoothed by the tracer's `smoothing` [Å]."""
    index = position_to_index(positions, volume.shape, volume.voxel_size)
    smooth = gaussian_filter(volume.values, smoothing / volume.voxel_size, mode="nearest")
    heights: NDArray[np.float64] = map_coordinates(smooth, index.T, order=3, mode="nearest")
    return heights


def errors_at_best(samples: Sequence[Peaks]) -> float:
    """Mean of missed and false atoms per true atom, at the thresholds that suit these very `samples` best."""
    thresholds = fit_thresholds(samples)
    return float(np.mean([s.errors(thresholds.at(s.counts)) for s in samples]))
