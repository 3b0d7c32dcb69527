"""How far the atoms of a refined volume are from the true ones, learnt on validation samples.

A peak of the presence is lower where the atom may be elsewhere, so that its height tells the error of its place. So
does the lattice of the particle: where it is sure, all atoms together tell the place of each, while in a glass the
network knows no more of an atom than what it scatters itself.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pann.refiner.lattices.crystals import sureness

KNOTS = 6
"""Points of the curve."""
UNTRAINED = ((0.3, 0.4, 0.5, 0.6, 0.7, 0.8), *(((0.3,) * KNOTS,) * 3))
"""Rows of a curve to begin with: 0.3 Å."""
LEAST = 0.005
"""[Å] Smaller errors are not believed."""
SLOPES = tuple(0.05 * k for k in range(9))
"""Powers that are tried."""


@dataclass(frozen=True)
class ErrorBars:
    """Standard deviation of the position along x, y, z against the height of the peak of the presence.

    Attributes
    ----------
    heights : (k,) increasing.
    sigmas : (k, 3) [Å] in a particle whose best lattice has a `sureness` of 1.
    slope : they fall with this power of it.
    """

    heights: NDArray[np.float64]
    sigmas: NDArray[np.float64]
    slope: float = 0.0

    @classmethod
    def of_rows(cls, rows: Tensor, slope: Tensor) -> Self:
        """From the rows (4, k) and the slope () that a network carries beside its weights."""
        values = rows.double().cpu().numpy()
        return cls(values[0], values[1:].T, float(slope))

    @property
    def rows(self) -> Tensor:
        """(4, k), what `of_rows` takes."""
        return torch.from_numpy(np.vstack([self.heights, self.sigmas.T])).float()

    @classmethod
    def fit(cls, heights: NDArray[np.float64], scores: NDArray[np.float64], errors: NDArray[np.float64]) -> Self | None:
        """The most likely ones of atoms that were found; None for too few of them.

        Each knot has the root mean square of as many atoms, at their median height.

        Parameters
        ----------
        heights, scores : (n,) of their peaks, and of the best lattices of their particles.
        errors : (n, 3) [Å] of their positions.
        """
        if len(heights) < 2 * KNOTS:
            return None
        sure = sureness(scores)[:, None]
        groups = np.array_split(np.argsort(heights, kind="stable"), KNOTS)
        knots = np.array([np.median(heights[group]) for group in groups])

        def tried(slope: float) -> tuple[float, Self]:
            scaled = errors * sure**slope
            sigmas = np.array([np.sqrt((scaled[group] ** 2).mean(axis=0)) for group in groups])
            bars = cls(knots, np.maximum(sigmas, LEAST), slope)
            found = bars._at(heights) * sure**-slope
            return float((np.log(found) + 0.5 * (errors / found) ** 2).sum()), bars

        return min((tried(slope) for slope in SLOPES), key=lambda pair: pair[0])[1]

    def _at(self, heights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 3) [Å] at `heights` (n,) and a `sureness` of 1; between knots the logarithm is interpolated."""
        sigmas: NDArray[np.float64] = np.exp([np.interp(heights, self.heights, np.log(axis)) for axis in self.sigmas.T])
        return sigmas.T

    def covariance(self, heights: NDArray[np.float64], score: float) -> NDArray[np.float64]:
        """(n, 3, 3) [Å²] for peaks of these `heights` (n,) in a particle whose best lattice has this `score`."""
        sigmas = self._at(heights) * sureness(score) ** -self.slope
        covariance: NDArray[np.float64] = sigmas[:, :, None] ** 2 * np.eye(3)
        return covariance
