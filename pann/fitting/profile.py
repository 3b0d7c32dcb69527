"""A measured or simulated radial profile as a sum of Gaussians, the form in which the fit takes a PSF."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls

from pann.core import InputError, PointSpread

WIDTHS_PER_OCTAVE = 3
"""Widths that are tried: finer, and neighbours share one Gaussian between them."""
LEAST_WEIGHT = 1e-3
"""Gaussians below this share of the intensity are left out."""


def psf_of_profile(radii: ArrayLike, values: ArrayLike) -> PointSpread:
    """Point spread function whose profile is that of an atom, in any unit.

    Non-negative least squares over Gaussians of a ladder of widths, each radius weighted by the area of its ring.

    Parameters
    ----------
    radii : (n,) [Å], from the centre of the atom.
    values : (n,) intensity per area, background taken off.
    """
    r, profile = (np.asarray(array, dtype=np.float64) for array in (radii, values))
    if r.ndim != 1 or r.shape != profile.shape or len(r) < 4 or not (np.isfinite(profile).all() and profile.max() > 0):
        raise InputError(
            f"psf: radii {r.shape} and values {profile.shape}: expected two lists of at least 4 finite numbers, and a "
            "profile that is positive somewhere"
        )
    reach = r.max()
    octaves = np.log2(reach / np.diff(np.unique(r)).min())
    sigmas = reach / 2 ** np.arange(1, octaves + 1, 1 / WIDTHS_PER_OCTAVE)[::-1]
    gaussians = np.exp(-((r[:, None] / sigmas) ** 2) / 2) / (2 * np.pi * sigmas**2)
    root = np.sqrt(np.maximum(r, 0.5 * np.diff(np.unique(r)).min()))[:, None]
    weights, _ = nnls(root * gaussians, root[:, 0] * profile)
    kept = weights > LEAST_WEIGHT * weights.sum()
    chosen = weights[kept] / weights[kept].sum()
    return PointSpread(tuple(sigmas[kept].tolist()), tuple(chosen.tolist()))
