"""One simulated sample, ready for training: what the network reads, what it should answer, what was measured."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pann.core import TiltSeries
from pann.refiner.acquisition import acquisition_vector
from pann.refiner.canonical import PooledCube, pooled_cube
from pann.refiner.target import gaussian_atoms


@dataclass(eq=False)
class Example:
    """Arrays of one sample (a plain dataclass: Lightning refuses to move frozen ones).

    Attributes
    ----------
    name : of the sample.
    values : (nx, ny, nz) float16, the reconstruction at the canonical voxel, of unit bulk density.
    scale : factor from `values` to image units per voxel.
    voxel_size : canonical [Å].
    positions : (n, 3) [Å], true atoms.
    heights : (n,), relative scattering powers, of mean 1.
    images : (n_tilts, nu, nv) counts.
    angles : (n_tilts, 3) Euler angles [deg].
    pixel_size : of the images [Å].
    dose : [e/Å² per projection].
    """

    name: str
    values: NDArray[np.float16]
    scale: float
    voxel_size: float
    positions: NDArray[np.float64]
    heights: NDArray[np.float64]
    images: NDArray[np.float32]
    angles: NDArray[np.float64]
    pixel_size: float
    dose: float

    @property
    def series(self) -> TiltSeries:
        """The measured series."""
        return TiltSeries(self.images, self.angles, self.pixel_size, dose=self.dose, name=self.name)


@dataclass(eq=False)
class Prepared:
    """An example with what follows from it for one network and one target.

    Attributes
    ----------
    example : the sample.
    target : (nx, ny, nz) float16, see `pann.refiner.target`.
    pooled : the whole volume in a small cube.
    acquisition : (6,) see `pann.refiner.acquisition`.
    """

    example: Example
    target: NDArray[np.float16]
    pooled: PooledCube
    acquisition: NDArray[np.float32]

    @classmethod
    def of(cls, example: Example, sigma: float, global_size: int) -> Self:
        """Prepare `example` for atoms of width `sigma` [Å] and a pooled cube of edge `global_size`."""
        shape = example.values.shape
        target = gaussian_atoms(example.positions, example.heights, shape, example.voxel_size, sigma)
        pooled = pooled_cube(example.values.astype(np.float32), global_size)
        acquisition = acquisition_vector(example.series, pooled.factor * example.voxel_size)
        return cls(example, target.astype(np.float16), pooled, acquisition)
