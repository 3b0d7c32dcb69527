"""How high a peak of a refined volume must be to be an atom, learnt on validation samples.

The network answers with the mean of what the data allow, so peaks of atoms it is unsure of come out low: the best
threshold depends on how many electrons there were. It is measured by the peaks of the volume itself, whose usual height
differs from particle to particle. Where the lightest element scatters little, a lower threshold finds its atoms, but
only if there are electrons enough to tell them from noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, maximum_filter
from torch import Tensor

from pann.core import Volume
from pann.core.geometry import position_to_index

SHARES = np.arange(0.10, 0.76, 0.025)
EXPONENTS = (0.0, 0.5, 1.0)
LIGHTEST = 0.3
"""Lighter elements, relative to a mean atom, do not lower the threshold any more: noise would pass."""
LOWEST_PEAK = 0.05
"""Lower maxima, over the usual height, are not looked at."""
KNOTS = 4
"""Points of the curve."""
UNTRAINED = (tuple(float(k) for k in range(KNOTS)), (0.3,) * KNOTS, (1.0,) * KNOTS)
"""A curve to begin with: 0.3 of the usual height, less where the lightest atom is lighter."""
NEIGHBOURS = np.arange(27).reshape(3, 3, 3) != 13
"""The 26 voxels about one: on a plateau none is a maximum."""
SPREAD = 0.35
"""Standard deviation, in powers of ten of the counts, of the samples that a knot listens to."""


@dataclass(frozen=True)
class Peaks:
    """All maxima of one refined sample.

    Attributes
    ----------
    counts : electrons per Å² of an image, see `pann.refiner.acquisition.counts_per_area`.
    lightest : scattering power of the lightest atom over that of a mean one.
    heights : (n,) of the maxima, over the usual height in the volume, see `usual_height`.
    is_atom : (n,) whether a true atom was matched to it.
    n_true : number of true atoms.
    """

    counts: float
    lightest: float
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
    """Share of the usual height above which a maximum is an atom, interpolated over the logarithm of the counts.

    Attributes
    ----------
    log_counts : (k,) increasing log10 of electrons per Å² of an image; beyond its ends the curve is flat.
    share : (k,) for particles whose lightest atom is a mean one.
    exponent : (k,) the share falls with this power of the lightest atom's relative scattering power.
    """

    log_counts: tuple[float, ...]
    share: tuple[float, ...]
    exponent: tuple[float, ...]

    @classmethod
    def of_rows(cls, rows: Tensor) -> Self:
        """From the rows (3, k) that a network carries beside its weights."""
        log_counts, share, exponent = (tuple(row) for row in rows.tolist())
        return cls(log_counts, share, exponent)

    @property
    def rows(self) -> Tensor:
        """(3, k), what `of_rows` takes."""
        return torch.tensor([self.log_counts, self.share, self.exponent])

    def at(self, counts: float, lightest: float = 1.0) -> float:
        """Share for a series of `counts` electrons per Å² of an image and a lightest atom of this relative power."""
        place = np.log10(max(counts, 1e-9))
        share, exponent = (np.interp(place, self.log_counts, curve) for curve in (self.share, self.exponent))
        return float(share * min(max(lightest, LIGHTEST), 1.0) ** exponent)


def fit_thresholds(samples: Sequence[Peaks]) -> Thresholds:
    """The thresholds with the fewest missed and false atoms, each knot over the samples of about its counts."""
    place = np.log10([max(sample.counts, 1e-9) for sample in samples])
    knots = np.quantile(place, np.linspace(0.1, 0.9, KNOTS))
    grid = list(product(EXPONENTS, SHARES))
    errors = np.array(
        [
            [sample.errors(share * min(max(sample.lightest, LIGHTEST), 1.0) ** exponent) for sample in samples]
            for exponent, share in grid
        ]
    )
    best = []
    for knot in knots:
        weights = np.exp(-0.5 * ((place - knot) / SPREAD) ** 2)
        best.append(grid[int(np.argmin(errors @ weights))])
    exponents, shares = zip(*best, strict=True)
    return Thresholds(tuple(knots.tolist()), tuple(float(s) for s in shares), tuple(float(e) for e in exponents))


def usual_height(volume: Volume, smoothing: float) -> float:
    """Σh³ / Σh² over the maxima h of `volume`, smoothed by the tracer's `smoothing` [Å]: what its atoms are like.

    Atoms decide it, however many low maxima noise adds.
    """
    smooth = _smoothed(volume, smoothing)
    others = maximum_filter(smooth, footprint=NEIGHBOURS)
    heights = smooth[smooth > np.maximum(others, 0)].astype(np.float64)
    return float((heights**3).sum() / (heights**2).sum()) if len(heights) else 1.0


def peak_heights(positions: NDArray[np.float64], volume: Volume, smoothing: float) -> NDArray[np.float64]:
    """Heights (n,) of the maxima at `positions` [Å] of `volume`, smoothed by the tracer's `smoothing` [Å]."""
    index = position_to_index(positions, volume.shape, volume.voxel_size)
    heights: NDArray[np.float64] = map_coordinates(_smoothed(volume, smoothing), index.T, order=3, mode="nearest")
    return heights


def _smoothed(volume: Volume, smoothing: float) -> NDArray[np.float32]:
    smooth: NDArray[np.float32] = gaussian_filter(volume.values, smoothing / volume.voxel_size, mode="nearest")
    return smooth


def errors_at_best(samples: Sequence[Peaks]) -> float:
    """Mean of missed and false atoms per true atom, at the thresholds that suit these very `samples` best."""
    thresholds = fit_thresholds(samples)
    return float(np.mean([s.errors(thresholds.at(s.counts, s.lightest)) for s in samples]))
