"""How high a peak of the presence must be to be an atom, learnt on validation samples.

The presence follows the probability that an atom is there, so that one threshold serves all doses and materials: the
less the data say, the lower the peaks, and the fewer of them pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from pann.core import Volume
from pann.core.geometry import position_to_index

LEVELS = np.arange(0.06, 0.80, 0.01)
"""Thresholds that are tried, in peaks of an atom that is certain."""
LOWEST_PEAK = 0.03
"""Lower maxima are not looked at."""
UNTRAINED = 0.3
"""To begin with."""


@dataclass(frozen=True)
class Peaks:
    """All maxima of the presence of one sample.

    Attributes
    ----------
    heights : (n,) of the maxima.
    is_atom : (n,) whether a true atom was matched to it.
    n_true : number of true atoms.
    offsets : (n, 3) [Å] from the true atom, NaN where there is none.
    lattice_score : of the best lattice of the sample, see `pann.refiner.lattices.crystals`.
    evidence, peers : (n,) what the counts say of each and of others like it, see `pann.refiner.weigh` and
        `pann.refiner.odds`; None where they were not asked.
    """

    heights: NDArray[np.float64]
    is_atom: NDArray[np.bool_]
    n_true: int
    offsets: NDArray[np.float64]
    lattice_score: float
    evidence: NDArray[np.float64] | None = None
    peers: NDArray[np.float64] | None = None

    def errors(self, threshold: float) -> float:
        """Missed and false atoms above `threshold`, per true atom."""
        return self.errors_of(self.heights >= threshold)

    def errors_of(self, kept: NDArray[np.bool_]) -> float:
        """Missed and false atoms where the peaks `kept` (n,) are taken for atoms, per true atom."""
        right = int((kept & self.is_atom).sum())
        return (self.n_true - right + int(kept.sum()) - right) / self.n_true


def fit_threshold(samples: Sequence[Peaks]) -> float:
    """The threshold with the fewest missed and false atoms per true atom; the middle one where several have."""
    errors = np.array([mean_errors(samples, level) for level in LEVELS])
    return float(np.median(LEVELS[errors <= errors.min() + 1e-9]))


def mean_errors(samples: Sequence[Peaks], threshold: float) -> float:
    """Mean of missed and false atoms per true atom over `samples`."""
    return float(np.mean([sample.errors(threshold) for sample in samples]))


def peak_heights(positions: NDArray[np.float64], volume: Volume, smoothing: float) -> NDArray[np.float64]:
    """Heights (n,) of the maxima at `positions` [Å] of `volume`, smoothed by the tracer's `smoothing` [Å]."""
    index = position_to_index(positions, volume.shape, volume.voxel_size)
    smooth = gaussian_filter(volume.values, smoothing / volume.voxel_size, mode="nearest")
    heights: NDArray[np.float64] = map_coordinates(smooth, index.T, order=3, mode="nearest")
    return heights
