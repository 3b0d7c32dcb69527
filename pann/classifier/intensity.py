"""Integrated intensity of the atoms in a volume."""

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from pann.classifier.zernike import sample_around, zernike_basis
from pann.core.errors import InputError
from pann.core.volume import Volume

_DARK = 1e-3


def integrated_intensity(volume: Volume, positions: ArrayLike, radius: float = 1.2) -> NDArray[np.float64]:
    """Sum of `volume` over a ball of `radius` [Å] around each of `positions` (n, 3) [Å], in image units, (n,).

    A quadrature over trilinear values replaces the sum over voxels, so that the result does not jump with the position
    of the atom between voxels.
    """
    if not radius > 0:
        raise InputError(f"integrated intensity: radius is {radius}: expected a positive number [Å]")
    density = torch.from_numpy(np.array(volume.values))
    basis = zernike_basis(0, oversampling=14)
    voxels = radius / volume.voxel_size
    index = torch.from_numpy(volume.indices(positions)).float().reshape(-1, 3)
    offsets = (voxels * basis.points).float()
    weights = (voxels**3 * basis.weights).float()
    parts = [sample_around(density, part, offsets) @ weights for part in index.split(16384)]
    return torch.cat(parts).double().numpy() if parts else np.zeros(0)


def typical(intensities: NDArray[np.float64]) -> float:
    """Intensity of a typical atom: half of the intensity of the whole particle is in atoms brighter than this.

    This weighted median stays on the atoms where a threshold set low has let in many dim peaks that are none.
    Raises InputError when there is no intensity at all, since then nothing can tell elements apart.
    """
    ordered = np.sort(np.maximum(intensities, 0.0))
    total = np.cumsum(ordered)
    if not len(ordered) or not total[-1] > 0:
        raise InputError(
            f"classification: {len(intensities)} atoms hold no intensity: the positions do not lie on the density; "
            "check that volume and model belong together"
        )
    return float(ordered[np.searchsorted(total, 0.5 * total[-1])])


def relative_log(intensities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of `intensities` (n,) relative to the typical one; dark atoms are floored at a thousandth of it."""
    return np.log(np.maximum(intensities / typical(intensities), _DARK))
