"""Mixtures that explain atom intensities by candidate elements.

`tied_mixture` is the physics: the integrated intensity of an atom is proportional to the scattering cross-section of
its element up to one scale per series, so in logarithms the class means are known up to a shift (and a slope near one,
since collection angles differ between microscopes). What is left to estimate are the shift, the spread and the
composition.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

_SLOPE_SIGMA = 0.12
"""Prior spread of the slope: the exponent of Z moves by about a tenth between detector settings (1.45 - 1.69)."""
_MIN_WIDTH = 0.03
_OUTLIER_RANGE = (float(np.log(1e-3)), float(np.log(10.0)))


@dataclass(frozen=True)
class TiedMixture:
    """Fit of a mixture whose means are tied to the candidates' scattering powers.

    Attributes
    ----------
    means : (n_candidates,) of log intensity.
    width : common standard deviation of log intensity.
    fractions : (n_candidates + 1,) composition, outliers last.
    log_posterior : (n_atoms, n_candidates + 1) log probability of each candidate, outliers last.
    """

    means: NDArray[np.float64]
    width: float
    fractions: NDArray[np.float64]
    log_posterior: NDArray[np.float64]


def tied_mixture(
    log_intensity: NDArray[np.float64], log_power: NDArray[np.float64], iterations: int = 40
) -> TiedMixture:
    """Fit log intensity (n_atoms,) by candidates of `log_power` (n_candidates,), by expectation-maximisation.

    Model: x ~ Σ_c π_c N(shift + slope · log_power_c, width²) + π_out · uniform. Every candidate in turn is tried as the
    one that the median atom belongs to, as is the mean of all; the likeliest solution wins.
    """
    x = np.asarray(log_intensity, dtype=np.float64)
    centred = np.asarray(log_power, dtype=np.float64) - np.mean(log_power)
    n_candidates = len(centred)
    if not len(x):
        return TiedMixture(centred, 1.0, np.full(n_candidates + 1, np.nan), np.zeros((0, n_candidates + 1)))
    shifts = np.median(x) - np.append(centred, 0.0)
    slope = np.ones_like(shifts)
    spread = max(float(np.std(x)), _MIN_WIDTH)
    width = np.full_like(shifts, max(spread / (2 * n_candidates), _MIN_WIDTH))
    fractions = np.full((len(shifts), n_candidates + 1), 0.95 / n_candidates)
    fractions[:, -1] = 0.05
    log_outlier = -np.log(_OUTLIER_RANGE[1] - _OUTLIER_RANGE[0])
    score = np.zeros(len(shifts))
    log_joint = np.zeros((len(shifts), len(x), n_candidates + 1))
    for _ in range(iterations):
        means = shifts[:, None] + slope[:, None] * centred
        residual = x[None, :, None] - means[:, None]
        log_joint[..., :-1] = -0.5 * (residual / width[:, None, None]) ** 2 - np.log(
            width[:, None, None] * np.sqrt(2 * np.pi)
        )
        log_joint[..., -1] = log_outlier
        log_joint += np.log(fractions)[:, None]
        evidence = logsumexp(log_joint, axis=-1)
        score = evidence.sum(1) - 0.5 * ((slope - 1) / _SLOPE_SIGMA) ** 2
        share = np.exp(log_joint - evidence[..., None])
        # A Dirichlet prior of one atom per class keeps absent candidates finite.
        fractions = (share.sum(1) + 1.0) / (len(x) + n_candidates + 1)
        real = share[..., :-1]
        mass = real.sum((1, 2)) + 1e-9
        centre_x = (real * x[None, :, None]).sum((1, 2)) / mass
        centre_p = (real * centred).sum((1, 2)) / mass
        offset_p = centred[None, None] - centre_p[:, None, None]
        ridge = width**2 / _SLOPE_SIGMA**2
        covariance = (real * offset_p * (x[None, :, None] - centre_x[:, None, None])).sum((1, 2))
        slope = np.clip((covariance + ridge) / ((real * offset_p**2).sum((1, 2)) + ridge), 0.5, 1.5)
        shifts = centre_x - slope * centre_p
        residual = x[None, :, None] - shifts[:, None, None] - slope[:, None, None] * centred
        width = np.clip(np.sqrt((real * residual**2).sum((1, 2)) / mass), _MIN_WIDTH, None)
    best = int(np.argmax(score))
    posterior = log_joint[best] - logsumexp(log_joint[best], axis=-1, keepdims=True)
    return TiedMixture(shifts[best] + slope[best] * centred, float(width[best]), fractions[best], posterior)
