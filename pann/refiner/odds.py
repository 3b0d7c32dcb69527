"""The odds that a candidate is an atom: what the network saw and what the counts say, weighed on validation samples."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from torch import Tensor

LOWEST_CANDIDATE = 0.06
"""Height of the lowest peak of the presence that may be an atom."""
LARGEST_EVIDENCE = 30.0
"""The counts say no more than this: beyond it they tell of errors of the image model."""
CERTAIN = 0.02
"""No peak is nearer to 0 or to 1 than this."""
RIDGE = 1e-3
"""Weight of the squared coefficients in the regression, which holds them where classes part without errors."""


@dataclass(frozen=True)
class Odds:
    """ln odds = by_presence · logit(h) + by_counts · L + offset.

    Attributes
    ----------
    by_presence, by_counts, offset : learnt coefficients.
    """

    by_presence: float
    by_counts: float
    offset: float

    @classmethod
    def of_row(cls, row: Tensor) -> Self:
        """From the row (3,) that a network carries beside its weights."""
        return cls(*row.double().tolist())

    @property
    def row(self) -> Tensor:
        """(3,), what `of_row` takes."""
        return torch.tensor([self.by_presence, self.by_counts, self.offset])

    @classmethod
    def fit(
        cls,
        heights: NDArray[np.float64],
        evidence: NDArray[np.float64],
        is_atom: NDArray[np.bool_],
        weights: NDArray[np.float64],
    ) -> Self:
        """Logistic regression of `is_atom` (n,) on `heights` and `evidence` (n,), candidates counted by `weights`."""
        columns = _columns(heights, evidence)
        weights = weights / weights.sum()
        sign = np.where(is_atom, 1.0, -1.0)

        def loss(coefficients: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            margin = sign * (columns @ coefficients)
            value = weights @ np.logaddexp(0, -margin) + RIDGE * coefficients @ coefficients
            slope = -(weights * sign * expit(-margin)) @ columns + 2 * RIDGE * coefficients
            return float(value), slope

        found = minimize(loss, np.array([1.0, 0.1, 0.0]), jac=True, method="BFGS")
        return cls(*found.x.tolist())

    def __call__(self, heights: ArrayLike, evidence: ArrayLike) -> NDArray[np.float64]:
        """Logarithm of the odds (n,) of candidates with peaks of `heights` (n,) and the counts' `evidence` (n,)."""
        columns = _columns(np.asarray(heights, np.float64), np.asarray(evidence, np.float64))
        total: NDArray[np.float64] = columns @ np.array([self.by_presence, self.by_counts, self.offset])
        return total

    def loosened(self, threshold: float, share: float) -> float:
        """Logarithm of the odds at `share` of the `threshold`, where the counts leave them even at the threshold."""
        return float(self.by_presence * (_bounded_logit(share * threshold) - _bounded_logit(threshold)))


UNTRAINED = Odds(1.0, 0.0, float(-logit(0.3)))
"""To begin with: a threshold of `pann.refiner.thresholds.UNTRAINED`."""


def _bounded_logit(heights: ArrayLike) -> NDArray[np.float64]:
    bounded: NDArray[np.float64] = logit(np.clip(heights, CERTAIN, 1 - CERTAIN))
    return bounded


def _columns(heights: NDArray[np.float64], evidence: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = np.clip(evidence, -LARGEST_EVIDENCE, LARGEST_EVIDENCE)
    return np.stack([_bounded_logit(heights), counts, np.ones(len(heights))], axis=1)
