"""The lattices of a particle and their mean cells, found once in its counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from pann.core.tilt_series import TiltSeries
from pann.refiner.cell_average import cell_average
from pann.refiner.coherence import lattices_in
from pann.refiner.gradient import CountsGradient
from pann.refiner.orientation import Lattice, find_lattices
from pann.refiner.spectrum import Spectrum


@dataclass(frozen=True, eq=False)
class Crystals:
    """What is periodic in a particle, by its counts.

    Attributes
    ----------
    lattices : best first.
    cells : (n, nx, ny, nz) mean cells of the first of them, repeated everywhere, see `pann.refiner.cell_average`.
    """

    lattices: list[Lattice]
    cells: Tensor

    @classmethod
    def of(cls, density: Tensor, voxel_size: float, series: TiltSeries, cells: int) -> Self:
        """Find the lattices, and the mean cells of the best `cells`.

        Parameters
        ----------
        density : (nx, ny, nz) float32, reconstruction of `series`.
        voxel_size : [Å].
        """
        with torch.no_grad(), torch.autocast(density.device.type, enabled=False):  # phases need all digits
            gradient = CountsGradient.of(density, voxel_size, series)
            lattices = lattices_in(gradient, find_lattices(Spectrum.of(density, voxel_size)))
            shown = [cell_average(gradient, lattice) for lattice in lattices[:cells]]
            return cls(lattices, torch.stack(shown) if shown else density.new_zeros((0, *density.shape)))

    def mirrored(self, axes: Sequence[int]) -> Self:
        """Those of the particle mirrored along `axes`."""
        cells = self.cells.flip([axis + 1 for axis in axes])
        return type(self)([lattice.mirrored(axes) for lattice in self.lattices], cells)
