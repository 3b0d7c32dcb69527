"""Integrated intensity of each atom."""

from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pann.core.volume import Volume

_CHUNK_VALUES = 4_000_000
_SHELL_RATIO = 1.3
_FLOOR_QUANTILE = 0.25


def integrated_intensities(volume: Volume, positions: ArrayLike, radius: float) -> NDArray[np.float64]:
    """Sum of the density in a ball around each atom, above the local floor.

    The ball has an edge one voxel soft, so that the sum varies smoothly with the position. The floor is the lower
    quartile of the shell between `radius` and 1.3 `radius`: neighbours touch part of that shell and must not count.

    Parameters
    ----------
    positions : (n, 3) [Å].
    radius : of the ball [Å].

    Returns
    -------
    (n,) in the unit of the volume, times voxels; not negative.
    """
    index = volume.indices(positions).reshape(-1, 3)
    voxel = np.rint(index).astype(np.int64)
    ball = radius / volume.voxel_size
    reach = int(np.ceil(_SHELL_RATIO * ball + 1))
    offsets = np.array(list(product(range(-reach, reach + 1), repeat=3)))
    offsets = offsets[np.linalg.norm(offsets, axis=1) <= _SHELL_RATIO * ball + 1]
    result = np.zeros(len(index))
    step = max(1, _CHUNK_VALUES // len(offsets))
    last = np.array(volume.shape) - 1
    for start in range(0, len(index), step):
        chunk = slice(start, start + step)
        around = voxel[chunk, None, :] + offsets
        exists = np.all((around >= 0) & (around <= last), axis=-1)
        around = np.clip(around, 0, last)
        values = volume.values[around[..., 0], around[..., 1], around[..., 2]].astype(np.float64)
        distance = np.linalg.norm(voxel[chunk, None, :] + offsets - index[chunk, None, :], axis=-1)
        weight = np.where(exists, np.clip(ball + 0.5 - distance, 0, 1), 0)
        shell = exists & (distance > ball) & (distance <= _SHELL_RATIO * ball + 0.5)
        floor = _quantile_of_masked(values, shell)
        result[chunk] = np.maximum((weight * (values - floor[:, None])).sum(axis=1), 0)
    return result


def _quantile_of_masked(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Lower quartile of the masked values of each row; zero for a row without any."""
    ordered = np.sort(np.where(mask, values, np.inf), axis=1)
    rank = (_FLOOR_QUANTILE * np.maximum(mask.sum(axis=1) - 1, 0)).astype(np.int64)
    chosen = np.take_along_axis(ordered, rank[:, None], axis=1)[:, 0]
    return np.where(np.isfinite(chosen), chosen, 0.0)
