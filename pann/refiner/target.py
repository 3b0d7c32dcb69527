"""What the network is trained to give: every atom a Gaussian of one width, its height by scattering power."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.geometry import position_to_index

CUTOFF = 4.0
"""Radius, in standard deviations, beyond which an atom is left out of the sum: 3e-4 of its peak."""


def relative_heights(scattering: ArrayLike) -> NDArray[np.float64]:
    """Scattering powers (n,) divided by their mean over the particle: heights of the atoms in the target."""
    powers = np.asarray(scattering, dtype=np.float64)
    return powers / powers.mean()


def gaussian_atoms(
    positions: ArrayLike, heights: ArrayLike, shape: tuple[int, int, int], voxel_size: float, sigma: float
) -> NDArray[np.float32]:
    """Σᵢ hᵢ exp(−|r − rᵢ|² / 2σ²) on a grid.

    Parameters
    ----------
    positions : (n, 3) [Å], zero at the voxel n // 2.
    heights : (n,) peak values hᵢ.
    shape : (nx, ny, nz).
    voxel_size, sigma : [Å].
    """
    out = np.zeros(shape, dtype=np.float32)
    reach = int(np.ceil(CUTOFF * sigma / voxel_size))
    centres = position_to_index(positions, shape, voxel_size)
    for centre, height in zip(centres, np.asarray(heights, dtype=np.float64), strict=True):
        start = np.maximum(np.round(centre).astype(int) - reach, 0)
        stop = np.minimum(np.round(centre).astype(int) + reach + 1, shape)
        if np.any(stop <= start):
            continue
        x, y, z = (
            np.exp(-0.5 * ((np.arange(a, b) - c) * voxel_size / sigma) ** 2)
            for a, b, c in zip(start, stop, centre, strict=True)
        )
        box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        out[box] += (height * x[:, None, None] * y[None, :, None] * z[None, None, :]).astype(np.float32)
    return out
