"""One simulated sample, ready for training: what the network reads, what it should answer, what was measured."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pann.core import TiltSeries
from pann.refiner.acquisition import acquisition_vector, counts_per_area
from pann.refiner.canonical import PooledCube, pooled_cube
from pann.refiner.lattices.crystals import Crystals
from pann.refiner.target import gaussian_atoms


@dataclass(eq=False)
class Example:
    """Arrays of one sample (a plain dataclass: Lightning refuses to move frozen ones).

    Attributes
    ----------
    name : of the sample.
    values : (nx, ny, nz) float16, the reconstruction at the canonical voxel, of unit bulk density.
    lattice : (nx, ny, nz) float16, its periodic part, see `pann.refiner.lattices.bragg.bragg_filtered`.
    scale : factor from `values` to image units per voxel.
    voxel_size : canonical [Å].
    positions : (n, 3) [Å], true atoms.
    heights : (n,), relative scattering powers, of mean 1.
    images : (n_tilts, nu, nv) counts.
    angles : (n_tilts, 3) Euler angles [deg].
    pixel_size : of the images [Å].
    dose : [e/Å² per projection].
    method, iterations : how `values` was reconstructed.
    crystals : what the counts say of the particle as a whole; None if that is still to be found.
    """

    name: str
    values: NDArray[np.float16]
    lattice: NDArray[np.float16]
    scale: float
    voxel_size: float
    positions: NDArray[np.float64]
    heights: NDArray[np.float64]
    images: NDArray[np.uint16]
    angles: NDArray[np.float64]
    pixel_size: float
    dose: float
    method: str
    iterations: int
    crystals: Crystals | None = None

    @property
    def series(self) -> TiltSeries:
        """The measured series."""
        return TiltSeries(self.images.astype(np.float32), self.angles, self.pixel_size, dose=self.dose, name=self.name)


@dataclass(eq=False)
class Prepared:
    """An example with what follows from it for one network and one target.

    Attributes
    ----------
    example : the sample.
    sigma : width of the Gaussian atoms in the target [Å], see `pann.refiner.target`.
    pooled : the whole volume in a small cube.
    acquisition : (6,) see `pann.refiner.acquisition`.
    """

    example: Example
    sigma: float
    pooled: PooledCube
    acquisition: NDArray[np.float32]

    @classmethod
    def of(cls, example: Example, sigma: float, global_size: int) -> Self:
        """Prepare `example` for atoms of width `sigma` [Å] and a pooled cube of edge `global_size`."""
        pooled = pooled_cube(example.values.astype(np.float32), global_size)
        acquisition = acquisition_vector(example.series, pooled.factor * example.voxel_size)
        return cls(example, sigma, pooled, acquisition)

    @property
    def counts(self) -> float:
        """Electrons per Å² of an image where the object is."""
        return counts_per_area(self.example.series)

    @property
    def target_heights(self) -> NDArray[np.float32]:
        """Heights (2, n) of the atoms in density and presence, see `pann.refiner.target`."""
        heights = self.example.heights.astype(np.float32)
        return np.stack([heights, np.ones_like(heights)])

    @property
    def target(self) -> NDArray[np.float32]:
        """What the network should answer, (2, nx, ny, nz): density and presence."""
        example = self.example
        shape = example.values.shape
        return gaussian_atoms(example.positions, self.target_heights, shape, example.voxel_size, self.sigma)
