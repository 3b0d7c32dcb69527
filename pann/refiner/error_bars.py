"""How far the atoms of a refined volume are from the true ones, learnt on validation samples.

A peak of the presence is lower where the atom may be elsewhere, so that its height tells the error of its place.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

KNOTS = 6
"""Points of the curve."""
UNTRAINED = ((0.3, 0.4, 0.5, 0.6, 0.7, 0.8), *(((0.3,) * KNOTS,) * 3))
"""Rows of a curve to begin with: 0.3 Å."""
LEAST = 0.005
"""[Å] Smaller errors are not believed."""


@dataclass(frozen=True)
class ErrorBars:
    """Standard deviation of the position along x, y, z against the height of the peak of the presence.

    Attributes
    ----------
    heights : (k,) increasing.
    sigmas : (k, 3) [Å].
    """

    heights: NDArray[np.float64]
    sigmas: NDArray[np.float64]

    @classmethod
    def of_rows(cls, rows: Tensor) -> Self:
        """From the rows (4, k) that a network carries beside its weights."""
        values = rows.double().cpu().numpy()
        return cls(values[0], values[1:].T)

    @property
    def rows(self) -> Tensor:
        """(4, k), what `of_rows` takes."""
        return torch.from_numpy(np.vstack([self.heights, self.sigmas.T])).float()

    @classmethod
    def fit(cls, heights: NDArray[np.float64], errors: NDArray[np.float64]) -> Self | None:
        """From the `heights` (n,) of atoms that were found and their `errors` (n, 3) [Å]; None for too few of them.

        Each knot has the root mean square of as many atoms, at their median height.
        """
        if len(heights) < 2 * KNOTS:
            return None
        groups = np.array_split(np.argsort(heights, kind="stable"), KNOTS)
        knots = np.array([np.median(heights[group]) for group in groups])
        sigmas = np.array([np.sqrt((errors[group] ** 2).mean(axis=0)) for group in groups])
        return cls(knots, np.maximum(sigmas, LEAST))

    def covariance(self, heights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 3, 3) [Å²] for peaks of these `heights` (n,); between knots the logarithm is interpolated."""
        sigmas = np.exp([np.interp(heights, self.heights, np.log(column)) for column in self.sigmas.T]).T
        covariance: NDArray[np.float64] = sigmas[:, :, None] ** 2 * np.eye(3)
        return covariance
