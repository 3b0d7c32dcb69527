"""How well the images can tell elements apart: the Bayes error of their intensities.

The intensity of an atom, its position and those of its neighbours unknown, has the standard deviation s = F^(-1/2), F
its Fisher information. Between two elements of intensities H₁ and H₂, equally likely beforehand, no rule errs less
often than the one that halves the distance (Duda, Hart, Stork, Pattern Classification, 2.8): Φ(−|H₁ − H₂| / 2s). A
classifier that also knows the neighbourhood may do better on an ordered particle; from the atom alone it cannot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from pann.core.elements import symbols


def bayes_error(separation: ArrayLike) -> NDArray[np.float64]:
    """Least probability of confusing two equally likely intensities `separation` standard deviations apart."""
    return np.asarray(norm.sf(np.abs(np.asarray(separation, dtype=np.float64)) / 2))


def bayes_accuracy(deviation: ArrayLike, kinds: ArrayLike, heights: ArrayLike) -> NDArray[np.float64]:
    """Probability (n,) that the best rule names each atom rightly from its intensity, the composition being known.

    Parameters
    ----------
    deviation : (n,) standard deviation of the intensity of each atom.
    kinds : (n,) true candidate of each, as an index; their shares are the prior.
    heights : (n_candidates,) intensity of each candidate, in the unit of `deviation`.
    """
    spread = np.asarray(deviation, dtype=np.float64)
    true, means = np.asarray(kinds), np.asarray(heights, dtype=np.float64)
    prior = np.bincount(true, minlength=len(means)) / len(true)
    steps = np.linspace(-6, 6, 601)
    mass = norm.pdf(steps) * (steps[1] - steps[0])
    # intensities that an atom of its kind may show, and the rule's answer to each
    seen = means[true][:, None] + spread[:, None] * steps
    score = np.stack(
        [
            np.log(max(share, 1e-300)) - 0.5 * ((seen - mean) / spread[:, None]) ** 2
            for share, mean in zip(prior, means, strict=True)
        ]
    )
    return np.asarray((mass * (score.argmax(axis=0) == true[:, None])).sum(axis=1))


@dataclass(frozen=True, eq=False)
class ElementLimits:
    """Bayes error of every atom and every pair of elements.

    Attributes
    ----------
    pairs : atomic numbers of each pair.
    error : (n_atoms, n_pairs) probability of confusing the two at this atom; NaN where the atom is neither.
    separation : (n_atoms, n_pairs) |H₁ − H₂| / s.
    """

    pairs: list[tuple[int, int]]
    error: NDArray[np.float64]
    separation: NDArray[np.float64]

    def summary(self) -> dict[str, Any]:
        """Plain values by pair: the mean error of its atoms, and their median separation in standard deviations."""
        table = {}
        for k, pair in enumerate(self.pairs):
            known = np.isfinite(self.error[:, k])
            if known.any():
                table["-".join(symbols(pair))] = {
                    "bayes_error": float(self.error[known, k].mean()),
                    "separation_sigmas": float(np.median(self.separation[known, k])),
                }
        return table


def element_limits(
    numbers: NDArray[np.int64], information: NDArray[np.float64], kinds: Sequence[int], heights: Sequence[float]
) -> ElementLimits:
    """Bayes errors from the information about each intensity.

    Parameters
    ----------
    numbers : (n_atoms,) elements.
    information : (n_atoms,) inverse variance of the intensity of each atom [1/image units²].
    kinds, heights : atomic numbers of the candidates and the intensity of each [image units].
    """
    pairs = [(int(a), int(b)) for a, b in combinations(kinds, 2)]
    height = dict(zip((int(kind) for kind in kinds), heights, strict=True))
    gaps = np.array([abs(height[a] - height[b]) for a, b in pairs])
    separation = np.sqrt(np.maximum(information, 0))[:, None] * gaps
    mine = np.array([[number in pair for pair in pairs] for number in numbers], dtype=bool).reshape(separation.shape)
    return ElementLimits(pairs, np.where(mine, bayes_error(separation), np.nan), separation)
