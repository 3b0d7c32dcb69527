"""Images of atoms at known places as a sparse matrix: what each pixel receives of each atom."""

from math import ceil, pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

REACH = 3.0
"""Distance in standard deviations within which an atom is drawn."""


def image_of_atoms(place: NDArray[np.float64], shape: tuple[int, int], spread: float) -> csr_array:
    """Image (nx ny, n) of each atom at `place` (n, 2) [pixels from the centre], Gaussians of `spread` [pixels]."""
    reach = ceil(REACH * spread)
    steps = np.arange(-reach, reach + 1)
    profiles, pixels, inside = [], [], []
    for axis, size in enumerate(shape):
        centre = place[:, axis] + size // 2
        pixel = np.rint(centre).astype(np.int64)[:, None] + steps
        profiles.append(np.exp(-0.5 * ((pixel - centre[:, None]) / spread) ** 2) / (spread * sqrt(2 * pi)))
        inside.append((pixel >= 0) & (pixel < size))
        pixels.append(pixel)
    values = (profiles[0][:, :, None] * profiles[1][:, None, :]).astype(np.float32)
    index = pixels[0][:, :, None] * shape[1] + pixels[1][:, None, :]
    seen = inside[0][:, :, None] & inside[1][:, None, :]
    atom = np.broadcast_to(np.arange(len(place))[:, None, None], values.shape)
    return csr_array((values[seen], (index[seen], atom[seen])), shape=(shape[0] * shape[1], len(place)))
