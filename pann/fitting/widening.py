"""Wider error bars where there is a prior: only what the images say is in doubt, not what was known before."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def widened(
    covariance: NDArray[np.float64], factor: ArrayLike, prior_precision: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """`covariance` (n, 3, 3) of positions when their likelihood is `factor` times as wide, a number or (n,).

    With a prior of inverse covariance P the posterior is C⁻¹ = F + P, and becomes (F / factor + P)⁻¹.

    Parameters
    ----------
    prior_precision : (n, 3), the diagonal of P; None for no prior.
    """
    wider = np.broadcast_to(np.asarray(factor, dtype=np.float64), len(covariance))[:, None, None]
    if prior_precision is None:
        return np.asarray(wider * covariance)
    prior = prior_precision[:, :, None] * np.eye(3)
    # C (I + (1/factor − 1) (I − P C))⁻¹ is the same without the inverse of a covariance that may be singular
    free = np.eye(3) - prior @ covariance
    result = covariance @ np.linalg.inv(np.eye(3) + (1 / wider - 1) * free)
    return np.asarray((result + np.swapaxes(result, 1, 2)) / 2)
