"""How large a peak of pure noise gets in a volume: the threshold that follows from a false-positive rate.

The score of an atom's profile, divided by its standard deviation, is under noise alone a Gaussian field Z(r) of unit
variance, as wide as the profile correlates with itself. The number of its maxima above a level u is, for high u, the
Euler characteristic of the set above u, whose mean is known (Adler, The Geometry of Random Fields, 1981; Worsley et
al., Human Brain Mapping 4, 58, 1996; as the "look-elsewhere effect" of physics Gross and Vitells, Eur. Phys. J. C 70,
525, 2010):

    N(u) = R (u² − 1) exp(−u² / 2) / (2π)²,        R = ∫ |Λ|^½ dV,        Λ = Var(∇Z).

R counts the independent positions. Only maxima inside the volume are taken, so no term of its surface is added. Saddles
count against maxima in the Euler characteristic: at u = 2.75 to 3.5 simulated noise has 1.2 to 1.5 times as many.
"""

from math import exp, pi

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

LEVELS = (1.8, 40.0)
"""Range of the threshold: N(u) falls only beyond √3."""


def expected_maxima(level: float, positions: float) -> float:
    """N(u): mean number of maxima of pure noise above `level` among `positions` independent positions R."""
    return positions * (level**2 - 1) * exp(-(level**2) / 2) / (2 * pi) ** 2


def noise_threshold(expected_false: float, positions: float) -> float:
    """Level u above which noise alone has `expected_false` maxima among `positions` independent positions."""
    low, high = LEVELS
    if expected_maxima(low, positions) <= expected_false:
        return low
    return float(brentq(lambda level: expected_maxima(level, positions) - expected_false, low, high))


def roughness(information: NDArray[np.float64]) -> float:
    """|Λ|^½ [1/Å³] of the field Z, the mean over places.

    Parameters
    ----------
    information : (n, 4, 4) Fisher information of (x, y, z [Å], intensity) of an atom of unit intensity at each place.
        With Z the score of the intensity over the root of its information F_aa, the variance of its gradient is
        F_pp / F_aa − F_pa F_ap / F_aa².
    """
    by_intensity = information[:, 3, 3]
    usable = by_intensity > 0
    if not usable.any():
        return 0.0
    blocks, power = information[usable], by_intensity[usable, None, None]
    gradient = blocks[:, :3, :3] / power - blocks[:, :3, 3:] * blocks[:, 3:, :3] / power**2
    return float(np.sqrt(np.maximum(np.linalg.det(gradient), 0.0)).mean())
