"""Mirror images of a volume that a network reads as well as the volume itself."""

import numpy as np

from pann.refiner.canonical import PooledCube

FLIPS: tuple[tuple[int, ...], ...] = ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2))
"""Mirrors that keep the tilt axis and the missing wedge."""


def flip_cube(pooled: PooledCube, axes: tuple[int, ...], shape: tuple[int, ...]) -> PooledCube:
    """The pooled cube of a volume of `shape` after mirroring both along `axes`."""
    length = pooled.factor * len(pooled.values)
    x, y, z = (
        length - n - b if axis in axes else b for axis, (b, n) in enumerate(zip(pooled.before, shape, strict=True))
    )
    return PooledCube(np.flip(pooled.values, axes).copy(), pooled.factor, (x, y, z))
