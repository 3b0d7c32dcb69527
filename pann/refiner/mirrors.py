"""Mirror images of a volume that a network reads as well as the volume itself."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import nn

from pann.refiner.canonical import PooledCube
from pann.refiner.net import N_ANSWERS
from pann.refiner.target import DENSITY
from pann.refiner.tiling import refine_tiled

FLIPS: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))
"""Mirrors that keep the tilt axis and the missing wedge."""


def mean_over_mirrors(
    net: nn.Module,
    channels: NDArray[np.float32],
    pooled: PooledCube,
    acquisition: NDArray[np.float32],
    *,
    flips: int,
    tile: int,
    margin: int,
    progress: bool = False,
    done: Callable[[], None] = lambda: None,
) -> NDArray[np.float32]:
    """Means over `flips` mirror images of the network's density and presence, and of the square of its density.

    Parameters
    ----------
    net, channels, pooled, acquisition, tile, margin, progress : see `pann.refiner.tiling.refine_tiled`.
    flips : 1 (the volume as it is) to 8.
    done : called after each image.

    Returns
    -------
    (N_ANSWERS + 1, nx, ny, nz)
    """
    shape = channels.shape[1:]
    total = np.zeros((N_ANSWERS + 1, *shape), np.float32)
    for axes in FLIPS[:flips]:
        flipped = tuple(axis + 1 for axis in axes)
        cube = flip_cube(pooled, axes, shape)
        refined = refine_tiled(
            net, np.flip(channels, flipped), cube, acquisition, tile=tile, margin=margin, progress=progress
        )
        refined = np.flip(refined, flipped)
        total[:N_ANSWERS] += refined
        total[N_ANSWERS] += refined[DENSITY] ** 2
        done()
    total /= flips
    return total


def flip_cube(pooled: PooledCube, axes: tuple[int, ...], shape: tuple[int, ...]) -> PooledCube:
    """The pooled cube of a volume of `shape` after mirroring both along `axes`."""
    length = pooled.factor * len(pooled.values)
    x, y, z = (
        length - n - b if axis in axes else b for axis, (b, n) in enumerate(zip(pooled.before, shape, strict=True))
    )
    return PooledCube(np.flip(pooled.values, axes).copy(), pooled.factor, (x, y, z))
