"""A composition that is known beforehand, as a prior of the elements."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pann.core.elements import atomic_number, symbols
from pann.core.errors import ConfigError

_STEPS = 500
_TOLERANCE = 1e-6


def composition_of(given: Mapping[str, float], elements: Sequence[int]) -> NDArray[np.float64]:
    """Shares (n_candidates,) of `elements` that add to one, from amounts by symbol.

    Raises ConfigError when an element is missing, is no candidate, or an amount is not positive.
    """
    amounts = {atomic_number(symbol): float(amount) for symbol, amount in given.items()}
    if set(amounts) != set(elements):
        raise ConfigError(
            f"classifier.composition names {', '.join(symbols(sorted(amounts)))}, the candidates are "
            f"{', '.join(symbols(sorted(elements)))}: give one amount for each, such as {{Co: 0.5, Pt: 0.5}}"
        )
    shares = np.array([amounts[number] for number in elements])
    if not np.all(np.isfinite(shares) & (shares > 0)):
        raise ConfigError(f"classifier.composition={dict(given)}: expected positive amounts")
    return shares / shares.sum()


def match_composition(chances: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """`chances` (n, n_candidates + 1), no atom last, reweighted so that the expected composition is `shares`.

    Posteriors change with the prior by one factor per class (Saerens, Latinne and Decaestecker, Neural Computation 14
    (2002) 21, eq. 4). There the new prior is estimated; here it is known, and the factors are repeated until the mean
    of the posteriors agrees with it. Whether a peak is an atom is left as it was.
    """
    real, nothing = chances[:, :-1], chances[:, -1:]
    weight = real.sum(axis=1)
    if not weight.sum() > 0:
        return chances
    factors = np.ones(len(shares))
    for _ in range(_STEPS):
        posterior = real * factors
        posterior /= np.maximum(posterior.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        expected = (weight[:, None] * posterior).sum(axis=0) / weight.sum()
        if np.abs(expected - shares).max() < _TOLERANCE:
            break
        factors *= shares / np.maximum(expected, np.finfo(float).tiny)
        factors /= factors.mean()
    return np.concatenate([weight[:, None] * posterior, nothing], axis=1)
