"""What the network is trained to give: every atom a Gaussian of one width.

Two volumes of it: the density, where the height of an atom is its scattering power, and the presence, where every atom
has height one. Squared error makes a network answer with the mean of what the data allow, so that the presence at a
place follows the probability that an atom is there, whatever its element.
"""

from math import ceil

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from pann.core.geometry import position_to_index

CUTOFF = 4.0
"""Radius, in standard deviations, beyond which an atom is left out of the sum: 3e-4 of its peak."""
DENSITY, PRESENCE = 0, 1
"""Channels of the target and of the network's answer."""


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
    heights : (n,) peak values hᵢ, or (c, n) of c volumes.
    shape : (nx, ny, nz).
    voxel_size, sigma : [Å].

    Returns
    -------
    (nx, ny, nz), or (c, nx, ny, nz) for c rows of heights.
    """
    rows = np.asarray(heights, dtype=np.float32)
    centres = torch.from_numpy(position_to_index(positions, shape, voxel_size).astype(np.float32))
    volumes = splatted(centres, torch.from_numpy(np.atleast_2d(rows)), shape, sigma / voxel_size)
    out: NDArray[np.float32] = volumes.numpy()
    return out if rows.ndim == 2 else out[0]


def splatted(centres: Tensor, heights: Tensor, shape: tuple[int, int, int], sigma: float) -> Tensor:
    """Sums of Gaussians (c, nx, ny, nz), on the device of their centres.

    Parameters
    ----------
    centres : (n, 3) [voxels]; those far outside are left out.
    heights : (c, n) peak values.
    shape : (nx, ny, nz).
    sigma : [voxels].
    """
    reach = ceil(CUTOFF * sigma)
    edges = torch.tensor(shape, device=centres.device)
    steps = torch.arange(-reach, reach + 1, device=centres.device)
    voxels = centres.round().long()[:, None] + steps[:, None]  # (n, 2 reach + 1, 3)
    line = torch.exp(-0.5 * ((voxels - centres[:, None]) / sigma) ** 2)
    line = line * ((voxels >= 0) & (voxels < edges))
    voxels = torch.minimum(voxels.clamp(min=0), edges - 1)
    x, y, z = voxels.unbind(2)
    place = (x[:, :, None, None] * shape[1] + y[:, None, :, None]) * shape[2] + z[:, None, None, :]
    atoms = line[:, :, None, None, 0] * line[:, None, :, None, 1] * line[:, None, None, :, 2]
    out = centres.new_zeros((len(heights), shape[0] * shape[1] * shape[2]))
    weighted = heights[:, :, None] * atoms.flatten(1)
    out.index_add_(1, place.flatten(), weighted.flatten(1))
    return out.view(len(heights), *shape)
