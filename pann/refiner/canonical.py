"""The frame in which the network works: one voxel size, one scale of density, a pooled copy of the whole."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from pann.core import InputError, Volume

BULK_SMOOTHING = 2.0
"""Width [Å] of the Gaussian that smooths atoms into a bulk: about the distance of neighbours."""


def resampled(volume: Volume, voxel_size: float) -> Volume:
    """`volume` interpolated to `voxel_size` [Å]; position zero stays the voxel n // 2.

    The values are scaled so that a sum along the beam keeps its meaning. Cubic splines; when the voxel grows, a
    Gaussian first removes what the coarser grid cannot hold.
    """
    ratio = voxel_size / volume.voxel_size
    if abs(ratio - 1) < 1e-6:
        return volume
    values = volume.values
    if ratio > 1:
        values = gaussian_filter(values, (ratio - 1) / 2, mode="constant")
    out = values.astype(np.float32)
    for axis, n in enumerate(volume.shape):  # the interpolation is the product of one along each axis
        out = np.moveaxis(np.tensordot(_interpolation(n, ratio), out, axes=(1, axis)), 0, axis)
    return volume.replace(values=np.ascontiguousarray(np.maximum(out, 0) * np.float32(ratio)), voxel_size=voxel_size)


def _interpolation(n: int, ratio: float) -> NDArray[np.float32]:
    """Cubic spline interpolation (m, n) of n samples at m places `ratio` apart, n // 2 at m // 2; zero outside."""
    m = 2 * ceil((n - n // 2) / ratio)
    offset = n // 2 - (m // 2) * ratio
    columns = [affine_transform(row, [ratio], offset, output_shape=(m,), mode="grid-constant") for row in np.eye(n)]
    return np.stack(columns, axis=1).astype(np.float32)


def bulk_level(volume: Volume) -> float:
    """Mean density inside the object, in the units of `volume`: Σs² / Σs of the volume smoothed over neighbours.

    It scales with the volume, hardly depends on how noisy or sharp the reconstruction is, and needs no threshold. The
    smooth surface draws it down: to two thirds of the density in the middle for a particle of 20 Å.
    """
    smooth = gaussian_filter(volume.values, BULK_SMOOTHING / volume.voxel_size, mode="constant").astype(np.float64)
    smooth = np.maximum(smooth, 0)
    total = smooth.sum()
    if total <= 0:
        raise InputError(f"{volume.name}: the volume holds no density to refine")
    return float((smooth**2).sum() / total)


@dataclass(frozen=True)
class Canonical:
    """A volume as the network sees it.

    Attributes
    ----------
    values : (nx, ny, nz) float32, 1 where the bulk of the object has its mean density.
    scale : factor that brings `values` back to the units of the volume.
    voxel_size : [Å].
    """

    values: NDArray[np.float32]
    scale: float
    voxel_size: float


def to_canonical(volume: Volume, voxel_size: float) -> Canonical:
    """`volume` at `voxel_size` [Å] and unit bulk density; the level is measured once, on the whole volume."""
    grid = resampled(volume, voxel_size)
    scale = bulk_level(grid)
    return Canonical((grid.values / scale).astype(np.float32), scale, voxel_size)


@dataclass(eq=False)
class PooledCube:
    """The whole volume averaged into a small cube, and where voxels of the volume lie in it.

    A plain dataclass, since it travels in batches and Lightning refuses to move frozen ones.

    Attributes
    ----------
    values : (g, g, g) float32.
    factor : voxels of the volume along an edge of a voxel of the cube.
    before : (3,) voxels of padding before the volume along each axis.
    """

    values: NDArray[np.float32]
    factor: int
    before: tuple[int, int, int]

    def place(self, start: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float32]:
        """Edges (3, 2) of the box of voxels start ... stop in the cube; -1 ... 1 is the cube from edge to edge."""
        length = self.factor * len(self.values)
        edges = np.stack([start, stop], axis=1) + np.array(self.before)[:, None]
        return (2 * edges / length - 1).astype(np.float32)


def pooled_cube(values: NDArray[np.float32], size: int) -> PooledCube:
    """Average `values` (nx, ny, nz) over blocks of equal edge, so that the volume fills a cube of `size` voxels."""
    factor = ceil(max(values.shape) / size)
    length = factor * size
    before = tuple((length - n) // 2 for n in values.shape)
    padding = [(b, length - n - b) for b, n in zip(before, values.shape, strict=True)]
    blocks = np.pad(values, padding).reshape(size, factor, size, factor, size, factor)
    return PooledCube(blocks.mean(axis=(1, 3, 5), dtype=np.float32), factor, (before[0], before[1], before[2]))
