"""The mixture that explains atom intensities by candidate elements.

The integrated intensity of an atom is proportional to the scattering cross-section of its element up to one scale per
series, so in logarithms the class means are known up to a shift, and a slope near one since collection angles differ
between microscopes. Noise adds to the intensity, so that dim elements spread more in the logarithm. Peaks that are no
atoms form a broad class of their own. What is left to estimate are the shift, the spread and the composition.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

_SLOPE_SIGMA = 0.12
"""Prior spread of the slope: the exponent of Z moves by about a tenth between detector settings (1.45 - 1.69)."""
_SPREAD_EXPONENT = 0.7
"""The width of a class goes with its power to minus this: 1 for additive noise, 0.5 for counts, seen between them."""
_MIN_WIDTH = 0.03
_GHOST_WIDTH = (0.3, 1.0)
"""Narrowest and widest class of peaks that are no atoms [log intensity]: narrower ones are elements."""
_GHOST_PRICE = 0.5
"""Log odds by which a peak is an atom rather than none, all else being equal."""
_GHOST_GAP = 0.5
"""Peaks that are no atoms are on average dimmer than the strongest element by at least this [log intensity]."""
_PRESENCE = 4.0
"""Atoms' worth of prior belief that the strongest candidate is there; weaker ones may be there and not be seen."""


@dataclass(frozen=True)
class TiedMixture:
    """Fit of a mixture whose means are tied to the candidates' scattering powers.

    Attributes
    ----------
    means : (n_candidates,) of log intensity.
    widths : (n_candidates,) standard deviations of log intensity.
    fractions : (n_candidates + 1,) composition, peaks that are no atoms last.
    log_posterior : (n_atoms, n_candidates + 1) log probability of each candidate, of no atom last.
    """

    means: NDArray[np.float64]
    widths: NDArray[np.float64]
    fractions: NDArray[np.float64]
    log_posterior: NDArray[np.float64]


def tied_mixture(
    log_intensity: NDArray[np.float64], log_power: NDArray[np.float64], iterations: int = 40
) -> TiedMixture:
    """Fit log intensity (n_atoms,) by candidates of `log_power` (n_candidates,), by expectation-maximisation.

    Model: x ~ Σ_c π_c N(shift + slope · log_power_c, width_c²) + π_ghost N(μ, w²), width_c ~ power_c^-0.7. Every
    candidate in turn is tried as the one that the median atom belongs to, as are the mean of all, and the strongest as
    the one of the brightest atoms; the likeliest solution wins.
    """
    x = np.asarray(log_intensity, dtype=np.float64)
    centred = np.asarray(log_power, dtype=np.float64) - np.mean(log_power)
    if not len(x):
        n_candidates = len(centred)
        return TiedMixture(
            centred, np.ones(n_candidates), np.full(n_candidates + 1, np.nan), np.zeros((0, n_candidates + 1))
        )
    fit = _Expectation(x, centred)
    for _ in range(iterations):
        fit.maximise(*fit.expect())
    return fit.best()


class _Expectation:
    """Expectation-maximisation from several starts at once; arrays have the start as first axis."""

    def __init__(self, x: NDArray[np.float64], centred: NDArray[np.float64]) -> None:
        n_candidates = len(centred)
        self.x, self.centred = x, centred
        self.relative_width = np.exp(-_SPREAD_EXPONENT * centred)
        # Pseudo-atoms: of each class in the composition, and in the choice between solutions.
        self.presence = _PRESENCE * np.exp(centred - centred.max())
        self.shift = np.append(np.median(x) - np.append(centred, 0.0), np.quantile(x, 0.97) - centred.max())
        n_starts = len(self.shift)
        self.slope = np.ones(n_starts)
        self.width = np.full(n_starts, max(float(np.std(x)) / (2 * n_candidates), _MIN_WIDTH))
        self.ghost_mean = np.full(n_starts, np.quantile(x, 0.15))
        self.ghost_width = np.full(n_starts, 0.6)
        self.fractions = np.full((n_starts, n_candidates + 1), 0.9 / n_candidates)
        self.fractions[:, -1] = 0.1

    @property
    def means(self) -> NDArray[np.float64]:
        """Of log intensity, (n_starts, n_candidates)."""
        return self.shift[:, None] + self.slope[:, None] * self.centred

    def expect(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Log probability of each atom and class together, (n_starts, n, n_candidates + 1), and of each atom."""
        means = np.concatenate([self.means, self.ghost_mean[:, None]], axis=1)
        widths = np.concatenate([self.width[:, None] * self.relative_width, self.ghost_width[:, None]], axis=1)
        prior = np.log(self.fractions) - np.log(widths * np.sqrt(2 * np.pi))
        prior[:, -1] -= _GHOST_PRICE
        joint = prior[:, None] - 0.5 * ((self.x[None, :, None] - means[:, None]) / widths[:, None]) ** 2
        return joint, logsumexp(joint, axis=-1)

    def maximise(self, joint: NDArray[np.float64], evidence: NDArray[np.float64]) -> None:
        """Composition, line through the means and widths that fit the shares best."""
        share = np.exp(joint - evidence[..., None])
        counts = share.sum(1) + np.append(1.0 + self.presence, 1.0)
        self.fractions = counts / counts.sum(1, keepdims=True)
        x = self.x[None, :, None]
        real = share[..., :-1]
        weight = real / self.relative_width**2
        mass = weight.sum((1, 2)) + 1e-9
        mean_x = (weight * x).sum((1, 2)) / mass
        mean_power = (weight * self.centred).sum((1, 2)) / mass
        lever = self.centred[None, None] - mean_power[:, None, None]
        ridge = self.width**2 / _SLOPE_SIGMA**2
        covariance = (weight * lever * (x - mean_x[:, None, None])).sum((1, 2))
        self.slope = np.clip((covariance + ridge) / ((weight * lever**2).sum((1, 2)) + ridge), 0.5, 1.5)
        self.shift = mean_x - self.slope * mean_power
        variance = (weight * (x - self.means[:, None]) ** 2).sum((1, 2)) / (real.sum((1, 2)) + 1e-9)
        self.width = np.maximum(np.sqrt(variance), _MIN_WIDTH)
        ghost = share[..., -1]
        total = ghost.sum(1) + 1e-9
        self.ghost_mean = np.minimum((ghost * self.x).sum(1) / total, self.means.max(1) - _GHOST_GAP)
        ghost_variance = (ghost * (self.x - self.ghost_mean[:, None]) ** 2).sum(1) / total
        self.ghost_width = np.clip(np.sqrt(ghost_variance), *_GHOST_WIDTH)

    def best(self) -> TiedMixture:
        """The likeliest start, priors included."""
        joint, evidence = self.expect()
        prior = (self.presence * np.log(self.fractions[:, :-1])).sum(1) - 0.5 * ((self.slope - 1) / _SLOPE_SIGMA) ** 2
        winner = int(np.argmax(evidence.sum(1) + prior))
        posterior = joint[winner] - evidence[winner][:, None]
        widths = self.width[winner] * self.relative_width
        return TiedMixture(self.means[winner], widths, self.fractions[winner], posterior)
