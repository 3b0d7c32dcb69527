"""The odds that a candidate is an atom: what the network saw and what the counts say, weighed on validation samples.

In a crystal that the network does not know, its doubt concerns whole sublattices: all sulphur of PbS has peaks of a
third, since either there is sulphur or there is none. What the counts say of one such atom is little, of all of them
much. So the odds of a candidate depend on the mean evidence of its peers too, candidates of the same particle whose
peaks of presence and of density are like its own. That is empirical Bayes: the prior of a group is learnt from the
group (Efron, Large-Scale Inference, Cambridge 2010).
"""

from dataclasses import astuple, dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize
from scipy.special import expit, logit
from torch import Tensor

LOWEST_CANDIDATE = 0.06
"""Height of the lowest peak of the presence that may be an atom."""
LARGEST_EVIDENCE = 30.0
"""The counts say no more than this: beyond it they tell of errors of the image model."""
PEERS_HEARD = 6.0
"""Most that the evidence of one peer counts."""
LIKE = (0.2, 0.3)
"""How much peers differ, in logit(h) and in the logarithm of the density of a peak over its presence."""
BINS = (0.1, 0.15)
"""Of a histogram over these two."""
RATIOS = (0.05, 4.0)
"""Range of density over presence."""
PSEUDO_PEERS = 5.0
"""Peers without evidence that are added, so that a few real ones say little."""
CERTAIN = 0.02
"""No peak is nearer to 0 or to 1 than this."""
RIDGE = 1e-3
"""Weight of the squared coefficients in the regression, which holds them where classes part without errors."""


@dataclass(frozen=True)
class Odds:
    """ln odds = by_presence · logit(h) + by_counts · L + by_peers · M + offset, with M of `peer_evidence`.

    Attributes
    ----------
    by_presence, by_counts, by_peers, offset : learnt coefficients.
    """

    by_presence: float
    by_counts: float
    by_peers: float
    offset: float

    @classmethod
    def of_row(cls, row: Tensor) -> Self:
        """From the row (4,) that a network carries beside its weights."""
        return cls(*row.double().tolist())

    @property
    def row(self) -> Tensor:
        """(4,), what `of_row` takes."""
        return torch.tensor(astuple(self))

    @classmethod
    def fit(
        cls,
        heights: NDArray[np.float64],
        evidence: NDArray[np.float64],
        peers: NDArray[np.float64],
        is_atom: NDArray[np.bool_],
        weights: NDArray[np.float64],
    ) -> Self:
        """Logistic regression of `is_atom` (n,) on `heights`, `evidence`, `peers` (n,), counted by `weights` (n,)."""
        columns = _columns(heights, evidence, peers)
        weights = weights / weights.sum()
        sign = np.where(is_atom, 1.0, -1.0)

        def loss(coefficients: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            margin = sign * (columns @ coefficients)
            value = weights @ np.logaddexp(0, -margin) + RIDGE * coefficients @ coefficients
            slope = -(weights * sign * expit(-margin)) @ columns + 2 * RIDGE * coefficients
            return float(value), slope

        found = minimize(loss, np.array([1.0, 0.1, 0.0, 0.0]), jac=True, method="BFGS")
        return cls(*found.x.tolist())

    def __call__(self, heights: ArrayLike, evidence: ArrayLike, peers: ArrayLike) -> NDArray[np.float64]:
        """Logarithm of the odds (n,) of candidates.

        Parameters
        ----------
        heights : (n,) of their peaks of presence.
        evidence : (n,) what the counts say of each, L.
        peers : (n,) what they say of others like it, M.
        """
        columns = _columns(*(np.asarray(values, np.float64) for values in (heights, evidence, peers)))
        total: NDArray[np.float64] = columns @ np.array(astuple(self))
        return total

    def loosened(self, threshold: float, share: float) -> float:
        """Logarithm of the odds at `share` of the `threshold`, where the counts leave them even at the threshold."""
        return float(self.by_presence * (_bounded_logit(share * threshold) - _bounded_logit(threshold)))


def peer_evidence(heights: ArrayLike, ratios: ArrayLike, evidence: ArrayLike) -> NDArray[np.float64]:
    """Mean evidence M (n,) of the other candidates of a particle that are like each one.

    Parameters
    ----------
    heights : (n,) peaks of presence h.
    ratios : (n,) density of each peak, relative to the mean atom, over its presence.
    evidence : (n,) log-likelihood ratio L of each.
    """
    heard = np.clip(np.asarray(evidence, np.float64), -PEERS_HEARD, PEERS_HEARD)
    low, high = np.stack([_bounded_logit([0.0, 1.0]), np.log(RATIOS)], axis=1)
    traits = np.stack([_bounded_logit(heights), np.log(np.clip(ratios, *RATIOS))], axis=1)
    place = tuple(np.rint((traits - low) / BINS).astype(int).T)
    shape = tuple(1 + np.rint((high - low) / BINS).astype(int))
    widths = np.array(LIKE) / BINS
    peak = 2 * np.pi * widths.prod()  # a candidate counts itself once

    def smoothed(values: NDArray[np.float64]) -> NDArray[np.float64]:
        table = np.zeros(shape)
        np.add.at(table, place, values)
        found: NDArray[np.float64] = peak * gaussian_filter(table, widths, mode="constant")[place]
        return found

    others = np.maximum(smoothed(np.ones(len(heard))) - 1, 0.0)
    mean: NDArray[np.float64] = (smoothed(heard) - heard) / (others + PSEUDO_PEERS)
    return mean


UNTRAINED = Odds(1.0, 0.0, 0.0, float(-logit(0.3)))
"""To begin with: a threshold of `pann.refiner.thresholds.UNTRAINED`."""


def _bounded_logit(heights: ArrayLike) -> NDArray[np.float64]:
    bounded: NDArray[np.float64] = logit(np.clip(heights, CERTAIN, 1 - CERTAIN))
    return bounded


def _columns(
    heights: NDArray[np.float64], evidence: NDArray[np.float64], peers: NDArray[np.float64]
) -> NDArray[np.float64]:
    counts = np.clip(evidence, -LARGEST_EVIDENCE, LARGEST_EVIDENCE)
    return np.stack([_bounded_logit(heights), counts, peers, np.ones(len(heights))], axis=1)
